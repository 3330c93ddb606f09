"""Writes down what happens in rooms, behind the calls: a database that is slow or away delays nobody."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from datetime import datetime

from aiohttp import web
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from auth.database import Database, DatabaseUnavailableError
from rooms.door import utc_now
from rooms.models import ChatMessageRow, RoomRow
from rooms.repository import RoomRows
from signaling.room_event import RoomEvent

LOG = logging.getLogger(__name__)

# Events that wait for the database; the oldest give way.
MAX_WAITING = 10_000
BATCH = 200

# Seconds between two tries while the database is away, and for the last ones at the end.
RETRY_INTERVAL = 2.0
CLOSE_TIMEOUT = 5.0


class Recorder:
    """A bounded queue of events and the task that writes them."""

    def __init__(
        self, database: Database, chat_history: int, clock: Callable[[], datetime] = utc_now
    ) -> None:
        """`chat_history` is how many messages are kept of a room."""
        self._database = database
        self._chat_history = chat_history
        self._clock = clock
        self._waiting: deque[RoomEvent] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        self.dropped = 0
        """Events that were lost, as too many waited."""

    @property
    def waiting(self) -> int:
        """How many events are to be written."""
        return len(self._waiting)

    def record(self, event: RoomEvent) -> None:
        """Have an event written soon."""
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(event)
        self._wake.set()

    async def run(self, _app: web.Application) -> AsyncIterator[None]:
        """Write while the app runs, and what is left when it ends."""
        task = asyncio.create_task(self._work())
        yield
        self._closing = True
        self._wake.set()
        _, late = await asyncio.wait((task,), timeout=CLOSE_TIMEOUT)
        if late:
            task.cancel()
            await asyncio.wait((task,))
            LOG.error("What happened in rooms could not be written", extra={"events": len(self._waiting)})

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
                try:
                    async with self._database.transaction() as session:
                        await self._write(session, batch)
                except DatabaseUnavailableError as exc:
                    self._waiting.extendleft(reversed(batch))
                    LOG.warning("What happens in rooms cannot be written now", extra={"reason": str(exc)})
                    await asyncio.sleep(RETRY_INTERVAL)
                except Exception:
                    # One event that cannot be written must not hold up all others.
                    self.dropped += len(batch)
                    LOG.exception("What happened in rooms was lost", extra={"events": len(batch)})
            if self._closing:
                return

    async def _write(self, session: AsyncSession, batch: list[RoomEvent]) -> None:
        rows = RoomRows(session)
        # A room may have been deleted since.
        known = {event.room_id: await rows.by_id(event.room_id) for event in batch}
        said_in: set[str] = set()
        for event in batch:
            if known[event.room_id] is None:
                continue
            match event.type, event.data:
                case "chat.sent", data:
                    said_in.add(event.room_id)
                    session.add(
                        ChatMessageRow(
                            room_id=event.room_id,
                            id=data["id"],
                            sender_id=data["from"],
                            display_name=data["displayName"],
                            text=data["text"],
                            timestamp=data["timestamp"],
                        )
                    )
                case "policy.changed", {"locked": bool(locked), "lobby": bool(lobby)}:
                    where = RoomRow.id == event.room_id
                    await session.execute(update(RoomRow).where(where).values(locked=locked, lobby=lobby))
                case "role.changed", {"userId": int(user_id), "role": str(role)}:
                    await rows.set_role(event.room_id, user_id, role)
                case "participant.joined", _:
                    await rows.touch(event.room_id, self._clock())
        for room_id in said_in:
            await session.flush()
            await rows.trim_chat(room_id, self._chat_history)
