"""Customers that were erased, and requests of customers about their data"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

ERASURES, REQUESTS = "erasures", "privacy_requests"


def upgrade() -> None:
    op.create_table(
        ERASURES,
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("done_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f(f"fk_{ERASURES}_merchant_id")),
        sa.PrimaryKeyConstraint("merchant_id", "customer", name=op.f(f"pk_{ERASURES}")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        REQUESTS,
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger()),
        sa.Column("received_by", sa.Text(), nullable=False),
        sa.Column("closed_by", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("identity_check", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("explanation", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f(f"fk_{REQUESTS}_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{REQUESTS}")),
    )
    op.create_index(f"ix_{REQUESTS}_state", REQUESTS, ["merchant_id", "state", "due_at"])
    op.create_index(f"ix_{REQUESTS}_customer", REQUESTS, ["merchant_id", "customer"])


def downgrade() -> None:
    op.drop_table(REQUESTS)
    op.drop_table(ERASURES)
