"""Tables of sums and snapshots that are folds of the log, kept in the same transaction.

All of them add, so concurrent writers need not read before they write."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, Table, Text, text

from engine.store.tables.columns import NameBytes, NameText
from engine.store.tables.schema import long_integer, merchant_column, metadata, writer_column

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
    writer_column(),
    PrimaryKeyConstraint("merchant_id", "placement", "reward", "bucket", "candidate", "slot", "day", "writer"),
    sqlite_with_rowid=False,
)

# Trials that decisions of some minutes would give if nothing more were reported: their outcomes may be on the way.
pending_trials = Table(
    "waiting",
    metadata,
    merchant_column(),
    Column("placement", Text, nullable=False),
    Column("reward", Text, nullable=False),
    Column("bucket", Text, nullable=False),
    # The ids of all candidates that have the trials, a line each.
    Column("candidate", Text, key="candidates", nullable=False),
    Column("slot", Integer, nullable=False),
    Column("minute", Integer, nullable=False),
    Column("trials", BigInteger, nullable=False),
    writer_column(),
    PrimaryKeyConstraint("merchant_id", "placement", "reward", "bucket", "candidates", "slot", "minute", "writer"),
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
    writer_column(),
    PrimaryKeyConstraint("merchant_id", "placement", "reward", "bin", "day", "writer"),
    sqlite_with_rowid=False,
)

# How long successes of closed decisions took, by candidate: the same bins.
arrivals = Table(
    "arrivals",
    metadata,
    merchant_column(),
    Column("placement", Text, nullable=False),
    Column("reward", Text, nullable=False),
    Column("candidate", Text, nullable=False),
    Column("bin", Integer, nullable=False),
    Column("day", Integer, nullable=False),
    Column("successes", BigInteger, nullable=False),
    writer_column(),
    PrimaryKeyConstraint("merchant_id", "placement", "reward", "candidate", "bin", "day", "writer"),
    sqlite_with_rowid=False,
)

# Amounts of successes by bin of `bandits.evidence.tails`, where the reward depends on them. `relative` amounts are in
# ten-thousandths of the cart, which was known; the others are in minor units.
amounts = Table(
    "amounts",
    metadata,
    merchant_column(),
    Column("placement", Text, nullable=False),
    Column("reward", Text, nullable=False),
    Column("bucket", Text, nullable=False),
    Column("candidate", Text, nullable=False),
    Column("relative", Integer, nullable=False),
    Column("bin", Integer, nullable=False),
    Column("day", Integer, nullable=False),
    Column("priced", BigInteger, nullable=False),
    Column("amount", BigInteger, nullable=False),
    writer_column(),
    PrimaryKeyConstraint(
        "merchant_id", "placement", "reward", "bucket", "candidate", "relative", "bin", "day", "writer"
    ),
    sqlite_with_rowid=False,
)

# Trials by the minute of their decision, kept for two days: what outages are detected from.
minutes = Table(
    "minutes",
    metadata,
    merchant_column(),
    Column("placement", Text, nullable=False),
    Column("reward", Text, nullable=False),
    Column("candidate", Text, nullable=False),
    Column("minute", Integer, nullable=False),
    Column("trials", BigInteger, nullable=False),
    Column("successes", BigInteger, nullable=False),
    Column("pending", BigInteger, nullable=False),
    writer_column(),
    PrimaryKeyConstraint("merchant_id", "placement", "reward", "candidate", "minute", "writer"),
    sqlite_with_rowid=False,
)

# The first day of sums that are kept since a later version only; without a row they are complete.
fold_starts = Table(
    "fold_starts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("day", Integer, nullable=False),
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
    Column("customer", NameText, nullable=False),
    Column("placement", Text, nullable=False),
    Column("candidate", Text, nullable=False),
    Column("day", Integer, nullable=False),
    Column("trials", BigInteger, nullable=False),
    Column("successes", BigInteger, nullable=False),
    PrimaryKeyConstraint("merchant_id", "customer", "placement", "candidate", "day"),
    sqlite_with_rowid=False,
)

# What settled decisions say of each candidate that was seen, where a placement learns from facts; only ever appended.
observations = Table(
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
    # Of successes alone, which are counted by customer and day.
    Column("customer", NameBytes),
    Index("ix_lessons_place", "merchant_id", "placement", "reward", "seq"),
    Index("ix_lessons_decision", "decision_id"),
    # A number that was purged never comes again: who has read up to it would miss its successor.
    sqlite_autoincrement=True,
)

Index("ix_lessons_customer", "merchant_id", observations.c.customer, "decision_id",
      sqlite_where=observations.c.customer.is_not(None),
      postgresql_where=observations.c.customer.is_not(None))  # fmt: skip

# How often a candidate came first, a minute: what the share-over-time chart draws.
tallies = Table(
    "tallies",
    metadata,
    merchant_column(),
    Column("placement", Text, nullable=False),
    Column("minute", Integer, nullable=False),
    Column("candidate", Text, nullable=False),
    Column("firsts", BigInteger, nullable=False),
    writer_column(),
    PrimaryKeyConstraint("merchant_id", "placement", "minute", "candidate", "writer"),
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
    # Why it was made, such as "+212 outcomes"; empty in old versions.
    Column("reason", Text, nullable=False, server_default=text("''")),
    PrimaryKeyConstraint("merchant_id", "placement", "version"),
)

# Models that were learned again from the log, with the figures that decided whether they replace the one in force.
refits = Table(
    "refits",
    metadata,
    merchant_column(),
    Column("placement", Text, nullable=False),
    Column("reward", Text, nullable=False),
    # The last held-out day: two processes that refit at the same time have the same.
    Column("last_day", Integer, nullable=False),
    Column("refitted_at", BigInteger, nullable=False),
    # JSON: both models' figures.
    Column("result", Text, nullable=False),
    # Beliefs versions: in force before, made by the refit (0 if it was worse), and made by going back (0 if not).
    Column("previous", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("returned", Integer, nullable=False, server_default=text("0")),
    PrimaryKeyConstraint("merchant_id", "placement", "reward", "last_day"),
    sqlite_with_rowid=False,
)

# Models whose predictions are off, as an event has said.
prediction_alarms = Table(
    "prediction_alarms",
    metadata,
    merchant_column(),
    Column("placement", Text, nullable=False),
    Column("reward", Text, nullable=False),
    Column("raised_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("merchant_id", "placement", "reward"),
    sqlite_with_rowid=False,
)

# How often rules fired (or, by the field that they lacked, were skipped) and fields arrived.
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

# How often a field of a request was not understood, and when last; the field "" stands for facts that are not declared.
field_faults = Table(
    "field_faults",
    metadata,
    merchant_column(),
    Column("field", Text, nullable=False),
    Column("day", Integer, nullable=False),
    Column("times", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("merchant_id", "field", "day"),
    sqlite_with_rowid=False,
)
