"""How often fields of requests were not understood, by day"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "field_faults",
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_field_faults_merchant_id")),
        sa.PrimaryKeyConstraint("merchant_id", "field", "day", name=op.f("pk_field_faults")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("field_faults")
