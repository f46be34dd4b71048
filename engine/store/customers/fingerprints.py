"""Fingerprints of the secrets that the database was written with."""

from __future__ import annotations

from sqlalchemy import delete, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.connection.bulk import insert_many
from engine.store.tables import customer_consents, customer_settings, usage
from engine.store.tables.installation import fingerprints

COLUMNS = ("name", "fingerprint")


async def get(connection: AsyncConnection, name: str) -> str | None:
    """Return the fingerprint of a secret; None if none is noted."""
    query = select(fingerprints.c.fingerprint).where(fingerprints.c.name == name)
    return (await connection.execute(query)).scalar()


async def add(connection: AsyncConnection, name: str, fingerprint: str) -> None:
    """Note a fingerprint, unless one is noted."""
    await insert_many(connection, fingerprints, COLUMNS, [(name, fingerprint)], on_conflict="nothing")


async def replace(connection: AsyncConnection, name: str, fingerprint: str) -> None:
    """Note a fingerprint in place of the one that is."""
    await insert_many(connection, fingerprints, COLUMNS, [(name, fingerprint)], on_conflict="replace")


async def remove(connection: AsyncConnection, name: str) -> None:
    """Forget the fingerprint of a secret."""
    await connection.execute(delete(fingerprints).where(fingerprints.c.name == name))


async def has_customers(connection: AsyncConnection) -> bool:
    """Return whether anything is stored under a customer's hash: a past, preferences or consents."""
    stored = (exists().select_from(table) for table in (usage, customer_settings, customer_consents))
    return bool((await connection.execute(select(or_(*stored)))).scalar())
