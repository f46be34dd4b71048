"""The table that a process writes to when it finds out whether the database stores anything."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Table

from engine.store.tables.schema import metadata

write_probes = Table("write_probes", metadata, Column("written_at", BigInteger, nullable=False))
