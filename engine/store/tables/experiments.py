"""Tables of experiments: who was exposed to which variant, what they did, and the sums that results are read from."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, PrimaryKeyConstraint, Table, Text, text

from engine.store.tables.columns import NameText
from engine.store.tables.schema import merchant_column, metadata

UNIT_KEY = ("merchant_id", "placement", "experiment", "phase", "unit")


def _phase_columns() -> list[Column[Any]]:
    return [
        merchant_column(),
        Column("placement", Text, nullable=False),
        Column("experiment", Text, nullable=False),
        Column("phase", Integer, nullable=False),
    ]


# The first exposure of each unit; `orders` and `revenue` are as far as they have been added to the sums.
experiment_exposures = Table(
    "experiment_exposures",
    metadata,
    *_phase_columns(),
    # A keyed hash of the customer, a hash of the device, or a decision id.
    Column("unit", NameText, nullable=False),
    Column("variant", Text, nullable=False),
    Column("exposed_at", BigInteger, nullable=False),
    # JSON: the segments that the unit belonged to then, and its purchases before.
    Column("segments", Text, nullable=False),
    Column("past", Integer, nullable=False),
    Column("is_summed", Boolean, nullable=False),
    Column("orders", BigInteger, nullable=False),
    Column("revenue", BigInteger, nullable=False),
    # JSON: what has been added to the sums of other measures, (times, amount) by measure.
    Column("measured", Text, nullable=False, server_default=text("'{}'")),
    PrimaryKeyConstraint(*UNIT_KEY),
    Index("ix_experiment_exposures_exposed_at", "exposed_at"),
    sqlite_with_rowid=False,
)

# What a unit bought after its exposure, by the day of the decision: a fold of the log.
experiment_outcomes = Table(
    "experiment_outcomes",
    metadata,
    *_phase_columns(),
    Column("unit", NameText, nullable=False),
    Column("day", Integer, nullable=False),
    Column("orders", BigInteger, nullable=False),
    Column("revenue", BigInteger, nullable=False),
    PrimaryKeyConstraint(*UNIT_KEY, "day"),
    sqlite_with_rowid=False,
)

# Other measures of a unit by the day of the decision: how often, and the amount. A fold of the log too.
experiment_measures = Table(
    "experiment_measures",
    metadata,
    *_phase_columns(),
    Column("unit", NameText, nullable=False),
    Column("measure", Text, nullable=False),
    Column("day", Integer, nullable=False),
    Column("times", BigInteger, nullable=False),
    Column("amount", BigInteger, nullable=False),
    PrimaryKeyConstraint(*UNIT_KEY, "measure", "day"),
    sqlite_with_rowid=False,
)

# The shares of variants that a bandit moved, JSON by variant, from an epoch hour on; decided before the hour began.
experiment_shares = Table(
    "experiment_shares",
    metadata,
    *_phase_columns(),
    Column("hour", Integer, nullable=False),
    Column("shares", Text, nullable=False),
    PrimaryKeyConstraint("merchant_id", "placement", "experiment", "phase", "hour"),
    sqlite_with_rowid=False,
)

# Looks as they were, JSON; `last_hour` is the last epoch hour of exposures that one read.
experiment_looks = Table(
    "experiment_looks",
    metadata,
    *_phase_columns(),
    Column("number", Integer, nullable=False),
    Column("as_of", BigInteger, nullable=False),
    Column("last_hour", Integer, nullable=False),
    Column("results", Text, nullable=False),
    PrimaryKeyConstraint("merchant_id", "placement", "experiment", "phase", "number"),
    sqlite_with_rowid=False,
)

# Purchases of units that no decision led to, and their refunds: a log that `experiment_outcomes` is folded from too.
experiment_conversions = Table(
    "experiment_conversions",
    metadata,
    merchant_column(),
    Column("placement", Text, nullable=False),
    Column("experiment", Text, nullable=False),
    # Empty for a server; for a browser its unit, so that no visitor can take an id before another needs it.
    Column("space", NameText, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("phase", Integer, nullable=False),
    Column("unit", NameText, nullable=False),
    Column("amount", BigInteger),
    Column("currency", Text),
    Column("occurred_at", BigInteger, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    # False before the exposure, after the window, and for what a browser reports beyond the limits of a day.
    Column("counts", Boolean, nullable=False),
    # The event of the purchase that a refund is about; empty for a purchase.
    Column("refund_of", Text, nullable=False, server_default=text("''")),
    PrimaryKeyConstraint("merchant_id", "placement", "experiment", "space", "event_id"),
    Index("ix_experiment_conversions_occurred_at", "occurred_at"),
    sqlite_with_rowid=False,
)
# Only refunds stand in this index.
Index(
    "ix_experiment_conversions_refund_of",
    *(experiment_conversions.c[name] for name in ("merchant_id", "placement", "experiment", "space", "refund_of")),
    sqlite_where=experiment_conversions.c.refund_of != "",
    postgresql_where=experiment_conversions.c.refund_of != "",
)

# Units whose sums have to be brought up to date.
experiment_changes = Table(
    "experiment_changes",
    metadata,
    *_phase_columns(),
    Column("unit", NameText, nullable=False),
    # Counting holds the row, so that nobody takes it before the change is committed.
    Column("times", BigInteger, nullable=False),
    PrimaryKeyConstraint(*UNIT_KEY),
    sqlite_with_rowid=False,
)

# Sums over units by variant, segment ("" is everybody) and hour of the first exposure, in epoch hours; other segments
# are kept by day, under its last hour.
experiment_sums = Table(
    "experiment_sums",
    metadata,
    *_phase_columns(),
    Column("segment", Text, nullable=False),
    Column("hour", Integer, nullable=False),
    Column("variant", Text, nullable=False),
    Column("units", BigInteger, nullable=False),
    Column("converted", BigInteger, nullable=False),
    Column("orders", BigInteger, nullable=False),
    Column("orders_squared", BigInteger, nullable=False),
    Column("revenue", BigInteger, nullable=False),
    # Squares of amounts exceed 64 bits.
    Column("revenue_squared", Float, nullable=False),
    Column("orders_revenue", Float, nullable=False),
    # The covariate: purchases before the exposure, and its products with the others.
    Column("past", BigInteger, nullable=False),
    Column("past_squared", BigInteger, nullable=False),
    Column("past_converted", BigInteger, nullable=False),
    Column("past_orders", BigInteger, nullable=False),
    Column("past_revenue", Float, nullable=False),
    PrimaryKeyConstraint("merchant_id", "placement", "experiment", "phase", "segment", "hour", "variant"),
    sqlite_with_rowid=False,
)

# The same sums of other measures: `converted` units have any, `orders` is how often, `revenue` the amount. The number
# of units and their past are those of `experiment_sums`.
experiment_measure_sums = Table(
    "experiment_measure_sums",
    metadata,
    *_phase_columns(),
    Column("segment", Text, nullable=False),
    Column("hour", Integer, nullable=False),
    Column("variant", Text, nullable=False),
    Column("measure", Text, nullable=False),
    Column("converted", BigInteger, nullable=False),
    Column("orders", BigInteger, nullable=False),
    Column("orders_squared", BigInteger, nullable=False),
    Column("revenue", BigInteger, nullable=False),
    Column("revenue_squared", Float, nullable=False),
    Column("orders_revenue", Float, nullable=False),
    Column("past_converted", BigInteger, nullable=False),
    Column("past_orders", BigInteger, nullable=False),
    Column("past_revenue", Float, nullable=False),
    PrimaryKeyConstraint("merchant_id", "placement", "experiment", "phase", "segment", "hour", "variant", "measure"),
    sqlite_with_rowid=False,
)
