"""A sender and a receiver with a link between them: packets, feedback and probes, on a clock of their own."""

from __future__ import annotations

import copy
import heapq

from sfu.bwe.estimator import Estimator
from sfu.bwe.sent import SentPackets
from sfu.streams.arrivals import Arrivals
from sfu.wire.rtcp import parse
from tests.sfu.link import Link

PACKET = 1100
STEP = 0.005


class Path:
    """Sends what the estimator allows, or as much of it as there is to send."""

    def __init__(self, downlink: Link, *, round_trip: float = 0.05, demand: float = float("inf")) -> None:
        self.now = 100.0
        self.downlink = downlink
        downlink.delay = round_trip / 2
        self.round_trip = round_trip
        self.demand = demand
        self.levels: tuple[float, ...] | None = None
        self.sent = SentPackets()
        self.arrivals = Arrivals()
        self.estimator = Estimator()
        self.history: list[tuple[float, float]] = []
        self.queues: list[tuple[float, float]] = []
        self._feedback: list[tuple[float, bytes]] = []
        self._owed = 0.0
        self._probe_until = 0.0
        self._probe_rate = 0.0
        self._tick = 0.0

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += STEP
            self._media()
            self._receive()
            if self.now >= self._tick:
                self._tick = self.now + 0.1
                self._control()

    def rate(self) -> float:
        """What media there is: as much as is allowed, or the highest level that fits."""
        target = self.estimator.target
        if self.levels is not None:
            return max((level for level in self.levels if level <= target), default=self.levels[0])
        return min(target, self.demand)

    def _media(self) -> None:
        rate = self.rate()
        probing = self.now < self._probe_until
        if not probing and not self.sent.state.probe.done:
            self.sent.state.probe.done = True
        self._owed += max(rate, self._probe_rate if probing else 0.0) * STEP / 8
        size = 300 if probing else PACKET
        while self._owed >= size:
            self._owed -= size
            number = self.sent.next_number
            self.sent.sent(size - 28, self.now)
            self.downlink.send(number.to_bytes(2, "big") + bytes(size - 30), self.now)

    def _receive(self) -> None:
        while (due := self.downlink.next_due()) is not None and due <= self.now:
            for data in self.downlink.take(due):
                self.arrivals.receive(int.from_bytes(data[:2], "big"), 1, due)
        if self.arrivals.due(self.now):
            for message in self.arrivals.take(1, self.now):
                heapq.heappush(self._feedback, (self.now + self.round_trip / 2, message))
        while self._feedback and self._feedback[0][0] <= self.now:
            for packet in parse(heapq.heappop(self._feedback)[1]):
                self.sent.feedback(packet, self.now)  # type: ignore[arg-type]

    def _control(self) -> None:
        self.estimator.update(copy.deepcopy(self.sent.state), self.now)
        wanted = self.levels[-1] if self.levels is not None else min(self.demand, 8e6)
        request = self.estimator.probe(wanted, self.now)
        if request is not None:
            probe = type(self.sent.state.probe)(id=request.id, done=False)
            self.sent.state.probe = probe
            self._probe_until = self.now + request.duration
            self._probe_rate = request.bitrate
        self.history.append((self.now, self.estimator.bitrate))
        self.queues.append((self.now, self.downlink.queued(self.now) * 8 / (self.downlink.rate or 1e12)))
