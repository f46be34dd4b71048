"""Experiments: exposures, outcomes of units, and sums"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

UNIT = ("merchant_id", "placement", "experiment", "phase", "unit")


def upgrade() -> None:
    _create(
        "experiment_exposures",
        *_unit_columns(),
        sa.Column("variant", sa.Text(), nullable=False),
        sa.Column("exposed_at", sa.BigInteger(), nullable=False),
        sa.Column("segments", sa.Text(), nullable=False),
        sa.Column("past", sa.Integer(), nullable=False),
        sa.Column("is_summed", sa.Boolean(), nullable=False),
        sa.Column("orders", sa.BigInteger(), nullable=False),
        sa.Column("revenue", sa.BigInteger(), nullable=False),
        key=UNIT,
    )
    op.create_index("ix_experiment_exposures_exposed_at", "experiment_exposures", ["exposed_at"])
    _create(
        "experiment_outcomes",
        *_unit_columns(),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("orders", sa.BigInteger(), nullable=False),
        sa.Column("revenue", sa.BigInteger(), nullable=False),
        key=(*UNIT, "day"),
    )
    _create("experiment_changes", *_unit_columns(), *_sums("times"), key=UNIT)
    _create(
        "experiment_sums",
        *_experiment_columns(),
        sa.Column("segment", sa.Text(), nullable=False),
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("variant", sa.Text(), nullable=False),
        *_sums("units", "converted", "orders", "orders_squared", "revenue"),
        sa.Column("revenue_squared", sa.Float(), nullable=False),
        sa.Column("orders_revenue", sa.Float(), nullable=False),
        *_sums("past", "past_squared", "past_converted", "past_orders"),
        sa.Column("past_revenue", sa.Float(), nullable=False),
        key=("merchant_id", "placement", "experiment", "phase", "segment", "hour", "variant"),
    )


def downgrade() -> None:
    for name in ("experiment_sums", "experiment_changes", "experiment_outcomes", "experiment_exposures"):
        op.drop_table(name)


def _create(name: str, *columns: sa.Column[object], key: tuple[str, ...]) -> None:
    op.create_table(
        name,
        *columns,
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f(f"fk_{name}_merchant_id")),
        sa.PrimaryKeyConstraint(*key, name=op.f(f"pk_{name}")),
        sqlite_with_rowid=False,
    )


def _experiment_columns() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("placement", sa.Text(), nullable=False),
        sa.Column("experiment", sa.Text(), nullable=False),
        sa.Column("phase", sa.Integer(), nullable=False),
    )


def _unit_columns() -> tuple[sa.Column[object], ...]:
    return (*_experiment_columns(), sa.Column("unit", sa.Text(), nullable=False))


def _sums(*names: str) -> tuple[sa.Column[object], ...]:
    return tuple(sa.Column(name, sa.BigInteger(), nullable=False) for name in names)
