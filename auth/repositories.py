"""Queries on accounts and sessions, each within a transaction of the caller's."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from auth.models import RefreshToken, User


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


class RefreshTokens:
    """The sessions: one row for a user on a device."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def put(
        self, user_id: int, device_id: str, token_hash: str, expires_at: datetime, now: datetime
    ) -> None:
        """Make the user's session on the device, or renew the one there is."""
        if await self._renew(user_id, device_id, token_hash, expires_at, now):
            return
        row = RefreshToken(
            user_id=user_id, device_id=device_id, token_hash=token_hash, expires_at=expires_at, updated_at=now
        )
        try:
            async with self._session.begin_nested():
                self._session.add(row)
        except IntegrityError:
            # The same device signed in at the same time.
            await self._renew(user_id, device_id, token_hash, expires_at, now)

    async def live(self, token_hash: str, now: datetime) -> RefreshToken | None:
        """Return the session that this token renews, unless it is revoked or expired."""
        query = select(RefreshToken).where(RefreshToken.token_hash == token_hash, *_is_live(now))
        return (await self._session.scalars(query)).one_or_none()

    async def rotate(self, old_hash: str, new_hash: str, expires_at: datetime, now: datetime) -> bool:
        """Replace a live token by a new one. False if it was not live: of two calls one succeeds."""
        return await self._updated(
            update(RefreshToken)
            .where(RefreshToken.token_hash == old_hash, *_is_live(now))
            .values(token_hash=new_hash, expires_at=expires_at, updated_at=now)
        )

    async def revoke(self, token_hash: str, now: datetime) -> bool:
        """End the session of this token. False if there is none."""
        return await self._updated(
            update(RefreshToken)
            .where(RefreshToken.token_hash == token_hash, RefreshToken.revoked.is_(False))
            .values(revoked=True, updated_at=now)
        )

    async def of_user(self, user_id: int, now: datetime) -> list[RefreshToken]:
        """Return the user's live sessions, the last used first."""
        query = (
            select(RefreshToken)
            .where(RefreshToken.user_id == user_id, *_is_live(now))
            .order_by(RefreshToken.updated_at.desc(), RefreshToken.id)
        )
        return list(await self._session.scalars(query))

    async def forget_dead(self, user_id: int, now: datetime) -> None:
        """Delete the user's revoked and expired sessions."""
        dead = RefreshToken.revoked.is_(True) | (RefreshToken.expires_at <= now)
        await self._session.execute(delete(RefreshToken).where(RefreshToken.user_id == user_id, dead))

    async def _renew(
        self, user_id: int, device_id: str, token_hash: str, expires_at: datetime, now: datetime
    ) -> bool:
        return await self._updated(
            update(RefreshToken)
            .where(RefreshToken.user_id == user_id, RefreshToken.device_id == device_id)
            .values(token_hash=token_hash, expires_at=expires_at, updated_at=now, revoked=False)
        )

    async def _updated(self, statement: Any) -> bool:
        result = await self._session.execute(statement.execution_options(synchronize_session=False))
        assert isinstance(result, CursorResult)
        return result.rowcount > 0


def _is_live(now: datetime) -> tuple[Any, Any]:
    return RefreshToken.revoked.is_(False), RefreshToken.expires_at > now
