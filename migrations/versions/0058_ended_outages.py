"""Ended outages are read by merchant and time"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None

INDEX, TABLE = "ix_outbox_ended_outages", "outbox"


def upgrade() -> None:
    ended = sa.text("type = 'outage.ended'")
    op.create_index(INDEX, TABLE, ["merchant_id", "recorded_at"], sqlite_where=ended, postgresql_where=ended)


def downgrade() -> None:
    op.drop_index(INDEX, TABLE)
