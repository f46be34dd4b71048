"""What customers said of purposes, and what merchants assume before"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

CONSENTS, POLICIES = "customer_consents", "consent_policies"


def upgrade() -> None:
    op.create_table(
        CONSENTS,
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f(f"fk_{CONSENTS}_merchant_id")),
        sa.PrimaryKeyConstraint("merchant_id", "customer", "version", name=op.f(f"pk_{CONSENTS}")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        POLICIES,
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f(f"fk_{POLICIES}_merchant_id")),
        sa.PrimaryKeyConstraint("merchant_id", name=op.f(f"pk_{POLICIES}")),
    )


def downgrade() -> None:
    op.drop_table(POLICIES)
    op.drop_table(CONSENTS)
