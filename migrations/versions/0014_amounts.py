"""Amounts of successes by bin"""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

DAY_NS = 86_400 * 10**9


def upgrade() -> None:
    op.create_table(
        "amounts",
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("placement", sa.Text(), nullable=False),
        sa.Column("reward", sa.Text(), nullable=False),
        sa.Column("bucket", sa.Text(), nullable=False),
        sa.Column("candidate", sa.Text(), nullable=False),
        sa.Column("relative", sa.Integer(), nullable=False),
        sa.Column("bin", sa.Integer(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("priced", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "merchant_id", "placement", "reward", "bucket", "candidate", "relative", "bin", "day",
            name=op.f("pk_amounts"),
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_amounts_merchant_id")),
        sqlite_with_rowid=False,
    )  # fmt: skip
    # Decisions that are logged already are not in the new sums; `tap2 beliefs rebuild` adds them.
    if op.get_bind().execute(sa.text("SELECT 1 FROM decisions LIMIT 1")).first():
        starts = sa.table("fold_starts", sa.column("name", sa.Text()), sa.column("day", sa.Integer()))
        op.bulk_insert(starts, [{"name": "amounts", "day": time.time_ns() // DAY_NS + 1}])


def downgrade() -> None:
    op.execute("DELETE FROM fold_starts WHERE name = 'amounts'")
    op.drop_table("amounts")
