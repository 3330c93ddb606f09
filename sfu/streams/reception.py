"""What a receiver knows of one incoming stream: newest sequence number, what was seen, loss and jitter."""

from __future__ import annotations

import enum

from sfu.streams.sequence import MAX_DROPOUT, WINDOW, signed16, signed32

_SEEN_MASK = (1 << WINDOW) - 1


class Refusal(enum.Enum):
    """Why a packet does not count."""

    DUPLICATE = "duplicate"
    """Received before, or too far behind the newest to tell."""
    JUMP = "jump"
    """Far from where the stream is. If the next packet follows it the stream has restarted there."""


class Reception:
    """Statistics of RFC 3550 appendix A.1 (sequence numbers), A.3 (expected and lost) and A.8 (jitter)."""

    __slots__ = (
        "_arrival",
        "_expected_after_jump",
        "_seen",
        "_timestamp",
        "bytes",
        "clock_rate",
        "first",
        "highest",
        "jitter",
        "last_packet",
        "packets",
    )

    def __init__(self, clock_rate: int) -> None:
        self.clock_rate = clock_rate
        self.packets = 0
        self.bytes = 0
        self.first = 0
        """Extended number from which `expected` counts; a restart moves it along: a jump is no loss."""
        self.highest = 0
        """Extended number of the newest packet."""
        self.jitter = 0.0
        """Timestamp units."""
        self.last_packet = 0.0
        self._seen = 0  # bit n: the packet n behind the highest
        self._expected_after_jump: int | None = None
        self._arrival: float | None = None  # timestamp units
        self._timestamp = 0

    def receive(
        self, sequence_number: int, timestamp: int, size: int, now: float, *, repeated: bool = False
    ) -> int | Refusal:
        """Count a packet of `size` bytes; its extended sequence number, or why it does not count.

        One that was `repeated` on its sender's RTX stream tells nothing of jitter, and restarts nothing.
        """
        if repeated and not -WINDOW < signed16(sequence_number - self.highest) < MAX_DROPOUT:
            return Refusal.JUMP
        if not self._seen:
            if repeated:
                return Refusal.JUMP
            extended = self.first = self.highest = sequence_number
            self._seen = 1
        else:
            ahead = signed16(sequence_number - self.highest)
            if 0 < ahead < MAX_DROPOUT:
                self._seen = (self._seen << ahead | 1) & _SEEN_MASK
                extended = self.highest = self.highest + ahead
            elif -WINDOW < ahead <= 0:
                bit = 1 << -ahead
                if self._seen & bit:
                    return Refusal.DUPLICATE
                self._seen |= bit
                extended = self.highest + ahead
                if extended < self.first:
                    self.first = extended
            elif sequence_number != self._expected_after_jump:
                self._expected_after_jump = sequence_number + 1 & 0xFFFF
                return Refusal.JUMP
            else:
                extended = self._restart(sequence_number)
            self._expected_after_jump = None
        self.packets += 1
        self.bytes += size
        self.last_packet = now
        if repeated:
            return extended
        arrival = now * self.clock_rate
        if self._arrival is not None:
            transit = arrival - self._arrival - signed32(timestamp - self._timestamp)
            self.jitter += (abs(transit) - self.jitter) / 16
        self._arrival = arrival
        self._timestamp = timestamp
        return extended

    def _restart(self, sequence_number: int) -> int:
        # Always forward, so that an extended number never stands for two packets.
        extended = self.highest + (sequence_number - self.highest & 0xFFFF)
        self.first += extended - self.highest - 1
        self.highest = extended
        self._seen = 1
        self._arrival = None
        return extended

    @property
    def expected(self) -> int:
        """Number of packets that the sender sent, as far as the sequence numbers tell."""
        return self.highest - self.first + 1 if self._seen else 0
