"""What customers said of purposes, in the order in which they said it, and merchants' policies."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.documents.consent import ConsentPolicy
from engine.store.connection.bulk import insert_many
from engine.store.customers.versions import documents, newest, put_document
from engine.store.tables import consent_policies, customer_consents


class SealedConsent(NamedTuple):
    """A consent, encrypted: `version` is that of the settings which it led to."""

    version: int
    recorded_at: int
    source: str
    actor: str
    sealed: str


class CustomerConsent(NamedTuple):
    """A consent of a customer, encrypted."""

    customer: str
    recorded_at: int
    sealed: str


async def append(connection: AsyncConnection, merchant_id: int, customer: str, consent: SealedConsent) -> None:
    """Store what a customer said, in the transaction that changes the settings."""
    columns = ("merchant_id", "customer", *SealedConsent._fields)
    await insert_many(connection, customer_consents, columns, [(merchant_id, customer, *consent)])


async def history(
    connection: AsyncConnection, merchant_id: int, customer: str, *, before: int | None, limit: int
) -> list[SealedConsent]:
    """Return what a customer said, the newest first; `before` is the last version of the page before."""
    key = (merchant_id, customer)
    return await newest(connection, customer_consents, SealedConsent, key, before=before, limit=limit)


async def between(
    connection: AsyncConnection, merchant_id: int, *, since: int, until: int, limit: int
) -> list[CustomerConsent]:
    """Return consents from `since` until before `until` (epoch ms), by customer, in the order of their hashes."""
    c = customer_consents.c
    query = select(*(c[name] for name in CustomerConsent._fields))
    query = query.where(c.merchant_id == merchant_id, c.recorded_at >= since, c.recorded_at < until)
    rows = await connection.execute(query.order_by(c.customer, c.version).limit(limit))
    return [CustomerConsent(*row) for row in rows]


async def policies(connection: AsyncConnection) -> dict[int, ConsentPolicy]:
    """Return the policies of all merchants that have one, by merchant."""
    return await documents(connection, consent_policies, ConsentPolicy)


async def put_policy(connection: AsyncConnection, merchant_id: int, policy: ConsentPolicy) -> None:
    """Replace a merchant's policy."""
    await put_document(connection, consent_policies, merchant_id, policy)
