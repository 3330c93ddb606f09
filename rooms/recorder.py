"""Writes down what happens in rooms that are kept: chat, policies, roles, and when somebody came last."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime

from aiohttp import web
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from auth.database import Database
from auth.write_behind import WriteBehind
from rooms.door import utc_now
from rooms.models import ChatMessageRow, RoomRow
from rooms.repository import RoomRows
from signaling.room_event import RoomEvent


class Recorder:
    """Writes events behind the calls."""

    def __init__(
        self, database: Database, chat_history: int, clock: Callable[[], datetime] = utc_now
    ) -> None:
        """`chat_history` is how many messages are kept of a room."""
        self._chat_history = chat_history
        self._clock = clock
        self._queue: WriteBehind[RoomEvent] = WriteBehind(database, "What happened in rooms", self._write)

    @property
    def waiting(self) -> int:
        """How many events are to be written."""
        return self._queue.waiting

    @property
    def dropped(self) -> int:
        """Events that were lost, as too many waited or they could not be written."""
        return self._queue.dropped + self._queue.unwritten

    def record(self, event: RoomEvent) -> None:
        """Have an event written soon."""
        self._queue.put(event)

    def run(self, app: web.Application) -> AsyncIterator[None]:
        """Write while the app runs, and what is left when it ends."""
        return self._queue.run(app)

    async def _write(self, session: AsyncSession, batch: list[RoomEvent]) -> None:
        rows = RoomRows(session)
        # A room may have been deleted since.
        known = {room_id: await rows.by_id(room_id) for room_id in {event.room_id for event in batch}}
        said = [event for event in batch if event.type == "chat.sent"]
        # The batch was written before, where only the answer of the database was lost.
        written = (
            await rows.said({event.room_id for event in said}, {str(event.data["id"]) for event in said})
            if said
            else set()
        )
        said_in: set[str] = set()
        for event in batch:
            if known[event.room_id] is None:
                continue
            match event.type, event.data:
                case "chat.sent", {"id": message_id} if (event.room_id, message_id) in written:
                    pass
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
