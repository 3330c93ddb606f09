"""A token bucket: how much a client may send."""

from __future__ import annotations


class TokenBucket:
    """Admits `rate` per second; who was quiet may spend up to `burst` at once."""

    __slots__ = ("_burst", "_rate", "_tokens", "_updated")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._updated = now

    def has(self, cost: float, now: float) -> bool:
        """Tell whether `cost` could be taken at `now` (seconds)."""
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._updated) * self._rate)
        self._updated = max(self._updated, now)
        return self._tokens >= cost

    def take(self, cost: float, now: float) -> bool:
        """Take `cost` at `now` (seconds); False, and nothing is taken, where there is less."""
        if not self.has(cost, now):
            return False
        self._tokens -= cost
        return True
