"""Forecasts: what was expected of a version, and what came"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

TABLE = "forecasts"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("placement", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("reward", sa.Text(), nullable=False),
        sa.Column("effect", sa.Text(), nullable=False),
        sa.Column("previewed_at", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False, server_default=sa.text("''")),
        sa.Column("checked_at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("is_open", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f(f"fk_{TABLE}_merchant_id")),
        sa.PrimaryKeyConstraint("merchant_id", "placement", "version", name=op.f(f"pk_{TABLE}")),
    )


def downgrade() -> None:
    op.drop_table(TABLE)
