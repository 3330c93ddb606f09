"""Keep webhook messages until they are delivered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "00006"
down_revision = "00005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "webhook_messages",
        # SQLite counts up only in columns of the type INTEGER.
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("endpoint", sa.String(64), nullable=False),
        sa.Column("message_id", sa.String(64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
    )
    for columns in (("endpoint", "number"), ("message_id", "endpoint"), ("created_at",)):
        name = f"ix_webhook_messages_{'_'.join(columns)}"
        op.create_index(name, "webhook_messages", columns, unique=columns[0] == "message_id")


def downgrade() -> None:
    op.drop_table("webhook_messages")
