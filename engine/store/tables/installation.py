"""Tables of the installation as a whole, which belong to no merchant."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, Table, Text

from engine.store.tables.schema import metadata

# Which process does the work that is needed once.
leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

# Fingerprints of the secrets that the database was written with.
fingerprints = Table(
    "fingerprints",
    metadata,
    Column("name", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
)

# The oldest revision whose code runs on this schema; one row.
schema_readers = Table("schema_readers", metadata, Column("oldest", Text, primary_key=True))

# Keys that stored texts are encrypted with, by day. Each is encrypted with the master key of the fingerprint.
data_keys = Table(
    "data_keys",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("created_at", BigInteger, nullable=False),
    Column("master", Text, nullable=False),
    Column("wrapped", Text, nullable=False),
)

# Keys that sign what customers and browsers send back, each in place of the one before. Encrypted like data keys.
signing_keys = Table(
    "signing_keys",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("created_at", BigInteger, nullable=False),
    Column("master", Text, nullable=False),
    Column("wrapped", Text, nullable=False),
    # Until when what older keys signed is accepted.
    Column("older_until", BigInteger, nullable=False),
)
