"""Tables of what merchants edit and publish, and of who changed it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, PrimaryKeyConstraint, Table, Text, false, text

from engine.store.tables.columns import NameText
from engine.store.tables.schema import long_integer, merchant_column, metadata

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
    Column("why", Text, key="reason", nullable=False, server_default=text("''")),
    # Done by one person alone, past the review by a second.
    Column("emergency", Boolean, nullable=False, server_default=false()),
    # Counts the merchant's entries from 1, without a gap.
    Column("number", BigInteger, nullable=False),
    # Of the row in `audit_customers`; empty where there never was one.
    Column("commitment", Text, nullable=False),
    # Of this entry and the digest before it.
    Column("digest", Text, nullable=False),
    Index("ix_audit_merchant_id", "merchant_id", "id"),
    Index("ix_audit_merchant_id_number", "merchant_id", "number", unique=True),
)

# The end of each merchant's chain of entries. Whoever adds an entry locks this row until the end of the transaction.
audit_heads = Table(
    "audit_heads",
    metadata,
    merchant_column(),
    Column("number", BigInteger, nullable=False),
    Column("digest", Text, nullable=False),
    PrimaryKeyConstraint("merchant_id"),
)

# What entries say about a customer: a keyed hash, the reason, and the salt of the entry's commitment. Erasing the
# customer deletes the row, and the chain stays whole.
audit_customers = Table(
    "audit_customers",
    metadata,
    merchant_column(),
    Column("number", BigInteger, nullable=False),
    Column("customer", NameText, nullable=False),
    Column("why", Text, key="reason", nullable=False),
    Column("salt", Text, nullable=False),
    PrimaryKeyConstraint("merchant_id", "number"),
    Index("ix_audit_customers_customer", "merchant_id", "customer"),
)

# Everything that a merchant edits: placements, candidates, rules, fields, lists. `placement` is the placement's key
# where the thing belongs to one, and empty where it is the merchant's.
resources = Table(
    "resources",
    metadata,
    merchant_column(),
    Column("kind", Text, nullable=False),
    Column("place", Text, key="placement", nullable=False),
    Column("id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("document", Text, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("merchant_id", "kind", "placement", "id"),
)

# The configuration as it is to be: what a placement's draft changes of what is published. No document is a deletion;
# `base_version` is the published version that the change was made from, 0 where there was none. `authors` is a JSON
# list of all persons who made the change what it is.
draft_changes = Table(
    "draft_changes",
    metadata,
    merchant_column(),
    Column("placement", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("document", Text),
    Column("base_version", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("authors", Text, nullable=False),
    PrimaryKeyConstraint("merchant_id", "placement", "kind", "id"),
)

# Where a draft stands on its way to being published. `revision` counts its changes and never goes back.
drafts = Table(
    "drafts",
    metadata,
    merchant_column(),
    Column("placement", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("why", Text, key="reason", nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("approved_by", Text, nullable=False),
    Column("publish_at", BigInteger),
    Column("scheduled_by", Text, nullable=False),
    Column("problem", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    # The person behind `asked_by`, which may be a key.
    Column("asked_person", Text, nullable=False, server_default=text("''")),
    PrimaryKeyConstraint("merchant_id", "placement"),
)

# The number that a candidate's colour follows from. It stays, so that no colour changes when others come or go.
candidate_colours = Table(
    "candidate_colours",
    metadata,
    merchant_column(),
    Column("placement", Text, nullable=False),
    Column("candidate", Text, nullable=False),
    Column("number", Integer, nullable=False),
    PrimaryKeyConstraint("merchant_id", "placement", "candidate"),
    sqlite_with_rowid=False,
)

# What one person did alone although changes need a second: it is shown until another person has seen it.
emergencies = Table(
    "emergencies",
    metadata,
    Column("id", long_integer(), primary_key=True),
    merchant_column(),
    Column("at", BigInteger, key="occurred_at", nullable=False),
    Column("placement", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("acknowledged_by", Text, nullable=False, server_default=text("''")),
    Column("acknowledged_at", BigInteger),
    Index("ix_emergencies_merchant_id", "merchant_id", "acknowledged_at"),
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
    Column("why", Text, key="reason", nullable=False, server_default=text("''")),
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

# The candidates of a placement that cannot be had now, as the merchant's own systems report them.
availability = Table(
    "availability",
    metadata,
    merchant_column(),
    Column("placement", Text, nullable=False),
    Column("version", Integer, nullable=False),
    # JSON.
    Column("document", Text, nullable=False),
    PrimaryKeyConstraint("merchant_id", "placement"),
)
