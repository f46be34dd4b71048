"""Tables of the installation as a whole, which belong to no merchant."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Table, Text

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
