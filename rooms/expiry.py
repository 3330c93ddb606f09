"""Forgets what is too old: chat, join tokens, and rooms that nobody has used for long."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import CursorResult, delete

from auth.database import COMMAND_TIMEOUT, Database
from rooms.door import utc_now
from rooms.models import ChatMessageRow, JoinTokenRow, RoomRow
from signaling.rooms import Rooms


class Expiry:
    """What is called now and then."""

    def __init__(
        self,
        database: Database,
        rooms: Rooms,
        keep_unused: timedelta,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """A room is forgotten when nobody has joined it for `keep_unused`."""
        self._database = database
        self._rooms = rooms
        self._keep_unused = keep_unused
        self._clock = clock

    async def forget(self) -> int:
        """Delete what is too old; return how many rows that were."""
        now = self._clock()
        said_before = int((now.timestamp() - self._rooms.settings.chat_history_seconds) * 1000)
        # In use however long ago its last participant joined.
        open_now = [room.id for room in self._rooms]
        unused = delete(RoomRow).where(RoomRow.used_at < now - self._keep_unused)
        statements = (
            delete(ChatMessageRow).where(ChatMessageRow.timestamp < said_before),
            delete(JoinTokenRow).where(JoinTokenRow.expires_at <= now),
            unused.where(RoomRow.id.not_in(open_now)) if open_now else unused,
        )
        deleted = 0
        async with self._database.transaction(COMMAND_TIMEOUT) as session:
            for statement in statements:
                result = await session.execute(statement)
                assert isinstance(result, CursorResult)
                deleted += result.rowcount
        return deleted
