"""An OpenID provider's person opens an account"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None

COLUMNS = ("issuer", "subject", "name")


def upgrade() -> None:
    for name in COLUMNS:
        op.add_column("invitations", sa.Column(name, sa.Text(), nullable=False, server_default=sa.text("''")))


def downgrade() -> None:
    for name in COLUMNS:
        op.drop_column("invitations", name)
