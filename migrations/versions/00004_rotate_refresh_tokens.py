"""Rotate refresh tokens: families, the token before, and what is known of the device."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "00004"
down_revision = "00003"
branch_labels = None
depends_on = None


def columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("family_hash", sa.Text(), nullable=True),
        sa.Column("previous_hash", sa.Text(), nullable=True),
        sa.Column("rotated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("successor_key", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("user_agent", sa.String(256), nullable=True),
        sa.Column("address", sa.String(64), nullable=True),
    ]


def upgrade() -> None:
    for column in columns():
        op.add_column("refresh_tokens", column)
    op.create_index("ix_refresh_tokens_family_hash", "refresh_tokens", ["family_hash"], unique=True)
    op.create_index("ix_refresh_tokens_previous_hash", "refresh_tokens", ["previous_hash"])
    op.create_index("ix_refresh_tokens_expires_at", "refresh_tokens", ["expires_at"])


def downgrade() -> None:
    op.drop_index("ix_refresh_tokens_expires_at", "refresh_tokens")
    op.drop_index("ix_refresh_tokens_previous_hash", "refresh_tokens")
    op.drop_index("ix_refresh_tokens_family_hash", "refresh_tokens")
    for column in reversed(columns()):
        op.drop_column("refresh_tokens", column.name)
