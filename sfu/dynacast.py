"""Which encodings a publisher is to send: those above what anybody wants rest (known as dynacast).

Lower ones go on as long as a higher one is wanted: who finds the link too narrow falls back to them at once.
"""

from __future__ import annotations

from collections.abc import Sequence

HOLD = 4.0
"""Seconds for which an encoding goes on after the last one who wanted it: people look away and back."""


class Dynacast:
    """One track's. Pure: `now` is seconds on a monotonic clock."""

    def __init__(self, rids: Sequence[str]) -> None:
        """`rids`: the encodings, the lowest first; the publisher sends all of them."""
        self._rids = tuple(rids)
        self._count = len(self._rids)  # how many of them, from the lowest, are to be sent
        self._needless_since: float | None = None

    @property
    def active(self) -> dict[str, bool]:
        """Whether each encoding is to be sent."""
        return {rid: place < self._count for place, rid in enumerate(self._rids)}

    def update(self, highest: int | None, now: float) -> bool:
        """`highest` is the place of the highest encoding that is wanted, None where none is.

        Whether the publisher has to be told something new.
        """
        count = 0 if highest is None else highest + 1
        if count >= self._count:
            self._needless_since = None
            changed = count > self._count
            self._count = count
            return changed
        if self._needless_since is None:
            self._needless_since = now
        if now - self._needless_since < HOLD:
            return False
        self._needless_since = None
        self._count = count
        return True
