"""Tables of the log, which is the truth: decisions and their outcomes. Customers appear only as a keyed hash."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text, UniqueConstraint, text, true

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
    Column("stratum", Text, nullable=False, server_default=text("''")),
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
    # Who reported it: the merchant's server or a browser, and with which key.
    Column("source", Text, nullable=False, server_default=text("'server'")),
    Column("key_id", Text, nullable=False, server_default=text("''")),
    # Ids of events are unique within it: empty for a server; for a browser its decision, so that no visitor can take
    # an id before another needs it.
    Column("space", Text, nullable=False, server_default=text("''")),
    # False for what a browser reports beyond the limits of a day.
    Column("learns", Boolean, nullable=False, server_default=true()),
    UniqueConstraint("merchant_id", "space", "event_id"),
    Index("ix_outcomes_decision", "decision_id"),
    Index("ix_outcomes_customer", "merchant_id", "customer"),
)
