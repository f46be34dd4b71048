"""Sums of metrics by hour"""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

DAY_NS = 86_400 * 10**9
SUMS = (
    "decisions", "fallbacks", "shown", "selected", "converted", "refunded", "redeemed",
    "revenue", "margin", "cost", "timed", "time_ms",
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "metric_hours",
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("placement", sa.Text(), nullable=False),
        sa.Column("dimension", sa.Text(), nullable=False),
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("arm", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in SUMS),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_metric_hours_merchant_id")),
        sa.PrimaryKeyConstraint(
            "merchant_id", "placement", "dimension", "hour", "arm", "value", name=op.f("pk_metric_hours")
        ),
        sqlite_with_rowid=False,
    )
    # Decisions that are logged already are not in the new sums; `tap2 beliefs rebuild` adds them.
    if op.get_bind().execute(sa.text("SELECT 1 FROM decisions LIMIT 1")).first():
        starts = sa.table("fold_starts", sa.column("name", sa.Text()), sa.column("day", sa.Integer()))
        op.bulk_insert(starts, [{"name": "metric_hours", "day": time.time_ns() // DAY_NS + 1}])


def downgrade() -> None:
    op.execute("DELETE FROM fold_starts WHERE name = 'metric_hours'")
    op.drop_table("metric_hours")
