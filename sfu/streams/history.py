"""Packets that were sent lately, to send them again: bounded in time, per stream and in all."""

from __future__ import annotations

from dataclasses import dataclass

INITIAL_BYTES = 16 << 10
MAX_STREAM_BYTES = 4 << 20
"""What one stream may hold: a second at 32 Mbit/s."""
PLACES = 1024
"""Packets of one stream that can be found."""
# A ring that holds this many times of what is asked for is too large.
_SLACK = 4


class HistoryLimits:
    """What all histories of a plane share."""

    def __init__(self, seconds: float = 1.0, max_bytes: int = 256 << 20) -> None:
        self.seconds = seconds
        """How long a packet is kept."""
        self.max_bytes = max_bytes
        """Of all histories together; beyond it they keep packets for a shorter time."""
        self.used_bytes = 0

    def take(self, count: int) -> bool:
        """Reserve bytes. False where that is more than there may be."""
        if self.used_bytes + count > self.max_bytes:
            return False
        self.used_bytes += count
        return True

    def give(self, count: int) -> None:
        """Return reserved bytes."""
        self.used_bytes -= count


@dataclass(slots=True)
class _Place:
    number: int
    lap: int
    offset: int
    at: float
    data: bytes


class History:
    """A ring of packets by extended number.

    The bytes lie side by side in a ring that is doubled where it turns too soon for the time that packets
    are to be kept. Here the packets are objects and the ring is only counted, as the compiled plane has it.
    """

    __slots__ = ("_began", "_capacity", "_head", "_lap", "_limits", "_places")

    def __init__(self, limits: HistoryLimits) -> None:
        self._limits = limits
        self._capacity = 0
        self._head = 0  # where the next packet goes
        self._lap = 0
        self._began = 0.0  # when the lap did
        self._places: dict[int, _Place] = {}  # by number mod PLACES

    def put(self, number: int, data: bytes, now: float) -> None:
        """Keep a packet of at most 1,500 bytes."""
        if not self._capacity:
            if not self._limits.take(INITIAL_BYTES):
                return
            self._capacity = INITIAL_BYTES
            self._began = now
        if self._head + len(data) > self._capacity:
            self._turn(now)
        self._places[number % PLACES] = _Place(number, self._lap, self._head, now, data)
        self._head += len(data)

    def get(self, number: int, now: float) -> bytes | None:
        """A packet that is still kept."""
        place = self._places.get(number % PLACES)
        if place is None or place.number != number or now - place.at > self._limits.seconds:
            return None
        fresh = place.lap == self._lap or (place.lap == self._lap - 1 and place.offset >= self._head)
        return place.data if fresh and place.offset + len(place.data) <= self._capacity else None

    def release(self) -> None:
        """Forget everything, and give its room back."""
        self._limits.give(self._capacity)
        self._capacity = self._head = 0
        self._lap += 2
        self._places.clear()

    def _turn(self, now: float) -> None:
        age = now - self._began
        if age < self._limits.seconds:
            if self._capacity < MAX_STREAM_BYTES and self._limits.take(self._capacity):
                self._capacity *= 2
                return
        elif age > _SLACK * self._limits.seconds and self._capacity > INITIAL_BYTES:
            self._capacity //= 2
            self._limits.give(self._capacity)
        self._head = 0
        self._lap += 1
        self._began = now
