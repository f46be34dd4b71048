"""Tables of offers: caps and balances of budgets, holds, and the ledger that balances are a sum of."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, Table, Text

from engine.store.tables.schema import merchant_column, metadata

BALANCE_KEY = ("merchant_id", "budget", "period", "customer")

# The caps in force, written in the transaction that publishes a budget; null is no cap.
budget_caps = Table(
    "budget_caps",
    metadata,
    merchant_column(),
    Column("budget", Text, nullable=False),
    Column("amount", BigInteger),
    Column("uses", BigInteger),
    PrimaryKeyConstraint("merchant_id", "budget"),
    sqlite_with_rowid=False,
)

budget_balances = Table(
    "budget_balances",
    metadata,
    merchant_column(),
    Column("budget", Text, nullable=False),
    # An epoch day, or 0 where the budget is not counted by day.
    Column("period", Integer, nullable=False),
    # A keyed hash, or empty where everybody shares the budget.
    Column("customer", Text, nullable=False),
    Column("held", BigInteger, nullable=False),
    Column("spent", BigInteger, nullable=False),
    Column("held_uses", BigInteger, nullable=False),
    Column("spent_uses", BigInteger, nullable=False),
    PrimaryKeyConstraint(*BALANCE_KEY),
    sqlite_with_rowid=False,
)

holds = Table(
    "holds",
    metadata,
    Column("id", Text, primary_key=True),
    merchant_column(),
    Column("placement", Text, nullable=False),
    Column("offer", Text, nullable=False),
    Column("plan_version", Integer, nullable=False),
    Column("decision_id", Text, nullable=False),
    Column("customer", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("cart_total", BigInteger, nullable=False),
    # JSON: the budget, period and customer of each balance.
    Column("balances", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("spent", BigInteger, nullable=False),
    Column("refunded", BigInteger, nullable=False),
    Column("returned", BigInteger, nullable=False),
    Column("order_id", Text, nullable=False),
    Column("entries", Integer, nullable=False),
    Index("ix_holds_customer", "merchant_id", "customer", "placement", "id"),
    Index("ix_holds_merchant_id", "merchant_id", "id"),
)

# Only live holds stand in this index, so that finding the expired ones never scans the others.
Index("ix_holds_live", holds.c.expires_at, sqlite_where=holds.c.state == "live",
      postgresql_where=holds.c.state == "live")  # fmt: skip

ledger = Table(
    "ledger",
    metadata,
    # The hold's id, the number of the movement and of the balance: writing a movement twice fails.
    Column("id", Text, primary_key=True),
    merchant_column(),
    Column("hold_id", Text, nullable=False),
    Column("budget", Text, nullable=False),
    Column("period", Integer, nullable=False),
    Column("customer", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("debit", Text, nullable=False),
    Column("credit", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("uses", BigInteger, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Index("ix_ledger_budget", "merchant_id", "budget", "recorded_at", "id"),
    Index("ix_ledger_hold_id", "hold_id"),
)

# Answers to requests that carry an Idempotency-Key: the same request gets the same answer again.
idempotent_answers = Table(
    "idempotent_answers",
    metadata,
    merchant_column(),
    Column("key", Text, nullable=False),
    # A digest of what was asked.
    Column("request", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("merchant_id", "key"),
    Index("ix_idempotent_answers_created_at", "created_at"),
    sqlite_with_rowid=False,
)
