"""Numbers without gaps for what is left when some of a counted stream is dropped on purpose."""

from __future__ import annotations

WINDOW = 1024
"""Numbers behind the newest of which it is known whether they were dropped: the receiving replay window."""

_MASK = (1 << WINDOW) - 1


class NumberMap:
    """Maps extended numbers of a source to those sent: the dropped ones leave no gap, the lost ones do.

    A number that comes late has the place that was left for it. Used for sequence numbers and picture ids.
    """

    __slots__ = ("_dropped", "highest", "offset")

    def __init__(self) -> None:
        self.highest = 0
        """The newest number of the source, extended."""
        self.offset = 0
        """Number sent − number of the source, for the newest one."""
        self._dropped = 0  # bit n: the number n behind the highest was dropped

    def anchor(self, number: int, sent: int) -> None:
        """Begin anew: `number` of the source is `sent`, and nothing before it was dropped."""
        self.highest = number
        self.offset = sent - number
        self._dropped = 0

    def sent(self, number: int) -> int:
        """What the number is or would be sent as."""
        behind = self.highest - number
        if behind <= 0:
            return number + self.offset
        # Each one dropped after it has moved the offset on by one.
        later = self._dropped & (1 << min(behind, WINDOW)) - 1
        return number + self.offset + later.bit_count()

    def advance(self, number: int) -> None:
        """The number is sent. Those skipped keep their places."""
        ahead = number - self.highest
        if ahead > 0:
            self._dropped = self._dropped << ahead & _MASK if ahead < WINDOW else 0
            self.highest = number

    def drop(self, number: int) -> None:
        """The number, newer than all before, is not sent: the next one takes its place."""
        self.advance(number)
        self._dropped |= 1
        self.offset -= 1

    def dropped(self, number: int) -> bool:
        """Whether a number that is not newer than the newest was dropped."""
        behind = self.highest - number
        return 0 <= behind < WINDOW and bool(self._dropped >> behind & 1)
