"""The rate that loss allows (draft-ietf-rmcat-gcc-02 section 6).

Over a tenth lost, the rate goes down by half of that; under a fiftieth, it goes up. Loss that is there at
lower rates just the same is the link's own and no sign of too much: sending less would not help. libwebrtc
has a model for that (goog_cc/loss_based_bwe_v2.cc); here rates that lie well apart are compared.
"""

from __future__ import annotations

from collections import deque

_HIGH, _LOW = 0.10, 0.02
_INCREASE_PER_SECOND = 1.08
# Fewer packets say nothing.
_PACKETS = 20
_INTERVAL = 0.3
# Seconds for which observations are kept, and how far rates lie apart to be compared.
_MEMORY = 15.0
_APART = 0.8
_SAME = 0.6
_QUEUE = 0.05
# More than this is no call.
_MOST = 0.3


class LossControl:
    """The loss-based rate of one link, bits per second; infinite before loss limits it."""

    __slots__ = (
        "_acknowledged",
        "_decreased",
        "_lost",
        "_observed",
        "_updated",
        "bitrate",
        "fraction",
        "inherent",
    )

    def __init__(self) -> None:
        self.bitrate = float("inf")
        self.fraction = 0.0
        """Lost of the newest packets."""
        self.inherent = 0.0
        """The part that is there at any rate."""
        self._acknowledged = self._lost = 0
        self._updated: float | None = None
        self._decreased = float("-inf")
        self._observed: deque[tuple[float, float, float]] = deque()  # (time, rate, fraction)

    def update(
        self,
        acknowledged: int,
        lost: int,
        sent_bitrate: float,
        now: float,
        *,
        round_trip_time: float,
        queue_delay: float,
    ) -> float:
        """Take counters since the start (packets), and what is sent (bits per second); the rate now."""
        received, missing = acknowledged - self._acknowledged, lost - self._lost
        if received + missing < _PACKETS or (self._updated is not None and now - self._updated < _INTERVAL):
            return self.bitrate
        elapsed = min(now - self._updated, 1.0) if self._updated is not None else _INTERVAL
        self._updated = now
        self._acknowledged, self._lost = acknowledged, lost
        self.fraction = min(max(missing / (received + missing), 0.0), 1.0)
        if queue_delay < _QUEUE:
            # With a queue, what is lost is what overflowed.
            self._compare(sent_bitrate, now)
        excess = self.fraction - self.inherent
        if excess > _HIGH:
            if now - self._decreased >= _INTERVAL + round_trip_time:
                self.bitrate = min(self.bitrate, sent_bitrate) * (1 - excess / 2)
                self._decreased = now
        elif excess < _LOW:
            self.bitrate *= _INCREASE_PER_SECOND**elapsed
        return self.bitrate

    def probed(self, bitrate: float) -> None:
        """So much has just gone through without loss."""
        if self.fraction - self.inherent < _LOW:
            self.bitrate = max(self.bitrate, bitrate)

    def _compare(self, rate: float, now: float) -> None:
        self._observed.append((now, rate, self.fraction))
        while now - self._observed[0][0] > _MEMORY:
            self._observed.popleft()
        highest = max(rate for _, rate, _ in self._observed)
        lowest = min(rate for _, rate, _ in self._observed)
        if lowest <= _APART * highest:
            at_lowest = [f for _, rate, f in self._observed if rate <= lowest * 1.1]
            at_highest = [f for _, rate, f in self._observed if rate >= highest / 1.1]
            low, high = sum(at_lowest) / len(at_lowest), sum(at_highest) / len(at_highest)
            self.inherent = min(low, _MOST) if low >= _SAME * high else 0.0
        elif self.fraction < self.inherent:
            # It has become better by itself.
            self.inherent += 0.2 * (self.fraction - self.inherent)
