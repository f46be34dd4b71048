"""Experiments: purchases of units that no decision led to"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

TABLE = "experiment_conversions"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("placement", "experiment", "space", "event_id")),
        sa.Column("phase", sa.Integer(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger()),
        sa.Column("currency", sa.Text()),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("counts", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f(f"fk_{TABLE}_merchant_id")),
        sa.PrimaryKeyConstraint(
            "merchant_id", "placement", "experiment", "space", "event_id", name=op.f(f"pk_{TABLE}")
        ),
        sqlite_with_rowid=False,
    )
    op.create_index(f"ix_{TABLE}_occurred_at", TABLE, ["occurred_at"])


def downgrade() -> None:
    op.drop_table(TABLE)
