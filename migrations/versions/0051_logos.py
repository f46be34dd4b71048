"""Logos of merchants"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "logos",
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_logos_merchant_id")),
        sa.PrimaryKeyConstraint("merchant_id", name=op.f("pk_logos")),
    )


def downgrade() -> None:
    op.drop_table("logos")
