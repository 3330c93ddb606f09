"""What a driver raises, and what it means."""

from __future__ import annotations

import sqlite3

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from auth.database_faults import DatabaseFullError, DatabaseUnavailableError, fault_of


def wrapped(kind, cause, *, invalidated=False):
    return kind("SELECT 1", {}, cause, connection_invalidated=invalidated)


def of_sqlite(code):
    error = sqlite3.OperationalError("from SQLite")
    error.sqlite_errorcode = code
    return wrapped(OperationalError, error)


FAULTS = {
    "shut down": (wrapped(DBAPIError, asyncpg.AdminShutdownError("bye")), DatabaseUnavailableError),
    "starting": (asyncpg.CannotConnectNowError("starting up"), DatabaseUnavailableError),
    "cut off": (wrapped(DBAPIError, asyncpg.ConnectionDoesNotExistError("closed")), DatabaseUnavailableError),
    "too many": (asyncpg.TooManyConnectionsError("enough"), DatabaseUnavailableError),
    "deadlock": (wrapped(DBAPIError, asyncpg.DeadlockDetectedError("lock")), DatabaseUnavailableError),
    "standby": (wrapped(DBAPIError, asyncpg.ReadOnlySQLTransactionError("no")), DatabaseUnavailableError),
    "invalidated": (wrapped(DBAPIError, Exception("?"), invalidated=True), DatabaseUnavailableError),
    "refused": (ConnectionRefusedError("refused"), DatabaseUnavailableError),
    "late": (TimeoutError(), DatabaseUnavailableError),
    "no connection": (PoolTimeoutError("pool"), DatabaseUnavailableError),
    "locked": (of_sqlite(sqlite3.SQLITE_BUSY), DatabaseUnavailableError),
    "SQLite's disk": (of_sqlite(sqlite3.SQLITE_FULL), DatabaseFullError),
    "PostgreSQL's disk": (wrapped(DBAPIError, asyncpg.DiskFullError("full")), DatabaseFullError),
    "a row twice": (wrapped(IntegrityError, asyncpg.UniqueViolationError("twice")), None),
    "no such column": (wrapped(ProgrammingError, asyncpg.UndefinedColumnError("x")), None),
    "too long": (wrapped(DBAPIError, asyncpg.StringDataRightTruncationError("x")), None),
    "a mistake": (KeyError("x"), None),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_a_fault_means(case):
    error, kind = FAULTS[case]
    fault = fault_of(error)
    assert type(fault) is (kind or type(None))
    assert fault is None or str(fault)
