"""Experiments: other measures of units than purchases, and their sums"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

PHASE = ("merchant_id", "placement", "experiment", "phase")
EXPOSURES, MEASURES, SUMS = "experiment_exposures", "experiment_measures", "experiment_measure_sums"


def upgrade() -> None:
    op.add_column(EXPOSURES, sa.Column("measured", sa.Text(), nullable=False, server_default=sa.text("'{}'")))
    _create(
        MEASURES,
        _text("unit"),
        _text("measure"),
        sa.Column("day", sa.Integer(), nullable=False),
        *_sums("times", "amount"),
        key=(*PHASE, "unit", "measure", "day"),
    )
    _create(
        SUMS,
        _text("segment"),
        sa.Column("hour", sa.Integer(), nullable=False),
        _text("variant"),
        _text("measure"),
        *_sums("converted", "orders", "orders_squared", "revenue"),
        sa.Column("revenue_squared", sa.Float(), nullable=False),
        sa.Column("orders_revenue", sa.Float(), nullable=False),
        *_sums("past_converted", "past_orders"),
        sa.Column("past_revenue", sa.Float(), nullable=False),
        key=(*PHASE, "segment", "hour", "variant", "measure"),
    )


def downgrade() -> None:
    op.drop_table(SUMS)
    op.drop_table(MEASURES)
    op.drop_column(EXPOSURES, "measured")


def _create(name: str, *columns: sa.Column[object], key: tuple[str, ...]) -> None:
    op.create_table(
        name,
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        _text("placement"),
        _text("experiment"),
        sa.Column("phase", sa.Integer(), nullable=False),
        *columns,
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f(f"fk_{name}_merchant_id")),
        sa.PrimaryKeyConstraint(*key, name=op.f(f"pk_{name}")),
        sqlite_with_rowid=False,
    )


def _text(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Text(), nullable=False)


def _sums(*names: str) -> tuple[sa.Column[object], ...]:
    return tuple(sa.Column(name, sa.BigInteger(), nullable=False) for name in names)
