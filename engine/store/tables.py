"""Every table but those of accounts. SQLite and PostgreSQL alike: JSON is text, times are epoch milliseconds, days are
epoch days.

The log (`decisions`, `outcomes`) is the truth. `statistics`, `usage`, `waiting`, `delays` and `tallies` are folds of
it, kept in the same transaction; all of them add, so concurrent writers need no reading before writing.
Customers stand here only as a keyed hash.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from engine.store import account_tables  # noqa: F401  every merchant_id points there
from engine.store.schema import long_integer, merchant_column, metadata

audit = Table(
    "audit",
    metadata,
    Column("id", long_integer(), primary_key=True),
    merchant_column(),
    Column("at", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("before", Text),
    Column("after", Text),
    Index("ix_audit_merchant_id", "merchant_id", "id"),
)

# Everything that a merchant edits: placements, candidates, rules, fields, lists. `place` is the placement's key
# where the thing belongs to one, and empty where it is the merchant's.
resources = Table(
    "resources",
    metadata,
    merchant_column(),
    Column("kind", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("document", Text, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("merchant_id", "kind", "place", "id"),
)

# Rules as they are to be: what a placement's draft changes of the published ones. No document is a deletion;
# `base_version` is the published rule's version that the change was made from, 0 where there was none.
draft_rules = Table(
    "draft_rules",
    metadata,
    merchant_column(),
    Column("placement", Text, nullable=False),
    Column("rule_id", Text, nullable=False),
    Column("document", Text),
    Column("base_version", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("merchant_id", "placement", "rule_id"),
)

# Where a draft stands on its way to being published. `revision` counts its changes and never goes back.
drafts = Table(
    "drafts",
    metadata,
    merchant_column(),
    Column("placement", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("approved_by", Text, nullable=False),
    Column("publish_at", BigInteger),
    Column("scheduled_by", Text, nullable=False),
    Column("problem", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    PrimaryKeyConstraint("merchant_id", "placement"),
)

# What was published, for good: the placement with all that its decisions depend on.
plans = Table(
    "plans",
    metadata,
    merchant_column(),
    Column("placement", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("document", Text, nullable=False),
    Column("published_at", BigInteger, nullable=False),
    Column("published_by", Text, nullable=False),
    Column("why", Text, nullable=False, server_default=text("''")),
    PrimaryKeyConstraint("merchant_id", "placement", "version"),
)

active_plans = Table(
    "active_plans",
    metadata,
    merchant_column(),
    Column("placement", Text, nullable=False),
    Column("version", Integer, nullable=False),
    PrimaryKeyConstraint("merchant_id", "placement"),
)

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

statistics = Table(
    "statistics",
    metadata,
    merchant_column(),
    Column("placement", Text, nullable=False),
    Column("reward", Text, nullable=False),
    Column("bucket", Text, nullable=False),
    Column("candidate", Text, nullable=False),
    # Counted from 1 where credit depends on the slot, otherwise 0.
    Column("slot", Integer, nullable=False),
    Column("day", Integer, nullable=False),
    Column("trials", BigInteger, nullable=False),
    Column("successes", BigInteger, nullable=False),
    # Successes of which an amount in the merchant's currency is known, and the sum of those amounts.
    Column("priced", BigInteger, nullable=False),
    Column("amount", BigInteger, nullable=False),
    PrimaryKeyConstraint("merchant_id", "placement", "reward", "bucket", "candidate", "slot", "day"),
    sqlite_with_rowid=False,
)

# Trials that decisions of some minutes would give if nothing more were reported: their outcomes may be on the way.
waiting = Table(
    "waiting",
    metadata,
    merchant_column(),
    Column("placement", Text, nullable=False),
    Column("reward", Text, nullable=False),
    Column("bucket", Text, nullable=False),
    Column("candidate", Text, nullable=False),
    Column("slot", Integer, nullable=False),
    Column("minute", Integer, nullable=False),
    Column("trials", BigInteger, nullable=False),
    PrimaryKeyConstraint("merchant_id", "placement", "reward", "bucket", "candidate", "slot", "minute"),
    sqlite_with_rowid=False,
)

# How long it took until closed decisions were known to be a success or a failure, in bins of `bandits.delay`.
delays = Table(
    "delays",
    metadata,
    merchant_column(),
    Column("placement", Text, nullable=False),
    Column("reward", Text, nullable=False),
    Column("bin", Integer, nullable=False),
    Column("day", Integer, nullable=False),
    Column("successes", BigInteger, nullable=False),
    Column("failures", BigInteger, nullable=False),
    PrimaryKeyConstraint("merchant_id", "placement", "reward", "bin", "day"),
    sqlite_with_rowid=False,
)

# What was fitted to the statistics of a placement: strengths of the levels, examination weights.
fits = Table(
    "fits",
    metadata,
    merchant_column(),
    Column("placement", Text, nullable=False),
    Column("reward", Text, nullable=False),
    Column("document", Text, nullable=False),
    Column("fitted_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("merchant_id", "placement", "reward"),
)

usage = Table(
    "usage",
    metadata,
    merchant_column(),
    Column("customer", Text, nullable=False),
    Column("placement", Text, nullable=False),
    Column("candidate", Text, nullable=False),
    Column("day", Integer, nullable=False),
    Column("trials", BigInteger, nullable=False),
    Column("successes", BigInteger, nullable=False),
    PrimaryKeyConstraint("merchant_id", "customer", "placement", "candidate", "day"),
    sqlite_with_rowid=False,
)

# What settled decisions say of each candidate that was seen, where a placement learns from facts; only ever appended.
lessons = Table(
    "lessons",
    metadata,
    Column("seq", long_integer(), primary_key=True, autoincrement=True),
    merchant_column(),
    Column("placement", Text, nullable=False),
    Column("reward", Text, nullable=False),
    Column("decision_id", Text, nullable=False),
    Column("candidate", Text, nullable=False),
    Column("trials", Integer, nullable=False),
    Column("successes", Integer, nullable=False),
    Index("ix_lessons_place", "merchant_id", "placement", "reward", "seq"),
    Index("ix_lessons_decision", "decision_id"),
    # A number that was purged never comes again: who has read up to it would miss its successor.
    sqlite_autoincrement=True,
)

# How often a candidate came first, a minute: what the share-over-time chart draws.
tallies = Table(
    "tallies",
    metadata,
    merchant_column(),
    Column("placement", Text, nullable=False),
    Column("minute", Integer, nullable=False),
    Column("candidate", Text, nullable=False),
    Column("firsts", BigInteger, nullable=False),
    PrimaryKeyConstraint("merchant_id", "placement", "minute", "candidate"),
    sqlite_with_rowid=False,
)

# The statistics that a beliefs version was drawn from, so that any decision can be made again.
beliefs = Table(
    "beliefs",
    metadata,
    merchant_column(),
    Column("placement", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("reward", Text, nullable=False),
    Column("bucket", Text, nullable=False),
    Column("statistics", Text, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("merchant_id", "placement", "version"),
)

# Drafts tried on the log. While one runs, `seen_at` moves; one that stands still has lost its process.
previews = Table(
    "previews",
    metadata,
    Column("id", Text, primary_key=True),
    merchant_column(),
    Column("placement", Text, nullable=False),
    Column("draft", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("started_by", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("done", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("problem", Text, nullable=False),
    Column("result", Text),
    Index("ix_previews_merchant_id", "merchant_id", "placement", "started_at"),
)
# Of a merchant's side one may run at a time.
Index("ix_previews_running", previews.c.merchant_id, unique=True, sqlite_where=previews.c.state == "running",
      postgresql_where=previews.c.state == "running")  # fmt: skip

# How often rules fired (or, by the field that they lacked, were skipped) and fields arrived: counted from the log.
rule_days = Table(
    "rule_days",
    metadata,
    merchant_column(),
    Column("placement", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("day", Integer, nullable=False),
    Column("lacked", Text, nullable=False),
    Column("times", BigInteger, nullable=False),
    PrimaryKeyConstraint("merchant_id", "placement", "rule", "day", "lacked"),
    sqlite_with_rowid=False,
)

rule_fired = Table(
    "rule_fired",
    metadata,
    merchant_column(),
    Column("placement", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    PrimaryKeyConstraint("merchant_id", "placement", "rule"),
    sqlite_with_rowid=False,
)

field_days = Table(
    "field_days",
    metadata,
    merchant_column(),
    Column("field", Text, nullable=False),
    Column("day", Integer, nullable=False),
    Column("times", BigInteger, nullable=False),
    PrimaryKeyConstraint("merchant_id", "field", "day"),
    sqlite_with_rowid=False,
)

# How far the log has been counted.
rollup_cursor = Table(
    "rollup_cursor",
    metadata,
    Column("name", Text, primary_key=True),
    Column("id", Text, nullable=False),
)
