"""The tables of rooms."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, String, Text, Uuid, false, func
from sqlalchemy.orm import Mapped, mapped_column

from auth.models import Base, UtcDateTime

# SQLite counts up only in columns of the type INTEGER.
_BigInteger = BigInteger().with_variant(Integer, "sqlite")


class RoomRow(Base):
    """A room and how it is set."""

    __tablename__ = "rooms"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    owner_id: Mapped[int] = mapped_column(_BigInteger, ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(128), server_default="", default="")
    mode: Mapped[str] = mapped_column(String(8))
    max_participants: Mapped[int | None] = mapped_column(Integer)
    video_codecs: Mapped[str] = mapped_column(String(64), server_default="", default="")
    """Separated by commas; empty for all."""
    guests: Mapped[str] = mapped_column(String(8), server_default="allow", default="allow")
    lobby: Mapped[bool] = mapped_column(Boolean, server_default=false(), default=False)
    locked: Mapped[bool] = mapped_column(Boolean, server_default=false(), default=False)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime(timezone=True), server_default=func.now())
    used_at: Mapped[datetime] = mapped_column(UtcDateTime(timezone=True), server_default=func.now())
    """When somebody joined last."""


class RoomMemberRow(Base):
    """The role that an account was given in a room."""

    __tablename__ = "room_members"

    room_id: Mapped[str] = mapped_column(
        String(64), ForeignKey("rooms.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[int] = mapped_column(
        _BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    role: Mapped[str] = mapped_column(String(16))


class ChatMessageRow(Base):
    """Something that was said in a room."""

    __tablename__ = "chat_messages"

    number: Mapped[int] = mapped_column(_BigInteger, primary_key=True)
    room_id: Mapped[str] = mapped_column(String(64), ForeignKey("rooms.id", ondelete="CASCADE"))
    id: Mapped[str] = mapped_column(String(64))
    sender_id: Mapped[str] = mapped_column(String(64))
    display_name: Mapped[str] = mapped_column(String(128))
    text: Mapped[str] = mapped_column(Text)
    timestamp: Mapped[int] = mapped_column(BigInteger)
    """Milliseconds since 1970."""


class ApiKeyRow(Base):
    """A key by which a program acts for an account."""

    __tablename__ = "api_keys"

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    user_id: Mapped[int] = mapped_column(_BigInteger, ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(128))
    key_hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime(timezone=True), server_default=func.now())


class JoinTokenRow(Base):
    """A join token that was minted, and how often it was used; with its key it goes too."""

    __tablename__ = "join_tokens"

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    room_id: Mapped[str] = mapped_column(String(64), ForeignKey("rooms.id", ondelete="CASCADE"))
    api_key_id: Mapped[uuid.UUID | None] = mapped_column(Uuid, ForeignKey("api_keys.id", ondelete="CASCADE"))
    max_uses: Mapped[int | None] = mapped_column(Integer)
    uses: Mapped[int] = mapped_column(Integer, server_default="0", default=0)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime(timezone=True))


Index("ix_rooms_owner_id_created_at", RoomRow.owner_id, RoomRow.created_at)
Index("ix_rooms_used_at", RoomRow.used_at)
Index("ix_room_members_user_id", RoomMemberRow.user_id)
Index("ix_chat_messages_room_id_number", ChatMessageRow.room_id, ChatMessageRow.number)
Index("ix_chat_messages_timestamp", ChatMessageRow.timestamp)
Index("ix_api_keys_user_id", ApiKeyRow.user_id)
Index("ix_api_keys_key_hash", ApiKeyRow.key_hash, unique=True)
Index("ix_join_tokens_room_id", JoinTokenRow.room_id)
Index("ix_join_tokens_api_key_id", JoinTokenRow.api_key_id)
Index("ix_join_tokens_expires_at", JoinTokenRow.expires_at)
