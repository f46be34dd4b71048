"""Tables of offers: caps and balances of budgets, holds, and the ledger that balances are a sum of."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, Table, Text, literal_column, text

from engine.store.tables.columns import NamesInText, NameText
from engine.store.tables.schema import long_integer, merchant_column, metadata

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
    Column("customer", NameText, nullable=False),
    Column("held", BigInteger, nullable=False),
    Column("spent", BigInteger, nullable=False),
    Column("held_uses", BigInteger, nullable=False),
    Column("spent_uses", BigInteger, nullable=False),
    # The percentage that an alert was given for last.
    Column("alerted", Integer, nullable=False, server_default=text("0")),
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
    Column("customer", NameText, nullable=False),
    Column("currency", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("cart_total", BigInteger, nullable=False),
    # JSON: the budget, period and customer of each balance.
    Column("balances", NamesInText, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("spent", BigInteger, nullable=False),
    Column("refunded", BigInteger, nullable=False),
    Column("returned", BigInteger, nullable=False),
    Column("order_id", Text, nullable=False),
    Column("entries", Integer, nullable=False),
    # A code that was given to this hold alone; empty where the offer has none, or one for everybody.
    Column("code", Text, nullable=False, server_default=text("''")),
    # 0 until it is redeemed.
    Column("redeemed_at", BigInteger, nullable=False, server_default=text("0")),
    Index("ix_holds_customer", "merchant_id", "customer", "placement", "id"),
    Index("ix_holds_merchant_id", "merchant_id", "id"),
    Index("ix_holds_decision_id", "merchant_id", "decision_id"),
)

# SQLite uses an index of some rows only where the query has the same condition, with its constant.
is_live = holds.c.state == literal_column("'live'")
has_order = holds.c.order_id != literal_column("''")
# Only live holds stand in this index, so that finding the expired ones never scans the others.
Index("ix_holds_live", holds.c.expires_at, sqlite_where=is_live, postgresql_where=is_live)
# Most holds are never redeemed, and have no order.
Index("ix_holds_order_id", holds.c.merchant_id, holds.c.order_id, sqlite_where=has_order, postgresql_where=has_order)

ledger = Table(
    "ledger",
    metadata,
    # The hold's id, the number of the movement and of the balance: writing a movement twice fails.
    Column("id", Text, primary_key=True),
    merchant_column(),
    Column("hold_id", Text, nullable=False),
    Column("budget", Text, nullable=False),
    Column("period", Integer, nullable=False),
    Column("customer", NameText, nullable=False),
    Column("kind", Text, nullable=False),
    Column("debit", Text, nullable=False),
    Column("credit", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("uses", BigInteger, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Index("ix_ledger_budget", "merchant_id", "budget", "recorded_at", "id"),
    Index("ix_ledger_hold_id", "hold_id"),
)

# Codes that are given to one hold each: those of a pool, and those made for a customer.
offer_codes = Table(
    "offer_codes",
    metadata,
    merchant_column(),
    # In capitals.
    Column("code", Text, nullable=False),
    Column("placement", Text, nullable=False),
    Column("offer", Text, nullable=False),
    # free, held or used.
    Column("state", Text, nullable=False),
    # The hold that it is held or was used by; empty while it is free.
    Column("hold_id", Text, nullable=False),
    # A keyed hash; empty for a code of a pool.
    Column("customer", NameText, nullable=False),
    Column("added_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("merchant_id", "code"),
    Index("ix_offer_codes_offer", "merchant_id", "placement", "offer", "state", "added_at", "code"),
    sqlite_with_rowid=False,
)

# A customer has one code of an offer.
Index("ix_offer_codes_customer", offer_codes.c.merchant_id, offer_codes.c.placement, offer_codes.c.customer,
      offer_codes.c.offer, unique=True, sqlite_where=offer_codes.c.customer != "",
      postgresql_where=offer_codes.c.customer != "")  # fmt: skip

# Events for other systems, in the order in which they were written.
outbox = Table(
    "outbox",
    metadata,
    Column("id", long_integer(), primary_key=True),
    merchant_column(),
    Column("type", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Index("ix_outbox_merchant_id", "merchant_id", "id"),
    Index("ix_outbox_recorded_at", "recorded_at"),
)
is_ended_outage = outbox.c.type == literal_column("'outage.ended'")
Index("ix_outbox_ended_outages", outbox.c.merchant_id, outbox.c.recorded_at,
      sqlite_where=is_ended_outage, postgresql_where=is_ended_outage)  # fmt: skip

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
