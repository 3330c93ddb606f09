"""Writes to the database what has happened, behind the calls: a slow or absent database delays nobody."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Generic, TypeVar

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from auth.database import COMMAND_TIMEOUT, Database, DatabaseUnavailableError

LOG = logging.getLogger(__name__)

# What waits for the database; the oldest gives way.
MAX_WAITING = 10_000
BATCH = 200

# Seconds between two tries while the database is away, and for the last ones at the end.
RETRY_INTERVAL = 2.0
CLOSE_TIMEOUT = 5.0

T = TypeVar("T")


class WriteBehind(Generic[T]):
    """A bounded queue and the task that writes it, a batch in a transaction."""

    def __init__(
        self,
        database: Database,
        what: str,
        write: Callable[[AsyncSession, list[T]], Awaitable[None]],
        written: Callable[[], None] = lambda: None,
    ) -> None:
        """`what` names it in the log, as a subject in the singular. `write` may be called again with a batch
        that was written, where the answer of the database was lost; `written` is called after each batch."""
        self._database = database
        self._what = what
        self._write = write
        self._written = written
        self._waiting: deque[T] = deque()
        self._in_flight = 0
        self._wake = asyncio.Event()
        self._closing = False
        self.dropped = 0
        """That were lost, as too many waited."""
        self.unwritten = 0
        """That were lost, as the database refused them, or was away at the end."""

    @property
    def waiting(self) -> int:
        """How many are to be written, those included that are being written."""
        return len(self._waiting) + self._in_flight

    def put(self, item: T) -> None:
        """Have it written soon."""
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(item)
        self._wake.set()

    async def run(self, _app: web.Application) -> AsyncIterator[None]:
        """Write while the app runs, and what is left when it ends."""
        task = asyncio.create_task(self._work())
        yield
        self._closing = True
        self._wake.set()
        _, late = await asyncio.wait((task,), timeout=CLOSE_TIMEOUT)
        if late:
            lost = self.waiting
            task.cancel()
            await asyncio.wait((task,))
            self.unwritten += lost
            LOG.error("%s could not be written", self._what, extra={"events": lost})

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            size = BATCH
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(size, len(self._waiting)))]
                self._in_flight = len(batch)
                try:
                    async with self._database.transaction(COMMAND_TIMEOUT) as session:
                        await self._write(session, batch)
                except DatabaseUnavailableError as exc:
                    self._waiting.extendleft(reversed(batch))
                    self._in_flight = 0
                    # Where the database is slow, so many may not be done in time ever.
                    size = max(1, size // 2)
                    LOG.warning("%s cannot be written now", self._what, extra={"reason": str(exc)})
                    await asyncio.sleep(RETRY_INTERVAL)
                except Exception:
                    self._in_flight = 0
                    if len(batch) > 1:
                        # One that cannot be written must not take the others with it.
                        self._waiting.extendleft(reversed(batch))
                        size = 1
                        continue
                    self.unwritten += 1
                    LOG.exception("%s was lost", self._what, extra={"events": 1})
                else:
                    self._in_flight = 0
                    self._written()
            if self._closing:
                return
