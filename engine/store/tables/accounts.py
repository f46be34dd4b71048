"""The tables of merchants and their keys."""

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
    false,
    text,
)

from engine.store.tables.schema import merchant_column, metadata

merchants = Table(
    "merchants",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("slug", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("locale", Text, nullable=False),
    Column("timezone", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # Counts the edits of this merchant's resources, so that an editor can tell that another came first.
    Column("revision", Integer, nullable=False, default=0),
    # Whether a second person must approve changes of rules before they are published.
    Column("review", Boolean, nullable=False, server_default=false()),
    # The largest purchase that a browser may report, in minor units; 0: none.
    Column("browser_purchase_limit", BigInteger, nullable=False, server_default="0"),
    # The name of its tier; empty: none, so no limits beyond the server's.
    Column("tier", Text, nullable=False, server_default=text("''")),
    UniqueConstraint("slug", "mode"),
)

keys = Table(
    "keys",
    metadata,
    Column("id", Text, primary_key=True),
    merchant_column(),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("hint", Text, nullable=False),
    Column("hash", Text, nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    # The person who made the key, for whom it acts; empty where nobody knows.
    Column("created_by", Text, nullable=False, server_default=text("''")),
    Index("ix_keys_merchant", "merchant_id"),
)

tiers = Table(
    "tiers",
    metadata,
    Column("name", Text, primary_key=True),
    # JSON.
    Column("limits", Text, nullable=False),
)

# Exports of merchants whose tier limits them.
export_counts = Table(
    "export_counts",
    metadata,
    merchant_column(),
    # In the merchant's time zone: 2026-11.
    Column("month", Text, nullable=False),
    Column("exports", Integer, nullable=False),
    PrimaryKeyConstraint("merchant_id", "month"),
    sqlite_with_rowid=False,
)

logos = Table(
    "logos",
    metadata,
    merchant_column(),
    # A PNG that the engine made.
    Column("content", LargeBinary, nullable=False),
    PrimaryKeyConstraint("merchant_id"),
)
