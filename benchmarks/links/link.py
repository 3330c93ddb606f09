"""One direction of a link: loss, a rate with a queue before it, delay. No IO, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

OVERHEAD = 28
"""Bytes that IPv4 and UDP add to what a socket is given."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a link does to a datagram."""

    loss: float = 0.0
    """The probability, 0 to 1, that one is lost, each on its own."""
    delay: float = 0.0
    """Seconds on the way, without what it waits in the queue."""
    jitter: float = 0.0
    """Seconds that are added at most, evenly distributed. Nothing overtakes."""
    rate: float | None = None
    """Bits per second of IP packets; None is without limit."""
    queue: float = 0.3
    """Seconds of that rate that fit in the queue; what comes then is lost."""

    def __post_init__(self) -> None:
        if not 0 <= self.loss <= 1:
            raise ValueError(f"loss is {self.loss}, it should be 0 to 1")
        if self.rate is not None and self.rate <= 0:
            raise ValueError(f"rate is {self.rate}, it should be above 0 bit/s")
        if min(self.delay, self.jitter, self.queue) < 0:
            raise ValueError("delay, jitter and queue are seconds and should be 0 or more")


PERFECT = Conditions()


class Link:
    """`now` is seconds on one monotonic clock."""

    def __init__(self, conditions: Conditions, random: Random) -> None:
        self.conditions = conditions
        """May change while the link is in use; what waits in the queue leaves at the new rate."""
        self.sent = self.lost = self.overflowed = 0
        """Datagrams: given to the link, lost on it, and lost as the queue was full."""
        self._random = random
        self._backlog = 0.0  # bits that wait, at `_at`
        self._at = 0.0
        self._newest = 0.0

    def queue_delay(self, now: float) -> float:
        """Seconds that a datagram given now would wait before it is sent."""
        self._drain(now)
        rate = self.conditions.rate
        return self._backlog / rate if rate is not None else 0.0

    def send(self, size: int, now: float) -> float | None:
        """When a datagram of `size` bytes, given now, arrives; None where it does not."""
        conditions = self.conditions
        self.sent += 1
        waits = 0.0
        if conditions.rate is not None:
            bits = (size + OVERHEAD) * 8
            if self.queue_delay(now) > conditions.queue:
                self.overflowed += 1
                return None
            self._backlog += bits
            waits = self._backlog / conditions.rate
        # Drawn for each, so that a seed loses the same ones whatever the rate is.
        lost = self._random.random() < conditions.loss
        extra = self._random.random() * conditions.jitter
        if lost:
            self.lost += 1
            return None
        self._newest = max(self._newest, now + waits + conditions.delay + extra)
        return self._newest

    def _drain(self, now: float) -> None:
        rate = self.conditions.rate
        self._backlog = max(0.0, self._backlog - (now - self._at) * rate) if rate is not None else 0.0
        self._at = now
