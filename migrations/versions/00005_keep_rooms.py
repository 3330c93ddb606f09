"""Keep rooms: their settings, members, chat, API keys and join tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "00005"
down_revision = "00004"
branch_labels = None
depends_on = None

# SQLite counts up only in columns of the type INTEGER.
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NOW = sa.func.now()


def user() -> sa.Column[int]:
    return sa.Column("user_id", NUMBER, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False)


def room() -> sa.Column[str]:
    return sa.Column("room_id", sa.String(64), sa.ForeignKey("rooms.id", ondelete="CASCADE"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "rooms",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("owner_id", NUMBER, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("name", sa.String(128), server_default="", nullable=False),
        sa.Column("mode", sa.String(8), nullable=False),
        sa.Column("max_participants", sa.Integer(), nullable=True),
        sa.Column("video_codecs", sa.String(64), server_default="", nullable=False),
        sa.Column("guests", sa.String(8), server_default="allow", nullable=False),
        sa.Column("lobby", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("locked", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
    )
    op.create_table(
        "room_members",
        room(),
        user(),
        sa.Column("role", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("room_id", "user_id"),
    )
    op.create_table(
        "chat_messages",
        sa.Column("number", NUMBER, primary_key=True),
        room(),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("sender_id", sa.String(64), nullable=False),
        sa.Column("display_name", sa.String(128), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), primary_key=True),
        user(),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("key_hash", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
    )
    op.create_table(
        "join_tokens",
        sa.Column("id", sa.Uuid(), primary_key=True),
        room(),
        sa.Column("api_key_id", sa.Uuid(), sa.ForeignKey("api_keys.id", ondelete="CASCADE"), nullable=True),
        sa.Column("max_uses", sa.Integer(), nullable=True),
        sa.Column("uses", sa.Integer(), server_default="0", nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    )
    for table, *columns in INDEXES:
        op.create_index(f"ix_{table}_{'_'.join(columns)}", table, columns, unique=columns == ["key_hash"])


INDEXES = (
    ("rooms", "owner_id", "created_at"),
    ("rooms", "used_at"),
    ("room_members", "user_id"),
    ("chat_messages", "room_id", "number"),
    ("chat_messages", "timestamp"),
    ("api_keys", "user_id"),
    ("api_keys", "key_hash"),
    ("join_tokens", "room_id"),
    ("join_tokens", "api_key_id"),
    ("join_tokens", "expires_at"),
)


def downgrade() -> None:
    for table in ("join_tokens", "api_keys", "chat_messages", "room_members", "rooms"):
        op.drop_table(table)
