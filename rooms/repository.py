"""Queries on rooms, each within a transaction of the caller's."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import delete, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from rooms.models import ChatMessageRow, RoomMemberRow, RoomRow


class RoomRows:
    """The rooms that are kept."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def by_id(self, room_id: str) -> RoomRow | None:
        """Return the room of this id."""
        return await self._session.get(RoomRow, room_id)

    async def add(self, row: RoomRow) -> bool:
        """Keep a room; False where there is one of its id."""
        try:
            async with self._session.begin_nested():
                self._session.add(row)
        except IntegrityError:
            return False
        return True

    async def of_user(
        self, user_id: int, limit: int, before: tuple[datetime, str] | None
    ) -> Sequence[RoomRow]:
        """Return rooms that the user owns or has a role in, the newest first, after a place in the list."""
        member_of = select(RoomMemberRow.room_id).where(
            RoomMemberRow.user_id == user_id, RoomMemberRow.role == "moderator"
        )
        query = select(RoomRow).where(or_(RoomRow.owner_id == user_id, RoomRow.id.in_(member_of)))
        if before is not None:
            at, room_id = before
            earlier = RoomRow.created_at < at
            query = query.where(or_(earlier, (RoomRow.created_at == at) & (RoomRow.id < room_id)))
        query = query.order_by(RoomRow.created_at.desc(), RoomRow.id.desc()).limit(limit)
        return (await self._session.scalars(query)).all()

    async def touch(self, room_id: str, now: datetime) -> None:
        """Somebody has joined the room."""
        await self._session.execute(update(RoomRow).where(RoomRow.id == room_id).values(used_at=now))

    async def delete(self, room_id: str) -> None:
        """Forget a room and all that belongs to it."""
        await self._session.execute(delete(RoomRow).where(RoomRow.id == room_id))

    async def role_of(self, room_id: str, user_id: int) -> str | None:
        """Return the role that an account was given in the room."""
        row = await self._session.get(RoomMemberRow, (room_id, user_id))
        return row.role if row is not None else None

    async def set_role(self, room_id: str, user_id: int, role: str) -> None:
        """Give an account a role in the room, in the place of the one that it has."""
        await self._session.merge(RoomMemberRow(room_id=room_id, user_id=user_id, role=role))

    async def chat(self, room_id: str, limit: int, since: int) -> list[ChatMessageRow]:
        """Return the last messages since a time (milliseconds since 1970), oldest first."""
        query = (
            select(ChatMessageRow)
            .where(ChatMessageRow.room_id == room_id, ChatMessageRow.timestamp >= since)
            .order_by(ChatMessageRow.number.desc())
            .limit(limit)
        )
        return list(reversed((await self._session.scalars(query)).all()))

    async def said(self, room_ids: Collection[str], ids: Collection[str]) -> set[tuple[str, str]]:
        """Return which messages of these ids are there, as (room, message)."""
        found = await self._session.execute(
            select(ChatMessageRow.room_id, ChatMessageRow.id).where(
                ChatMessageRow.room_id.in_(room_ids), ChatMessageRow.id.in_(ids)
            )
        )
        return {(room_id, message_id) for room_id, message_id in found}

    async def trim_chat(self, room_id: str, keep: int) -> None:
        """Forget all but the last messages of a room."""
        newest = (
            select(ChatMessageRow.number)
            .where(ChatMessageRow.room_id == room_id)
            .order_by(ChatMessageRow.number.desc())
            .offset(keep)
            .limit(1)
            .scalar_subquery()
        )
        await self._session.execute(
            delete(ChatMessageRow).where(ChatMessageRow.room_id == room_id, ChatMessageRow.number <= newest)
        )
