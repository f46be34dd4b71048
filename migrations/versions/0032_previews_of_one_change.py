"""Previews of one change: which one was asked about"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("previews", sa.Column("alternative", sa.Text(), nullable=False, server_default=sa.text("''")))
    # Earlier previews without a rule compared the draft with the log; they are no answer to what the rule brings.
    op.execute(
        "UPDATE previews SET alternative = 'without' WHERE draft LIKE '%\"without\":\"_%\"%' "
        'AND draft NOT LIKE \'%"without":""%\''
    )


def downgrade() -> None:
    op.drop_column("previews", "alternative")
