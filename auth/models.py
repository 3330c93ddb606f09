"""The tables of accounts."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    Uuid,
    false,
    func,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time, always aware and in UTC on our side, whatever the column keeps."""

    impl = DateTime
    cache_ok = True

    def __init__(self, timezone: bool) -> None:
        super().__init__(timezone=timezone)
        self._timezone = timezone

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        value = value.astimezone(UTC)
        return value if self._timezone else value.replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        at: datetime = value
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


class Base(DeclarativeBase):
    """All tables."""


class User(Base):
    """An account. Usernames are unique ignoring case."""

    __tablename__ = "users"

    # SQLite counts up only in columns of the type INTEGER.
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    username: Mapped[str] = mapped_column(Text)
    email: Mapped[str | None] = mapped_column(Text)
    password_hash: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime(timezone=True), server_default=func.now())


class RefreshToken(Base):
    """A session of a user on a device, and the hashes of the refresh tokens that renew it."""

    __tablename__ = "refresh_tokens"

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True, default=uuid.uuid4)
    user_id: Mapped[int] = mapped_column(Integer, ForeignKey("users.id", ondelete="CASCADE"))
    token_hash: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime(timezone=False))
    revoked: Mapped[bool] = mapped_column(Boolean, server_default=false(), default=False)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime(timezone=True), server_default=func.now())
    # Rows from before the column have none.
    device_id: Mapped[str | None] = mapped_column(String(128))
    # From here on: rows from before the columns have none until they are renewed.
    family_hash: Mapped[str | None] = mapped_column(Text)
    # The token that token_hash took the place of, and when; the key makes the one of the other.
    previous_hash: Mapped[str | None] = mapped_column(Text)
    rotated_at: Mapped[datetime | None] = mapped_column(UtcDateTime(timezone=True))
    successor_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime | None] = mapped_column(UtcDateTime(timezone=True))
    user_agent: Mapped[str | None] = mapped_column(String(256))
    address: Mapped[str | None] = mapped_column(String(64))


Index("ix_users_username", func.lower(User.username), unique=True)
Index("ix_refresh_tokens_token_hash", RefreshToken.token_hash, unique=True)
Index("ix_refresh_tokens_user_id_device_id", RefreshToken.user_id, RefreshToken.device_id, unique=True)
Index("ix_refresh_tokens_family_hash", RefreshToken.family_hash, unique=True)
Index("ix_refresh_tokens_previous_hash", RefreshToken.previous_hash)
Index("ix_refresh_tokens_expires_at", RefreshToken.expires_at)
