"""Codes of offers: those given to one hold each, and when a hold was redeemed"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

OF_A_CUSTOMER = sa.text("customer != ''")


def upgrade() -> None:
    op.add_column("holds", sa.Column("code", sa.Text(), nullable=False, server_default=sa.text("''")))
    op.add_column("holds", sa.Column("redeemed_at", sa.BigInteger(), nullable=False, server_default=sa.text("0")))
    op.create_table(
        "offer_codes",
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("code", "placement", "offer", "state")),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("hold_id", "customer")),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_offer_codes_merchant_id")),
        sa.PrimaryKeyConstraint("merchant_id", "code", name=op.f("pk_offer_codes")),
        sqlite_with_rowid=False,
    )
    columns = ["merchant_id", "placement", "offer", "state", "added_at", "code"]
    op.create_index("ix_offer_codes_offer", "offer_codes", columns)
    op.create_index(
        "ix_offer_codes_customer",
        "offer_codes",
        ["merchant_id", "placement", "customer", "offer"],
        unique=True,
        sqlite_where=OF_A_CUSTOMER,
        postgresql_where=OF_A_CUSTOMER,
    )


def downgrade() -> None:
    op.drop_table("offer_codes")
    op.drop_column("holds", "redeemed_at")
    op.drop_column("holds", "code")
