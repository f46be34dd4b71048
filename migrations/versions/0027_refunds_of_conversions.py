"""Experiments: refunds of purchases that no decision led to"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

TABLE, INDEX = "experiment_conversions", "ix_experiment_conversions_refund_of"
IS_REFUND = sa.text("refund_of != ''")


def upgrade() -> None:
    op.add_column(TABLE, sa.Column("refund_of", sa.Text(), nullable=False, server_default=sa.text("''")))
    op.create_index(
        INDEX,
        TABLE,
        ["merchant_id", "placement", "experiment", "space", "refund_of"],
        sqlite_where=IS_REFUND,
        postgresql_where=IS_REFUND,
    )


def downgrade() -> None:
    op.drop_index(INDEX, TABLE)
    op.drop_column(TABLE, "refund_of")
