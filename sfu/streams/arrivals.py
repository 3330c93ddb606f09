"""When the packets of a publisher's transport arrived: what its transport-wide feedback is made of."""

from __future__ import annotations

import math
from collections.abc import Iterator

from sfu.streams.sequence import signed16
from sfu.wire.twcc import REFERENCE_TICKS, TICK, TransportFeedback

WINDOW = 1024
"""Transport-wide numbers that are remembered: older ones are not told of any more."""

INTERVAL = 0.05
"""Seconds between messages while packets come. libwebrtc sends one each 50 to 250 ms."""

MAXIMUM_PACKETS = 400
"""That one message tells of: with two bytes for each arrival it stays below any path's MTU."""

_MAXIMUM_DELTA = 0x7FFF


class Arrivals:
    """The arrival times of the newest packets of one transport, in steps of 250 µs."""

    __slots__ = ("_base", "_count", "_highest", "_last", "_media_ssrc", "_ticks", "pending")

    def __init__(self) -> None:
        self._ticks: list[int | None] = [None] * WINDOW
        self._highest: int | None = None  # extended
        self._base = 0  # extended: what the next message begins with
        self._last = -math.inf
        self._count = 0
        self._media_ssrc = 0
        self.pending = False
        """Something has come since the last message."""

    def receive(self, number: int, ssrc: int, now: float) -> None:
        """A packet with this transport-wide number (16 bits) has come."""
        if self._highest is None:
            self._highest = self._base = number
        else:
            ahead = signed16(number - self._highest)
            extended = self._highest + ahead
            if ahead > 0:
                for skipped in range(max(self._highest + 1, extended - WINDOW + 1), extended):
                    self._ticks[skipped % WINDOW] = None
                self._highest = extended
                self._base = max(self._base, extended - WINDOW + 1)
            elif ahead <= -WINDOW or self._ticks[extended % WINDOW] is not None:
                return
            else:
                # Told of as lost, perhaps: told of again.
                self._base = min(self._base, extended)
            number = extended
        self._ticks[number % WINDOW] = int(now / TICK)
        self._media_ssrc = ssrc
        self.pending = True

    def due(self, now: float) -> bool:
        """Whether it is time for the next message."""
        return self.pending and now - self._last >= INTERVAL

    def take(self, sender_ssrc: int, now: float) -> Iterator[bytes]:
        """The messages that tell of everything since the last ones."""
        if not self.pending or self._highest is None:
            return
        self.pending = False
        self._last = now
        while self._base <= self._highest:
            yield self._next(sender_ssrc, self._base, self._highest)

    def _next(self, sender_ssrc: int, base: int, highest: int) -> bytes:
        # The newest one has come, so there is one.
        first = base
        while self._ticks[first % WINDOW] is None:
            first += 1
        ticks = self._ticks[first % WINDOW]
        assert ticks is not None
        reference = ticks // REFERENCE_TICKS
        origin = previous = reference * REFERENCE_TICKS
        arrivals: list[int | None] = []
        while base <= highest and len(arrivals) < MAXIMUM_PACKETS:
            ticks = self._ticks[base % WINDOW]
            if ticks is None:
                arrivals.append(None)
            elif -_MAXIMUM_DELTA <= ticks - previous <= _MAXIMUM_DELTA:
                arrivals.append(ticks - origin)
                previous = ticks
            else:
                break
            base += 1
        message = TransportFeedback(
            sender_ssrc=sender_ssrc,
            media_ssrc=self._media_ssrc,
            base_sequence=(base - len(arrivals)) & 0xFFFF,
            reference_time=(reference + 0x800000 & 0xFFFFFF) - 0x800000,
            feedback_count=self._count,
            arrivals=tuple(arrivals),
        )
        self._base = base
        self._count = self._count + 1 & 0xFF
        return bytes(message)
