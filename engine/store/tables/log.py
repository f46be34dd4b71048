"""Tables of the log, which is the truth: decisions and their outcomes. Customers appear only as a keyed hash."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
    true,
)

from engine.store.tables.columns import DECISION_PREFIX, HexText, NameBytes, NameText
from engine.store.tables.schema import long_integer, merchant_column, metadata

# One B-tree for all but the open windows: a decision is appended where the merchant's last one is. `record` holds
# what no query asks for, and the time stands in the id. Customers are found by `customer_segments`.
decisions = Table(
    "decisions",
    metadata,
    merchant_column(),
    Column("id", HexText(DECISION_PREFIX), nullable=False),
    Column("placement", Text, nullable=False),
    Column("customer", NameBytes),
    Column("closes_at", BigInteger),
    Column("plan_version", Integer, nullable=False),
    Column("beliefs_version", Integer, nullable=False),
    Column("dictionary", BigInteger, nullable=False),
    Column("record", LargeBinary, nullable=False),
    PrimaryKeyConstraint("merchant_id", "id"),
    sqlite_with_rowid=False,
)

# Only decisions whose window is still open stand in this index, so that closing them never scans the log.
Index("ix_decisions_open", decisions.c.closes_at, sqlite_where=decisions.c.closes_at.is_not(None),
      postgresql_where=decisions.c.closes_at.is_not(None))  # fmt: skip

log_dictionaries = Table(
    "log_dictionaries",
    metadata,
    merchant_column(),
    Column("placement", Text, nullable=False),
    Column("id", BigInteger, nullable=False),
    Column("plan_version", Integer, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
    PrimaryKeyConstraint("merchant_id", "placement", "id"),
    Index("ix_log_dictionaries_id", "id"),
)

# The decisions of a merchant's customers by the first byte of the customer's hash: see `customer_segments`.
customer_segments = Table(
    "customer_segments",
    metadata,
    merchant_column(),
    Column("shard", Integer, nullable=False),
    Column("last_id", HexText(DECISION_PREFIX), nullable=False),
    Column("begins_at", BigInteger, nullable=False),
    Column("entries", LargeBinary, nullable=False),
    PrimaryKeyConstraint("merchant_id", "shard", "last_id"),
    sqlite_with_rowid=False,
)

# Up to where segments contain all decisions of a merchant, except those that were logged late.
customer_segment_ends = Table(
    "customer_segment_ends",
    metadata,
    merchant_column(),
    Column("ends_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("merchant_id"),
)

outcomes = Table(
    "outcomes",
    metadata,
    Column("seq", long_integer(), primary_key=True, autoincrement=True),
    merchant_column(),
    Column("event_id", Text, nullable=False),
    Column("decision_id", Text),
    Column("customer", NameText),
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
_is_alone = outcomes.c.decision_id.is_(None)
# Purchases that no decision led to, by which those of a merchant are deleted after a time.
Index("ix_outcomes_alone", outcomes.c.merchant_id, outcomes.c.occurred_at,
      sqlite_where=_is_alone, postgresql_where=_is_alone)  # fmt: skip
