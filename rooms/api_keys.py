"""API keys: by one of them a program acts for an account, in what concerns rooms."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import delete, func, select

from auth.database import Database
from auth.models import User
from auth.tokens import Identity, TokenError
from rooms.door import utc_now
from rooms.models import ApiKeyRow

PREFIX = "chatter_key_"

# Of one account.
MAX_KEYS = 50


class TooManyKeysError(Exception):
    """The account has as many keys as it may."""


def _hash(key: str) -> str:
    # The key is random, so no salt is needed.
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


class ApiKeys:
    """The keys of all accounts; only their hashes are kept."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._clock = clock

    async def create(self, user_id: int, name: str) -> tuple[ApiKeyRow, str]:
        """Return a new key of an account, which is told this once. Raises TooManyKeysError."""
        key = PREFIX + secrets.token_urlsafe(32)
        row = ApiKeyRow(
            id=uuid.uuid4(), user_id=user_id, name=name, key_hash=_hash(key), created_at=self._clock()
        )
        async with self._database.transaction() as session:
            count = select(func.count()).select_from(ApiKeyRow).where(ApiKeyRow.user_id == user_id)
            if (await session.scalar(count) or 0) >= MAX_KEYS:
                raise TooManyKeysError
            session.add(row)
        return row, key

    async def of_user(self, user_id: int) -> Sequence[ApiKeyRow]:
        """Return an account's keys, the newest first."""
        query = select(ApiKeyRow).where(ApiKeyRow.user_id == user_id).order_by(ApiKeyRow.created_at.desc())
        async with self._database.transaction() as session:
            return (await session.scalars(query)).all()

    async def revoke(self, user_id: int, key_id: uuid.UUID) -> bool:
        """End a key and the join tokens minted by it; False where the account has none of that id."""
        mine = delete(ApiKeyRow).where(ApiKeyRow.id == key_id, ApiKeyRow.user_id == user_id)
        async with self._database.transaction() as session:
            return (await session.execute(mine.returning(ApiKeyRow.id))).first() is not None

    async def identify(self, key: str) -> tuple[Identity, uuid.UUID]:
        """Return for whom a key acts, and its id. Raise TokenError."""
        query = (
            select(User, ApiKeyRow.id)
            .join(ApiKeyRow, ApiKeyRow.user_id == User.id)
            .where(ApiKeyRow.key_hash == _hash(key))
        )
        async with self._database.transaction() as session:
            found = (await session.execute(query)).first()
        if found is None:
            raise TokenError("token_invalid", "The API key is not known, or was revoked.")
        return Identity(found[0].id, found[0].username), found[1]
