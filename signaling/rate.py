"""A token bucket: how many messages a client may send."""

from __future__ import annotations


class RateLimit:
    """Admits `rate` messages per second over `window` seconds; who was quiet may send them at once."""

    __slots__ = ("_capacity", "_rate", "_tokens", "_updated")

    def __init__(self, rate: float, window: float, now: float) -> None:
        self._rate = rate
        self._capacity = rate * window
        self._tokens = self._capacity
        self._updated = now

    def admit(self, now: float, cost: float = 1.0) -> bool:
        """Take a message's worth at `now` (seconds), or `cost` of them; False when there are fewer."""
        self._tokens = min(self._capacity, self._tokens + max(0.0, now - self._updated) * self._rate)
        self._updated = now
        if self._tokens < cost:
            return False
        self._tokens -= cost
        return True

    @property
    def pause(self) -> float:
        """Seconds until one more message is admitted."""
        return max(0.0, (1.0 - self._tokens) / self._rate)
