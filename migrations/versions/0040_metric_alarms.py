"""Alarms of metrics that an event has told of"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "metric_alarms",
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("placement", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("raised_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_metric_alarms_merchant_id")),
        sa.PrimaryKeyConstraint("merchant_id", "placement", "kind", name=op.f("pk_metric_alarms")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("metric_alarms")
