"""Add device_id column to refresh tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "00003"
down_revision = "00002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("refresh_tokens", sa.Column("device_id", sa.String(128), nullable=True))
    # One session per device of a user; rows from before have no device and do not count.
    op.create_index(
        "ix_refresh_tokens_user_id_device_id", "refresh_tokens", ["user_id", "device_id"], unique=True
    )


def downgrade() -> None:
    op.drop_index("ix_refresh_tokens_user_id_device_id", "refresh_tokens")
    op.drop_column("refresh_tokens", "device_id")
