"""Which packets of a stream are missing, and when to ask its sender for them (RFC 4585 section 6.2.1)."""

from __future__ import annotations

from collections.abc import Iterable

from sfu.streams.sequence import MAX_DROPOUT, SEND_WINDOW

MAX_MISSING = 256
"""Numbers that are asked for at a time. A longer gap is an outage: a keyframe costs less than filling it."""
REORDER_WAIT = 0.01
"""Seconds until a gap counts as loss: packets overtake each other on their way."""
MIN_RETRY = 0.02
RETRY_ROUND_TRIPS = 1.25
"""Round trips between two requests: the answer to the first one may be about to come."""
MAX_TRIES = 10
MAX_AGE_VIDEO = 1.0
"""Seconds after which a missing packet helps no more: receivers have skipped its frame."""
MAX_AGE_AUDIO = 0.3
# Of a new measurement in the smoothed round trip.
_GAIN = 0.25


class _Missing:
    __slots__ = ("seen", "sent", "tries")

    def __init__(self, seen: float) -> None:
        self.seen = seen
        self.sent = 0.0
        self.tries = 0


class NackList:
    """The gaps of one stream, by extended sequence number. Pure: `now` is seconds on a monotonic clock."""

    __slots__ = ("_highest", "_items", "_keyframe", "given_up", "max_age", "round_trip_time", "unrepaired")

    def __init__(self, max_age: float = MAX_AGE_VIDEO) -> None:
        self.max_age = max_age
        self.round_trip_time: float | None = None
        """Seconds from a request to its answer, smoothed; None before the first. Answers to repeated requests
        tell nothing (Karn's algorithm)."""
        self.given_up = 0
        """Packets that were asked for in vain, or not at all as they were too many."""
        self.unrepaired = False
        """Something was given up that no keyframe has made good. The caller clears it."""
        self._items: dict[int, _Missing] = {}  # ascending
        self._highest: int | None = None
        self._keyframe: int | None = None

    def __len__(self) -> int:
        return len(self._items)

    @property
    def missing(self) -> Iterable[int]:
        """Extended numbers, ascending."""
        return self._items.keys()

    def received(self, number: int, now: float) -> bool:
        """A packet came; whether it had been asked for."""
        highest = self._highest
        if highest is None:
            self._highest = number
            return False
        gap = number - highest - 1
        if gap < 0:
            return self._strike(number, now)
        self._highest = number
        if gap:
            self._miss(highest + 1, number, now)
        return False

    def keyframe(self, number: int) -> None:
        """A keyframe begins with this packet: what is missing before it is not needed to go on."""
        if self._keyframe is None or number > self._keyframe:
            self._keyframe = number

    def clear(self) -> None:
        """Ask for nothing that is missing now: nobody wants it."""
        self._items.clear()

    def due(self, now: float, round_trip_time: float) -> list[int]:
        """The numbers to ask for now, ascending; they count as asked for.

        `round_trip_time` (seconds) is used until one has been measured. What is too late is given up.
        """
        self._expire(now)
        known = self.round_trip_time
        interval = max(MIN_RETRY, RETRY_ROUND_TRIPS * (round_trip_time if known is None else known))
        due = []
        for number, item in self._items.items():
            if now - item.sent >= interval if item.tries else now - item.seen >= REORDER_WAIT:
                item.tries += 1
                item.sent = now
                due.append(number)
        return due

    def _miss(self, start: int, stop: int, now: float) -> None:
        gap = stop - start
        if gap >= MAX_MISSING:
            # From MAX_DROPOUT on it is a restart of the sender, which has lost nothing.
            self.given_up += len(self._items) + (gap if gap < MAX_DROPOUT else 0)
            self.unrepaired = True
            self._items.clear()
            return
        for number in list(self._items)[: max(0, len(self._items) + gap - MAX_MISSING)]:
            self._give_up(number)
        for number in range(start, stop):
            self._items[number] = _Missing(now)

    def _strike(self, number: int, now: float) -> bool:
        item = self._items.pop(number, None)
        if item is None or not item.tries:
            return False
        if item.tries == 1:
            sample = now - item.sent
            known = self.round_trip_time
            self.round_trip_time = sample if known is None else known + _GAIN * (sample - known)
        return True

    def _expire(self, now: float) -> None:
        # A route cannot send it any more, or its time is over.
        oldest = (self._highest or 0) - SEND_WINDOW
        for number, item in list(self._items.items()):
            if (
                number <= oldest
                or now - item.seen >= self.max_age
                or (item.tries >= MAX_TRIES and now - item.sent >= MIN_RETRY)
            ):
                self._give_up(number)

    def _give_up(self, number: int) -> None:
        del self._items[number]
        self.given_up += 1
        if self._keyframe is None or number >= self._keyframe:
            self.unrepaired = True
