"""A network path in one direction, without a network: what is sent comes out later, or never."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass

Loss = Callable[[int, float], bool]
"""(datagrams sent before it, seconds of the clock) → whether this one is lost."""

# Bytes of IPv4 and UDP headers, which take their time on a thin link too.
HEADERS = 28


def random_loss(probability: float, seed: int = 1) -> Loss:
    """Each datagram is lost with this probability, the same ones with the same seed."""
    dice = random.Random(seed)
    return lambda sent, now: dice.random() < probability


def burst_loss(probability: float, length: float, seed: int = 1) -> Loss:
    """Losses come in bursts (Gilbert's model): `probability` of all, `length` at a time on average."""
    dice = random.Random(seed)
    leave = 1 / length
    enter = leave * probability / (1 - probability)
    bad = False

    def lost(sent: int, now: float) -> bool:
        nonlocal bad
        bad = dice.random() >= leave if bad else dice.random() < enter
        return bad

    return lost


def pattern_loss(pattern: str) -> Loss:
    """Datagrams are lost where the pattern, which repeats, has an x: "...x" is each fourth."""
    return lambda sent, now: pattern[sent % len(pattern)] == "x"


@dataclass
class Link:
    """One direction. Every property may be changed while it runs."""

    delay: float = 0.0
    """Seconds that a datagram takes, besides waiting."""
    jitter: float = 0.0
    """Up to so many seconds more, at random. Datagrams overtake each other only where `reorder` is set."""
    loss: Loss | None = None
    rate: float | None = None
    """Bits per second; None for as many as come."""
    queue: int = 64_000
    """Bytes that wait for the rate; what comes on top is lost (drop tail)."""
    reorder: bool = False
    seed: int = 1

    def __post_init__(self) -> None:
        self.sent = self.lost = self.overflowed = 0
        self._dice = random.Random(self.seed)
        self._free_at = 0.0  # when the last bit of what waits has left
        self._newest_due = 0.0
        self._waiting: list[tuple[float, int, bytes]] = []

    @property
    def perfect(self) -> bool:
        """Whether a datagram that is sent now comes out now."""
        return not (self.delay or self.jitter or self.loss or self.rate or self._waiting)

    def queued(self, now: float) -> float:
        """Bytes that wait for the rate."""
        return max(0.0, self._free_at - now) * (self.rate or 0.0) / 8

    def send(self, data: bytes, now: float) -> None:
        """Put a datagram in at one end."""
        number, self.sent = self.sent, self.sent + 1
        if self.loss is not None and self.loss(number, now):
            self.lost += 1
            return
        left = now
        if self.rate is not None:
            size = len(data) + HEADERS
            if self.queued(now) + size > self.queue:
                self.overflowed += 1
                return
            left = self._free_at = max(now, self._free_at) + size * 8 / self.rate
        due = left + self.delay + self._dice.random() * self.jitter
        if not self.reorder:
            due = self._newest_due = max(due, self._newest_due)
        heapq.heappush(self._waiting, (due, number, data))

    def next_due(self) -> float | None:
        """When the next datagram comes out, None where none is on its way."""
        return self._waiting[0][0] if self._waiting else None

    def take(self, now: float) -> list[bytes]:
        """What has come out at the other end by now, in the order of arrival."""
        taken = []
        while self._waiting and self._waiting[0][0] <= now:
            taken.append(heapq.heappop(self._waiting)[2])
        return taken
