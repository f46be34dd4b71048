"""Tiers of merchants, and how many exports were made in a month"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("merchants", sa.Column("tier", sa.Text(), nullable=False, server_default=sa.text("''")))
    op.create_table(
        "tiers",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("limits", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_tiers")),
    )
    op.create_table(
        "export_counts",
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("exports", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_export_counts_merchant_id")),
        sa.PrimaryKeyConstraint("merchant_id", "month", name=op.f("pk_export_counts")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("export_counts")
    op.drop_table("tiers")
    op.drop_column("merchants", "tier")
