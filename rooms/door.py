"""The door of rooms that are kept: who comes with which token, and what is kept of the room."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import or_, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth.database import Database, DatabaseUnavailableError
from auth.tokens import TokenError
from rooms.join_tokens import JoinTokens
from rooms.models import JoinTokenRow, RoomRow
from rooms.policy import policy_of
from rooms.repository import RoomRows
from signaling.closing import Refused
from signaling.grants import GRANTS_OF_ROLE, ROLES, Role
from signaling.history import ChatMessage
from signaling.names import is_room_id
from signaling.rooms import Rooms
from signaling.settings import RoomMode
from signaling.visit import Account, Identify, StoredRoom, Visit

LOG = logging.getLogger(__name__)

AWAY_SENTENCE = "The server cannot reach its database. Try again."


def utc_now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)


class StoredDoor:
    """A `Door` on the database."""

    def __init__(
        self,
        database: Database,
        rooms: Rooms,
        tokens: JoinTokens,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database = database
        self._rooms = rooms
        self._tokens = tokens
        self._clock = clock

    async def admit(self, room_id: str, token: str, identify: Identify) -> Visit:
        """Return who comes with `token`. An account that opens a room by its id owns it. Raises Refused."""
        if not is_room_id(room_id):
            raise Refused("bad_request", "The room id must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -.")
        if self._tokens.is_one(token):
            return await self._with_join_token(room_id, token)
        try:
            account = await identify(token) if token else None
        except DatabaseUnavailableError:
            # Whether the session goes on is not known.
            raise Refused("server_stopping", AWAY_SENTENCE) from None
        try:
            async with self._database.transaction() as session:
                rows = RoomRows(session)
                row = await rows.by_id(room_id)
                if row is None and account is not None and self._rooms.draining is None:
                    row = RoomRow(id=room_id, owner_id=account.user_id, mode=self._rooms.settings.mode)
                    row.created_at = row.used_at = self._clock()
                    if not await rows.add(row):
                        row = await rows.by_id(room_id)
                role = await _role(rows, row, account)
                stored = await self._stored(session, row)
        except DatabaseUnavailableError:
            # Those who are in a call, and their guests, do not need the database.
            if self._rooms.get(room_id) is None:
                raise Refused("server_stopping", AWAY_SENTENCE) from None
            return Visit.of_account(account)
        return Visit(account, role, GRANTS_OF_ROLE[role], room=stored)

    async def keep(self, room_id: str, owner_id: int, room: StoredRoom) -> None:
        """Keep a new room. Raises DatabaseUnavailableError."""
        policy, now = room.policy, self._clock()
        row = RoomRow(
            id=room_id,
            owner_id=owner_id,
            mode=room.mode,
            name=policy.name,
            max_participants=policy.max_participants,
            video_codecs=",".join(policy.video_codecs),
            guests=policy.guests,
            lobby=policy.lobby,
            locked=policy.locked,
            created_at=now,
            used_at=now,
        )
        async with self._database.transaction() as session:
            await RoomRows(session).add(row)

    async def turned_away(self, visit: Visit) -> None:
        """Give a use of a join token back."""
        if visit.token_id is None:
            return
        try:
            async with self._database.transaction() as session:
                await session.execute(
                    update(JoinTokenRow)
                    .where(JoinTokenRow.id == uuid.UUID(visit.token_id))
                    .values(uses=JoinTokenRow.uses - 1)
                )
        except DatabaseUnavailableError as exc:
            LOG.warning("A use of a join token was not given back", extra={"reason": str(exc)})

    async def _with_join_token(self, room_id: str, text: str) -> Visit:
        try:
            token = self._tokens.verify(text)
        except TokenError as error:
            raise Refused(error.code, str(error)) from error
        if token.room_id != room_id:
            raise Refused("token_invalid", "The join token is for another room.")
        try:
            async with self._database.transaction() as session:
                row = await RoomRows(session).by_id(room_id)
                issued = await session.get(JoinTokenRow, token.id)
                if row is None or issued is None:
                    raise Refused("token_invalid", "The join token has been revoked.")
                # One statement decides, so that of two who come at once with the last use one gets in.
                used = await session.execute(
                    update(JoinTokenRow)
                    .where(
                        JoinTokenRow.id == token.id,
                        or_(JoinTokenRow.max_uses.is_(None), JoinTokenRow.uses < JoinTokenRow.max_uses),
                    )
                    .values(uses=JoinTokenRow.uses + 1)
                    .returning(JoinTokenRow.id)
                )
                if used.first() is None:
                    raise Refused("token_used", "The join token has been used as often as it may be.")
                stored = await self._stored(session, row)
        except DatabaseUnavailableError:
            raise Refused("server_stopping", AWAY_SENTENCE) from None
        role: Role = (
            "moderator" if token.grants.moderate else "speaker" if token.grants.publish else "listener"
        )
        return Visit(None, role, token.grants, token.name, True, token.id.hex, stored)

    async def _stored(self, session: AsyncSession, row: RoomRow | None) -> StoredRoom | None:
        if row is None:
            return None
        history: tuple[ChatMessage, ...] = ()
        if self._rooms.get(row.id) is None:
            settings = self._rooms.settings
            since = int((self._clock().timestamp() - settings.chat_history_seconds) * 1000)
            history = tuple(
                ChatMessage(said.id, said.sender_id, said.display_name, said.text, said.timestamp)
                for said in await RoomRows(session).chat(row.id, settings.chat_history, since)
            )
        mode: RoomMode = "p2p" if row.mode == "p2p" else "sfu" if row.mode == "sfu" else "auto"
        return StoredRoom(mode, policy_of(row), history)


async def _role(rows: RoomRows, row: RoomRow | None, account: Account | None) -> Role:
    if account is None:
        return "guest"
    if row is not None and row.owner_id == account.user_id:
        return "owner"
    given = await rows.role_of(row.id, account.user_id) if row is not None else None
    return next((role for role in ROLES if role == given), "speaker")
