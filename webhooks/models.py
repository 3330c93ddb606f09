"""The table of webhooks."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from auth.models import Base, UtcDateTime


class WebhookMessageRow(Base):
    """A message that an endpoint has not had yet."""

    __tablename__ = "webhook_messages"

    # SQLite counts up only in columns of the type INTEGER.
    number: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    """The order in which they are sent."""
    endpoint: Mapped[str] = mapped_column(String(64))
    """SHA-256 of its URL, in hexadecimal digits."""
    message_id: Mapped[str] = mapped_column(String(64))
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime(timezone=True))
    attempts: Mapped[int] = mapped_column(Integer, server_default="0", default=0)
    """That were begun; who raised it has the attempt."""
    not_before: Mapped[datetime] = mapped_column(UtcDateTime(timezone=True))
    """Nobody sends it earlier: it is being sent, or has failed."""


Index("ix_webhook_messages_endpoint_number", WebhookMessageRow.endpoint, WebhookMessageRow.number)
Index(
    "ix_webhook_messages_message_id_endpoint",
    WebhookMessageRow.message_id,
    WebhookMessageRow.endpoint,
    unique=True,
)
Index("ix_webhook_messages_created_at", WebhookMessageRow.created_at)
