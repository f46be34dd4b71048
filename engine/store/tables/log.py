"""Tables of the log, which is the truth: decisions and their outcomes. Customers appear only as a keyed hash."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, UniqueConstraint

from engine.store.tables.schema import long_integer, merchant_column, metadata

decisions = Table(
    "decisions",
    metadata,
    Column("id", Text, primary_key=True),
    merchant_column(),
    Column("placement", Text, nullable=False),
    Column("customer", Text),
    Column("decided_at", BigInteger, nullable=False),
    Column("closes_at", BigInteger),
    Column("plan_version", Integer, nullable=False),
    Column("beliefs_version", Integer, nullable=False),
    Column("bucket", Text, nullable=False),
    Column("facts", Text, nullable=False),
    Column("history", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Index("ix_decisions_merchant_id", "merchant_id", "id"),
    Index("ix_decisions_customer", "merchant_id", "customer", "id"),
)

# Only decisions whose window is still open stand in this index, so that closing them never scans the log.
Index("ix_decisions_open", decisions.c.closes_at, sqlite_where=decisions.c.closes_at.is_not(None),
      postgresql_where=decisions.c.closes_at.is_not(None))  # fmt: skip

outcomes = Table(
    "outcomes",
    metadata,
    Column("seq", long_integer(), primary_key=True, autoincrement=True),
    merchant_column(),
    Column("event_id", Text, nullable=False),
    Column("decision_id", Text),
    Column("customer", Text),
    Column("placement", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("candidate", Text),
    Column("amount", BigInteger),
    Column("currency", Text),
    Column("occurred_at", BigInteger, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    UniqueConstraint("merchant_id", "event_id"),
    Index("ix_outcomes_decision", "decision_id"),
    Index("ix_outcomes_customer", "merchant_id", "customer"),
)
