"""Offers on one order: find the holds of an order and of a decision"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

HAS_ORDER = sa.text("order_id != ''")


def upgrade() -> None:
    op.create_index("ix_holds_decision_id", "holds", ["merchant_id", "decision_id"])
    op.create_index(
        "ix_holds_order_id",
        "holds",
        ["merchant_id", "order_id"],
        sqlite_where=HAS_ORDER,
        postgresql_where=HAS_ORDER,
    )


def downgrade() -> None:
    op.drop_index("ix_holds_order_id", "holds")
    op.drop_index("ix_holds_decision_id", "holds")
