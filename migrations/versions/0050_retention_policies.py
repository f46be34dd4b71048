"""Merchants may delete their data earlier than the server"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None

TABLE = "retention_policies"
INDEX = "ix_outcomes_alone"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("log_from", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f(f"fk_{TABLE}_merchant_id")),
        sa.PrimaryKeyConstraint("merchant_id", name=op.f(f"pk_{TABLE}")),
    )
    is_alone = sa.text("decision_id IS NULL")
    op.create_index(INDEX, "outcomes", ["merchant_id", "occurred_at"], sqlite_where=is_alone, postgresql_where=is_alone)


def downgrade() -> None:
    op.drop_index(INDEX, "outcomes")
    op.drop_table(TABLE)
