"""Lists in pages: a limit and a cursor, the same for every list."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from pydantic import Field

from api.errors import INVALID_CURSOR
from api.models import Answer, Parameters

T = TypeVar("T")
R = TypeVar("R")

MAX_LIMIT = 100
DEFAULT_LIMIT = 50

Key = str | int


class PageQuery(Parameters):
    """Which page of a list."""

    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description=f"1 to {MAX_LIMIT} items")
    cursor: str | None = Field(None, max_length=512, description="the nextCursor of the page before")

    def after(self, *kinds: type[Key]) -> tuple[Key, ...] | None:
        """Return the sort key of the last item of the page before, None for the first page.

        `kinds` are the types of its parts. Raise ApiError `invalid_cursor`.
        """
        if self.cursor is None:
            return None
        try:
            key = json.loads(base64.urlsafe_b64decode(self.cursor + "=" * (-len(self.cursor) % 4)))
        except (binascii.Error, ValueError, RecursionError):
            key = None
        if isinstance(key, list) and [type(part) for part in key] == list(kinds) and all(map(_fits, key)):
            return tuple(key)
        raise INVALID_CURSOR('"cursor" must be the nextCursor of an answer of this list.')


class Page(Answer, Generic[T]):
    """A part of a list."""

    items: list[T]
    next_cursor: str | None = Field(None, description="for the next page; null on the last one")


def cursor_of(*key: Key) -> str:
    """Return the cursor that goes on after the item with this sort key."""
    text = json.dumps(key, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def _fits(part: Key) -> bool:
    # A database has integers of 64 bits, and texts without NUL.
    return abs(part) < 2**63 if isinstance(part, int) else "\0" not in part


def page_of(
    rows: Sequence[R], query: PageQuery, item: Callable[[R], T], key: Callable[[R], tuple[Key, ...]]
) -> Page[T]:
    """Return the page, of rows that were read with a limit of one more than the query's."""
    shown = rows[: query.limit]
    more = len(rows) > query.limit
    return Page(items=[item(row) for row in shown], next_cursor=cursor_of(*key(shown[-1])) if more else None)
