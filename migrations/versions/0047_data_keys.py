"""Stored texts are encrypted with keys of their own, which are encrypted with a master key"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "data_keys",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("master", sa.Text(), nullable=False),
        sa.Column("wrapped", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_keys")),
    )


def downgrade() -> None:
    if op.get_bind().execute(sa.text("SELECT 1 FROM data_keys")).first():
        raise NotImplementedError("texts that were encrypted with data keys cannot be read without them")
    op.drop_table("data_keys")
