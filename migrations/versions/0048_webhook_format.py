"""Webhooks choose the body of their messages: Standard Webhooks or CloudEvents"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = sa.Column("format", sa.Text(), nullable=False, server_default=sa.text("'standard'"))
    op.add_column("webhook_endpoints", column)


def downgrade() -> None:
    op.drop_column("webhook_endpoints", "format")
