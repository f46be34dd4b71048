"""When customers were last seen, so that what they said leaves after inactivity"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None

TABLE = "customer_settings"
INDEX = "ix_customer_settings_seen"


def upgrade() -> None:
    op.add_column(TABLE, sa.Column("seen_day", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.create_index(INDEX, TABLE, ["merchant_id", "seen_day"])


def downgrade() -> None:
    op.drop_index(INDEX, TABLE)
    with op.batch_alter_table(TABLE) as batch:
        batch.drop_column("seen_day")
