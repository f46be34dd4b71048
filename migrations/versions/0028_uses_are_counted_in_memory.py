"""Uses of rules and fields are counted in memory: nothing counts the log any more"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("rollup_cursor")


def downgrade() -> None:
    op.create_table(
        "rollup_cursor",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_rollup_cursor")),
    )
