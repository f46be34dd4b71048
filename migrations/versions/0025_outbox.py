"""The outbox: events for other systems, and which alert a budget was given last"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("budget_balances", sa.Column("alerted", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_outbox_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index("ix_outbox_merchant_id", "outbox", ["merchant_id", "id"])
    op.create_index("ix_outbox_recorded_at", "outbox", ["recorded_at"])


def downgrade() -> None:
    op.drop_table("outbox")
    op.drop_column("budget_balances", "alerted")
