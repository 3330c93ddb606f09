"""Queries on accounts and sessions, each within a transaction of the caller's."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from auth.device import Device
from auth.models import RefreshToken, User
from auth.refresh_tokens import family_of, hash_token


class UsernameTakenError(Exception):
    """Another account has this username (ignoring case)."""


class Users:
    """The accounts."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def by_id(self, user_id: int) -> User | None:
        """Return the user with this id."""
        return await self._session.get(User, user_id)

    async def by_username(self, username: str) -> User | None:
        """Return the user of this name, ignoring case."""
        query = select(User).where(func.lower(User.username) == username.lower())
        return (await self._session.scalars(query)).one_or_none()

    async def add(self, username: str, password_hash: bytes, now: datetime) -> User:
        """Make an account. Raise UsernameTakenError."""
        user = User(username=username, password_hash=password_hash, created_at=now, updated_at=now)
        try:
            async with self._session.begin_nested():
                self._session.add(user)
        except IntegrityError as exc:
            raise UsernameTakenError(username) from exc
        return user

    async def set_password(self, user_id: int, password_hash: bytes, now: datetime | None) -> None:
        """Keep a new hash. `now` is None where it is another hash of the same password."""
        values: dict[str, Any] = {"password_hash": password_hash}
        if now is not None:
            values["updated_at"] = now
        statement = update(User).where(User.id == user_id).values(values)
        await self._session.execute(statement.execution_options(synchronize_session=False))

    async def delete(self, user_id: int) -> None:
        """Delete the account and all that belongs to it."""
        # The database deletes the sessions: ON DELETE CASCADE.
        await self._session.execute(delete(User).where(User.id == user_id))


class RefreshTokens:
    """The sessions: one row for a user on a device."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def put(
        self, user_id: int, device: Device, token: str, expires_at: datetime, now: datetime
    ) -> uuid.UUID:
        """Make the user's session on the device, or a new one in place of the one there is; return its id."""
        family = family_of(token)
        values: dict[str, Any] = {
            "id": uuid.uuid4(),
            "token_hash": hash_token(token),
            "family_hash": None if family is None else hash_token(family),
            "previous_hash": None,
            "rotated_at": None,
            "successor_key": None,
            "expires_at": expires_at,
            "created_at": now,
            "updated_at": now,
            "revoked": False,
            "user_agent": device.user_agent,
            "address": device.address,
        }
        place = update(RefreshToken).where(
            RefreshToken.user_id == user_id, RefreshToken.device_id == device.id
        )
        if await self._updated(place.values(values)):
            return values["id"]  # type: ignore[no-any-return]
        row = RefreshToken(user_id=user_id, device_id=device.id, **values)
        try:
            async with self._session.begin_nested():
                self._session.add(row)
        except IntegrityError:
            # The same device signed in at the same time.
            await self._updated(place.values(values))
        return values["id"]  # type: ignore[no-any-return]

    async def by_token(self, token: str) -> RefreshToken | None:
        """Return the session that this token renews, or has renewed."""
        token_hash, family = hash_token(token), family_of(token)
        known = RefreshToken.token_hash == token_hash
        if family is None:
            known |= RefreshToken.previous_hash == token_hash
        else:
            known |= RefreshToken.family_hash == hash_token(family)
        query = select(RefreshToken).where(known).execution_options(populate_existing=True)
        return (await self._session.scalars(query)).first()

    async def live(self, session_id: uuid.UUID, now: datetime) -> RefreshToken | None:
        """Return the session with this id, unless it has ended."""
        query = select(RefreshToken).where(RefreshToken.id == session_id, *_is_live(now))
        return (await self._session.scalars(query)).one_or_none()

    async def rotate(
        self, row: RefreshToken, new_token: str, key: bytes, expires_at: datetime, now: datetime
    ) -> bool:
        """Replace the session's token by `new_token`. False if it has been: of two calls one succeeds."""
        family = family_of(new_token)
        return await self._updated(
            update(RefreshToken)
            .where(RefreshToken.id == row.id, RefreshToken.token_hash == row.token_hash, *_is_live(now))
            .values(
                token_hash=hash_token(new_token),
                family_hash=None if family is None else hash_token(family),
                previous_hash=row.token_hash,
                successor_key=key,
                rotated_at=now,
                expires_at=expires_at,
                updated_at=now,
            )
        )

    async def seen(self, session_id: uuid.UUID, address: str | None, now: datetime) -> None:
        """Note that the session is in use."""
        await self._updated(
            update(RefreshToken).where(RefreshToken.id == session_id).values(updated_at=now, address=address)
        )

    async def revoke(self, session_id: uuid.UUID, user_id: int) -> bool:
        """End a session of a user. False if there is none that lives."""
        return await self._updated(
            update(RefreshToken)
            .where(
                RefreshToken.id == session_id,
                RefreshToken.user_id == user_id,
                RefreshToken.revoked.is_(False),
            )
            .values(revoked=True)
        )

    async def revoke_all(self, user_id: int, but: uuid.UUID | None = None) -> None:
        """End the user's sessions, all or all `but` one."""
        statement = update(RefreshToken).where(
            RefreshToken.user_id == user_id, RefreshToken.revoked.is_(False)
        )
        if but is not None:
            statement = statement.where(RefreshToken.id != but)
        await self._updated(statement.values(revoked=True))

    async def of_user(self, user_id: int, now: datetime) -> list[RefreshToken]:
        """Return the user's live sessions, the last used first."""
        query = (
            select(RefreshToken)
            .where(RefreshToken.user_id == user_id, *_is_live(now))
            .order_by(RefreshToken.updated_at.desc(), RefreshToken.id)
        )
        return list(await self._session.scalars(query))

    async def forget_dead(self, now: datetime) -> int:
        """Delete the revoked and expired sessions; return how many."""
        dead = RefreshToken.revoked.is_(True) | (RefreshToken.expires_at <= now)
        result = await self._session.execute(delete(RefreshToken).where(dead))
        assert isinstance(result, CursorResult)
        return result.rowcount

    async def _updated(self, statement: Any) -> bool:
        result = await self._session.execute(statement.execution_options(synchronize_session=False))
        assert isinstance(result, CursorResult)
        return result.rowcount > 0


def _is_live(now: datetime) -> tuple[Any, Any]:
    return RefreshToken.revoked.is_(False), RefreshToken.expires_at > now
