"""What the drivers raise where a database is away, busy or full, told apart from mistakes of ours."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

# SQLSTATEs (PostgreSQL's appendix A): connection exception, transaction rollback, insufficient resources,
# operator intervention (it is shut down, or starts), system error; and a standby, which takes no writes.
_PASSING = ("08", "40", "53", "57", "58", "25006")
_DISK_FULL = "53100"

# The part of SQLite's result codes without their details.
_PRIMARY = 0xFF


class DatabaseUnavailableError(Exception):
    """The database cannot be reached, or is too busy to answer in time."""


class DatabaseFullError(DatabaseUnavailableError):
    """The database's disk is full: nothing new can be kept, what is there can be read."""


def fault_of(error: BaseException) -> DatabaseUnavailableError | None:
    """Return an exception of a driver as what it means; None for a wrong statement, and for all others."""
    cause = getattr(error, "orig", None) or error
    sentence = str(cause) or type(cause).__name__
    sqlstate = getattr(cause, "sqlstate", None)
    if any(_is_full(each) for each in _causes(error)):
        return DatabaseFullError(sentence)
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return DatabaseUnavailableError(sentence)
    # What connecting raises comes as it is; it has its SQLSTATE nevertheless.
    passing = (
        sqlstate.startswith(_PASSING)
        if isinstance(sqlstate, str)
        else isinstance(error, OperationalError | InterfaceError | PoolTimeoutError | OSError | TimeoutError)
    )
    return DatabaseUnavailableError(sentence) if passing else None


def _causes(error: BaseException) -> Iterator[BaseException]:
    # SQLite ends the transaction when its disk is full: what is told is then that a savepoint is missing.
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        following = left.pop()
        if following is not None and id(following) not in seen:
            seen.add(id(following))
            yield following
            left += (following.__cause__, following.__context__, getattr(following, "orig", None))


def _is_full(cause: BaseException) -> bool:
    if getattr(cause, "sqlstate", None) == _DISK_FULL:
        return True
    return getattr(cause, "sqlite_errorcode", 0) & _PRIMARY == sqlite3.SQLITE_FULL
