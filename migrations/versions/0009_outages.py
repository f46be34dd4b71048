"""Minutes for outages, delays by candidate, and why beliefs versions were made"""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

DAY_NS = 86_400 * 10**9


def upgrade() -> None:
    op.create_table(
        "arrivals",
        *_scope("arrivals"),
        sa.Column("bin", sa.Integer(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("successes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "merchant_id", "placement", "reward", "candidate", "bin", "day", name=op.f("pk_arrivals")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "minutes",
        *_scope("minutes"),
        sa.Column("minute", sa.Integer(), nullable=False),
        sa.Column("trials", sa.BigInteger(), nullable=False),
        sa.Column("successes", sa.BigInteger(), nullable=False),
        sa.Column("pending", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "placement", "reward", "candidate", "minute", name=op.f("pk_minutes")),
        sqlite_with_rowid=False,
    )
    starts = op.create_table(
        "fold_starts",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_fold_starts")),
    )
    # Decisions that are logged already are not in the new sums; `tap2 beliefs rebuild` adds them.
    if op.get_bind().execute(sa.text("SELECT 1 FROM decisions LIMIT 1")).first():
        op.bulk_insert(starts, [{"name": "arrivals", "day": time.time_ns() // DAY_NS + 1}])
    op.add_column("beliefs", sa.Column("reason", sa.Text(), nullable=False, server_default=sa.text("''")))


def _scope(table: str) -> tuple[sa.schema.SchemaItem, ...]:
    return (
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("placement", sa.Text(), nullable=False),
        sa.Column("reward", sa.Text(), nullable=False),
        sa.Column("candidate", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f(f"fk_{table}_merchant_id")),
    )


def downgrade() -> None:
    op.drop_column("beliefs", "reason")
    for table in ("fold_starts", "minutes", "arrivals"):
        op.drop_table(table)
