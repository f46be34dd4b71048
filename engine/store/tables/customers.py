"""Tables of what customers said themselves. Customers stand here as keyed hashes, what they said is encrypted."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, Table, Text, text

from engine.store.tables.columns import NameText
from engine.store.tables.schema import long_integer, merchant_column, metadata

# What a decision reads of a customer, in one row: the sum of all changes.
customer_settings = Table(
    "customer_settings",
    metadata,
    merchant_column(),
    Column("customer", NameText, nullable=False),
    Column("version", Integer, nullable=False),
    # JSON, encrypted for this customer.
    Column("sealed", Text, nullable=False),
    # The day (since 1970) of the last visit, up to a week late; 0: not known, -1: the rest of an inactive customer.
    Column("seen_day", Integer, nullable=False, server_default=text("0")),
    PrimaryKeyConstraint("merchant_id", "customer"),
    Index("ix_customer_settings_seen", "merchant_id", "seen_day"),
    sqlite_with_rowid=False,
)

# Every version: who changed it, when, and from where.
customer_setting_versions = Table(
    "customer_setting_versions",
    metadata,
    merchant_column(),
    Column("customer", NameText, nullable=False),
    Column("version", Integer, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    # customer, server or person, and the key or the person.
    Column("source", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("sealed", Text, nullable=False),
    PrimaryKeyConstraint("merchant_id", "customer", "version"),
    sqlite_with_rowid=False,
)

# What a customer said of purposes, and how; never changed. The version is that of the settings which it led to.
customer_consents = Table(
    "customer_consents",
    metadata,
    merchant_column(),
    Column("customer", NameText, nullable=False),
    Column("version", Integer, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("sealed", Text, nullable=False),
    PrimaryKeyConstraint("merchant_id", "customer", "version"),
    sqlite_with_rowid=False,
)

# Anonymous ids that became known customers at a log-in, both as keyed hashes.
customer_aliases = Table(
    "customer_aliases",
    metadata,
    merchant_column(),
    Column("alias", NameText, nullable=False),
    Column("customer", NameText, nullable=False),
    Column("linked_at", BigInteger, nullable=False),
    # The version of what was said under the alias that the customer's own settings contain.
    Column("joined_version", Integer, nullable=False),
    PrimaryKeyConstraint("merchant_id", "alias"),
    Index("ix_customer_aliases_customer", "merchant_id", "customer"),
    sqlite_with_rowid=False,
)

# Customers that were erased: a keyed hash, when it was asked for, and when nothing was left.
erasures = Table(
    "erasures",
    metadata,
    merchant_column(),
    Column("customer", NameText, nullable=False),
    Column("requested_at", BigInteger, nullable=False),
    Column("done_at", BigInteger),
    PrimaryKeyConstraint("merchant_id", "customer"),
    sqlite_with_rowid=False,
)

# Requests of customers about their data, and until when they must be answered.
privacy_requests = Table(
    "privacy_requests",
    metadata,
    Column("id", long_integer(), primary_key=True),
    merchant_column(),
    Column("customer", NameText, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("closed_at", BigInteger),
    # Who took it in, and who closed it: a key or a person.
    Column("received_by", Text, nullable=False),
    Column("closed_by", Text, nullable=False, server_default=text("''")),
    # How it was checked who asks, and why a request was refused.
    Column("identity_check", Text, nullable=False, server_default=text("''")),
    Column("explanation", Text, nullable=False, server_default=text("''")),
    Index("ix_privacy_requests_state", "merchant_id", "state", "due_at"),
    Index("ix_privacy_requests_customer", "merchant_id", "customer"),
)

# What a merchant assumes of customers who said nothing.
consent_policies = Table(
    "consent_policies",
    metadata,
    merchant_column(),
    Column("version", Integer, nullable=False),
    Column("document", Text, nullable=False),
    PrimaryKeyConstraint("merchant_id"),
)

# What holds for customers of a merchant who said nothing else.
preference_defaults = Table(
    "preference_defaults",
    metadata,
    merchant_column(),
    Column("version", Integer, nullable=False),
    Column("document", Text, nullable=False),
    PrimaryKeyConstraint("merchant_id"),
)

# The days after which a merchant's data is deleted, where these are fewer than the server's.
retention_policies = Table(
    "retention_policies",
    metadata,
    merchant_column(),
    Column("version", Integer, nullable=False),
    # JSON.
    Column("document", Text, nullable=False),
    # Decisions from before this time (epoch ms) may have been deleted under an earlier, shorter retention.
    Column("log_from", BigInteger, nullable=False, server_default=text("0")),
    PrimaryKeyConstraint("merchant_id"),
)
