"""Who reported an outcome, ids of events by source, and the largest purchase that a browser may report"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

OLD, NEW = "uq_outcomes_merchant_id_event_id", "uq_outcomes_merchant_id_space_event_id"


def upgrade() -> None:
    with op.batch_alter_table("outcomes") as batch:
        batch.add_column(sa.Column("source", sa.Text(), nullable=False, server_default=sa.text("'server'")))
        batch.add_column(sa.Column("key_id", sa.Text(), nullable=False, server_default=sa.text("''")))
        batch.add_column(sa.Column("space", sa.Text(), nullable=False, server_default=sa.text("''")))
        batch.add_column(sa.Column("learns", sa.Boolean(), nullable=False, server_default=sa.true()))
        batch.drop_constraint(OLD, type_="unique")
        batch.create_unique_constraint(NEW, ["merchant_id", "space", "event_id"])
    with op.batch_alter_table("merchants") as batch:
        batch.add_column(sa.Column("browser_purchase_limit", sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    op.execute(sa.text("DELETE FROM outcomes WHERE space <> ''"))
    with op.batch_alter_table("merchants") as batch:
        batch.drop_column("browser_purchase_limit")
    with op.batch_alter_table("outcomes") as batch:
        batch.drop_constraint(NEW, type_="unique")
        batch.create_unique_constraint(OLD, ["merchant_id", "event_id"])
        for name in ("learns", "space", "key_id", "source"):
            batch.drop_column(name)
