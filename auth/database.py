"""The connection to the database: one code path for SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from sqlalchemy import URL, event, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from auth.database_faults import DatabaseUnavailableError, fault_of

__all__ = ["Database", "DatabaseUnavailableError", "create_engine"]

# Seconds that all of a transaction may take on a server, waiting for a connection included: as long as
# somebody waits for an answer. What nobody waits for, and many rows, may take COMMAND_TIMEOUT.
TRANSACTION_TIMEOUT = 10.0

# Seconds that a request waits for a free connection, or a writer for SQLite's lock.
POOL_TIMEOUT = 10.0
BUSY_TIMEOUT = 5.0

# Seconds that PostgreSQL may take to answer a connection attempt, or one statement.
CONNECT_TIMEOUT = 5.0
COMMAND_TIMEOUT = 30.0

# SQLite has one writer; a few readers beside it are plenty.
SQLITE_CONNECTIONS = 4


class Database:
    """An engine with its pool, and the sessions made from it."""

    def __init__(self, url: URL, min_connections: int = 1, max_connections: int = 100) -> None:
        """`url` is `sqlite+aiosqlite:///…` or `postgresql+asyncpg://…`. It connects when needed."""
        self.url = url
        self._min = min_connections
        self._is_embedded = url.get_backend_name() == "sqlite"
        self.engine = create_engine(url, max_connections, COMMAND_TIMEOUT)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)

    @asynccontextmanager
    async def transaction(self, limit: float = TRANSACTION_TIMEOUT) -> AsyncIterator[AsyncSession]:
        """A session whose work is committed at the end, or rolled back when an exception leaves the block.

        `limit` is in seconds. Raises DatabaseUnavailableError.
        """
        # SQLite has bounds of its own: a statement that runs there in a thread cannot be broken off.
        try:
            async with (
                asyncio.timeout(None if self._is_embedded else limit),
                self._sessions() as session,
                session.begin(),
            ):
                yield session
        except Exception as exc:
            fault = fault_of(exc)
            if fault is None:
                raise
            raise fault from exc

    async def connect(self) -> None:
        """Open the least number of connections. Raise OSError or SQLAlchemyError if there is no database."""
        async with AsyncExitStack() as stack:
            for _ in range(max(1, self._min)):
                connection = await stack.enter_async_context(self.engine.connect())
                await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()


def create_engine(url: URL, max_connections: int = 1, command_timeout: float | None = None) -> AsyncEngine:
    """Return an engine for `url` with a pool of at most `max_connections`.

    `command_timeout` bounds each statement in seconds; None is for migrations, which may take long. What is
    in the rows stays out of error messages.
    """
    if url.get_backend_name() == "sqlite":
        engine = create_async_engine(
            url,
            hide_parameters=True,
            pool_size=SQLITE_CONNECTIONS,
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT,
            connect_args={"timeout": BUSY_TIMEOUT},
        )
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        return engine
    return create_async_engine(
        url,
        hide_parameters=True,
        pool_size=max_connections,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT,
        pool_pre_ping=True,
        connect_args={"timeout": CONNECT_TIMEOUT, "command_timeout": command_timeout},
    )


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    # Readers do not wait for the writer.
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.close()
