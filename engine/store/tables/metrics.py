"""The table of sums that the metrics of a placement are read from: a fold of the log."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, PrimaryKeyConstraint, Table, Text

from engine.store.tables.schema import merchant_column, metadata, writer_column

# Each decision counts once in every dimension: all ("" and ""), its device, its country, and so on. The time of a
# purchase is that of its decision, in epoch hours.
metric_hours = Table(
    "metric_hours",
    metadata,
    merchant_column(),
    Column("placement", Text, nullable=False),
    Column("dimension", Text, nullable=False),
    Column("hour", Integer, nullable=False),
    # Of the holdback: personalized, not_personalized, or empty for customers who could not be held back.
    Column("arm", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("decisions", BigInteger, nullable=False),
    Column("fallbacks", BigInteger, nullable=False),
    Column("shown", BigInteger, nullable=False),
    Column("selected", BigInteger, nullable=False),
    Column("converted", BigInteger, nullable=False),
    Column("refunded", BigInteger, nullable=False),
    Column("redeemed", BigInteger, nullable=False),
    Column("revenue", BigInteger, nullable=False),
    Column("margin", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False),
    Column("timed", BigInteger, nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    writer_column(),
    PrimaryKeyConstraint("merchant_id", "placement", "dimension", "hour", "arm", "value", "writer"),
    sqlite_with_rowid=False,
)

# What is unusual at placements, as an event has said.
metric_alarms = Table(
    "metric_alarms",
    metadata,
    merchant_column(),
    Column("placement", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("raised_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("merchant_id", "placement", "kind"),
    sqlite_with_rowid=False,
)

# How many decisions took how long: a bin is an eighth of a doubling of milliseconds.
decision_times = Table(
    "decision_times",
    metadata,
    merchant_column(),
    Column("placement", Text, nullable=False),
    Column("hour", Integer, nullable=False),
    Column("bin", Integer, nullable=False),
    Column("decisions", BigInteger, nullable=False),
    PrimaryKeyConstraint("merchant_id", "placement", "hour", "bin"),
    sqlite_with_rowid=False,
)
