"""What was sent to a receiver, and what its transport-wide feedback says of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from sfu.bwe.delay import DelayDetector, Usage
from sfu.wire.twcc import REFERENCE_TICKS, TransportFeedback

WINDOW = 2048
"""Numbers that are remembered: over a second of 20 Mbit/s. Feedback that tells of more packets is refused."""

OVERHEAD = 28
"""Bytes of the headers of IPv4 and UDP, which take their part of a link."""

# The least delay is looked for in the newest of these many seconds, or twice as many.
_EPOCH = 15.0
# After such a silence (seconds) what was known of the queue is worth nothing.
_SILENCE = 2.0
_REFERENCE_WRAP = 1 << 24


@dataclass(slots=True)
class Probe:
    """A probe: what was sent while it lasted, and how it arrived. Seconds, and bytes on the wire."""

    id: int = 0
    """0 before the first."""
    packets_sent: int = 0
    bytes_sent: int = 0
    first_sent: float = 0.0
    last_sent: float = 0.0
    size_last_sent: int = 0
    packets_received: int = 0
    bytes_received: int = 0
    first_received: float = 0.0
    """On the receiver's clock."""
    last_received: float = 0.0
    size_first_received: int = 0
    done: bool = True
    """Nothing more is sent for it."""


@dataclass(slots=True)
class Bandwidth:
    """What a receiver's feedback comes to, since the start. Sizes are bytes on the wire: RTP with its SRTP
    tag, UDP and IPv4."""

    packets_sent: int = 0
    """Those with a transport-wide number."""
    bytes_sent: int = 0
    packets_acknowledged: int = 0
    bytes_acknowledged: int = 0
    packets_lost: int = 0
    """Told of as not received, and not as received since."""
    feedbacks: int = 0
    last_feedback: float = 0.0
    """`now` of the newest message."""
    last_arrival: float = 0.0
    """Seconds, on the receiver's clock: of the newest acknowledged packet."""
    round_trip_time: float = 0.0
    """Seconds from the sending of the newest packet that a message tells of to the message; 0.0 before."""
    queue_delay: float = 0.0
    """Seconds that the newest packets took longer than the fastest ones of late."""
    overuses: int = 0
    """How often a growing queue was seen."""
    usage: int = Usage.NORMAL
    """`sfu.bwe.delay.Usage`."""
    trend: float = 0.0
    """What decides it."""
    probe: Probe = field(default_factory=Probe)
    """The newest one."""


class SentPackets:
    """The newest packets of one transport, by transport-wide number. The compiled twin is native/sent.c."""

    __slots__ = (
        "_delay",
        "_epoch",
        "_former_least",
        "_least",
        "_newest_acknowledged",
        "_next",
        "_probes",
        "_reference",
        "_sizes",
        "_status",
        "_times",
        "state",
    )

    def __init__(self) -> None:
        self._next = 1  # extended
        self._times = [0.0] * WINDOW
        self._sizes = [0] * WINDOW
        self._probes = [0] * WINDOW
        # ' ' nothing, 's'ent, 'l'ost, 'a'cknowledged
        self._status = bytearray(b" " * WINDOW)
        self._delay = DelayDetector()
        self._reference: int | None = None  # unwrapped
        self._epoch = 0.0
        self._least: float | None = None
        self._former_least: float | None = None
        self._newest_acknowledged = 0
        self.state = Bandwidth()

    @property
    def next_number(self) -> int:
        """16 bits: what the next packet is to carry."""
        return self._next & 0xFFFF

    def begin_probe(self, identifier: int) -> None:
        """What is sent from now on is part of a probe, until its `done` is set."""
        self.state.probe = Probe(id=identifier, done=False)

    def sent(self, size: int, now: float) -> None:
        """A packet with `next_number` was sent; `size` bytes of SRTP."""
        at = self._next % WINDOW
        size += OVERHEAD
        self._times[at] = now
        self._sizes[at] = size
        self._status[at] = ord("s")
        probe = self.state.probe
        if probe.done:
            self._probes[at] = 0
        else:
            self._probes[at] = probe.id
            if not probe.packets_sent:
                probe.first_sent = now
            probe.packets_sent += 1
            probe.bytes_sent += size
            probe.last_sent = now
            probe.size_last_sent = size
        self.state.packets_sent += 1
        self.state.bytes_sent += size
        self._next += 1

    def feedback(self, message: TransportFeedback, now: float) -> None:
        """Take note of a message from the receiver."""
        state = self.state
        if state.feedbacks and now - state.last_feedback > _SILENCE:
            self._delay.reset()
        origin = self._unwrap(message.reference_time) * REFERENCE_TICKS
        number = self._next - 1 - (self._next - 1 - message.base_sequence & 0xFFFF)
        newest_sent: float | None = None
        least: float | None = None
        for arrival in message.arrivals:
            if self._next - number <= WINDOW and number < self._next and number > 0:
                at = number % WINDOW
                status = self._status[at]
                if arrival is None:
                    if status == ord("s"):
                        self._status[at] = ord("l")
                        state.packets_lost += 1
                elif status != ord("a"):
                    if status == ord("l"):
                        state.packets_lost -= 1
                    self._status[at] = ord("a")
                    ticks = origin + arrival
                    transit = ticks * 0.25 - self._times[at] * 1000.0
                    if least is None or transit < least:
                        least = transit
                    if newest_sent is None or self._times[at] > newest_sent:
                        newest_sent = self._times[at]
                    self._acknowledge(number, ticks, now)
            number += 1
        state.feedbacks += 1
        state.last_feedback = now
        if newest_sent is not None and least is not None:
            state.round_trip_time = now - newest_sent
            self._queue(least, now)
        state.overuses = self._delay.overuses
        state.usage = int(self._delay.usage)
        state.trend = self._delay.trend

    def _acknowledge(self, number: int, ticks: int, now: float) -> None:
        at = number % WINDOW
        size = self._sizes[at]
        state = self.state
        state.packets_acknowledged += 1
        state.bytes_acknowledged += size
        seconds = ticks * 0.25 / 1000.0
        if number > self._newest_acknowledged:
            self._newest_acknowledged = number
            state.last_arrival = seconds
        probe = self.state.probe
        if self._probes[at] and self._probes[at] == probe.id:
            if not probe.packets_received or seconds < probe.first_received:
                probe.first_received = seconds
                probe.size_first_received = size
            if not probe.packets_received or seconds > probe.last_received:
                probe.last_received = seconds
            probe.packets_received += 1
            probe.bytes_received += size
        self._delay.add(self._times[at] * 1000.0, ticks * 0.25, now * 1000.0)

    def _queue(self, least: float, now: float) -> None:
        if self._least is None or now - self._epoch > _EPOCH:
            self._former_least = self._least
            self._least = least
            self._epoch = now
        elif least < self._least:
            self._least = least
        base = self._least
        if self._former_least is not None and self._former_least < base:
            base = self._former_least
        self.state.queue_delay = (least - base) / 1000.0

    def _unwrap(self, reference: int) -> int:
        """The reference time goes around every twelve days."""
        if self._reference is not None:
            ahead = reference - self._reference & _REFERENCE_WRAP - 1
            if ahead >= _REFERENCE_WRAP // 2:
                ahead -= _REFERENCE_WRAP
            reference = self._reference + ahead
        self._reference = reference
        return reference
