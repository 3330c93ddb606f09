"""When to ask a publisher for a keyframe: many wishes, few requests, and no wish forgotten."""

from __future__ import annotations

# A publisher's encoder needs some time for a keyframe; asking again meanwhile only makes it encode two.
MIN_INTERVAL = 0.3

# Until the keyframe has come the request may have been lost.
FIRST_RETRY = 0.5
MAX_RETRY = 4.0


class KeyframeRequest:
    """One stream's request. Pure: `now` is seconds on a monotonic clock."""

    def __init__(self) -> None:
        self.sent = 0
        """Requests so far."""
        self._wanted = False
        self._retry = FIRST_RETRY
        self._last_sent: float | None = None
        self._next: float | None = None

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for a keyframe."""
        return self._wanted

    def want(self, now: float) -> None:
        """Somebody needs a keyframe. Wishes within one interval are one request."""
        if self._wanted:
            return
        self._wanted = True
        self._retry = FIRST_RETRY
        self._next = now if self._last_sent is None else max(now, self._last_sent + MIN_INTERVAL)

    def due(self, now: float) -> bool:
        """Whether to send a request now; it counts as sent."""
        if self._next is None or now < self._next:
            return False
        self.sent += 1
        self._last_sent = now
        self._next = now + self._retry
        self._retry = min(self._retry * 2, MAX_RETRY)
        return True

    def satisfied(self) -> None:
        """A keyframe came."""
        self._wanted = False
        self._next = None
