"""Tables of what customers said themselves. Customers stand here as keyed hashes, what they said is encrypted."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, PrimaryKeyConstraint, Table, Text

from engine.store.tables.schema import merchant_column, metadata

# What a decision reads of a customer, in one row: the sum of all changes.
customer_settings = Table(
    "customer_settings",
    metadata,
    merchant_column(),
    Column("customer", Text, nullable=False),
    Column("version", Integer, nullable=False),
    # JSON, encrypted for this customer.
    Column("sealed", Text, nullable=False),
    PrimaryKeyConstraint("merchant_id", "customer"),
    sqlite_with_rowid=False,
)

# Every version: who changed it, when, and from where.
customer_setting_versions = Table(
    "customer_setting_versions",
    metadata,
    merchant_column(),
    Column("customer", Text, nullable=False),
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
    Column("customer", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("sealed", Text, nullable=False),
    PrimaryKeyConstraint("merchant_id", "customer", "version"),
    sqlite_with_rowid=False,
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
