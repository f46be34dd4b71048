"""A row that tells whether anything can be written"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("write_probes", sa.Column("written_at", sa.BigInteger(), nullable=False))


def downgrade() -> None:
    op.drop_table("write_probes")
