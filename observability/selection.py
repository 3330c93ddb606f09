"""Which of many rows are exposed: the most troubled ones, few and not flickering."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Row = TypeVar("Row")


@dataclass(slots=True)
class _Shown(Generic[Row]):
    row: Row
    since: float
    gone: float | None = None


class Selection(Generic[Key, Row]):
    """At most `limit` rows. `now` is seconds of a monotonic clock.

    A row that has been chosen stays for `hold` seconds, so that what reads it sees more than one value. A row
    that has gone stays for `linger` seconds with its last values, while there is room.
    """

    def __init__(self, limit: int, hold: float = 60.0, linger: float = 30.0) -> None:
        self._limit = limit
        self._hold = hold
        self._linger = linger
        self._shown: dict[Key, _Shown[Row]] = {}

    def update(self, rows: Mapping[Key, tuple[float, Row]], now: float) -> None:
        """Choose anew among `rows`: by key, the trouble (more is shown first) and the row."""

        def rank(key: Key) -> tuple[bool, float, bool]:
            shown = self._shown.get(key)
            held = shown is not None and now - shown.since < self._hold
            return held, rows[key][0], shown is not None

        chosen = heapq.nlargest(self._limit, rows, key=rank)
        former = self._shown
        self._shown = {
            key: _Shown(rows[key][1], former[key].since if key in former else now) for key in chosen
        }
        for key, shown in former.items():
            if len(self._shown) >= self._limit:
                break
            if key in rows:
                continue
            shown.gone = now if shown.gone is None else shown.gone
            if now - shown.gone < self._linger:
                self._shown[key] = shown

    def __len__(self) -> int:
        return len(self._shown)

    @property
    def rows(self) -> list[Row]:
        """What is exposed now."""
        return [shown.row for shown in self._shown.values()]
