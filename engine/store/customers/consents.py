"""What customers said of purposes, in the order in which they said it, and merchants' policies."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.documents.consent import ConsentPolicy
from engine.store.connection.bulk import insert_many
from engine.store.tables import consent_policies, customer_consents

_decode_policy = msgspec.json.Decoder(ConsentPolicy).decode


class SealedConsent(NamedTuple):
    """A consent, encrypted: `version` is that of the settings which it led to."""

    version: int
    recorded_at: int
    source: str
    actor: str
    sealed: str


async def append(connection: AsyncConnection, merchant_id: int, customer: str, consent: SealedConsent) -> None:
    """Store what a customer said, in the transaction that changes the settings."""
    columns = ("merchant_id", "customer", *SealedConsent._fields)
    await insert_many(connection, customer_consents, columns, [(merchant_id, customer, *consent)])


async def history(
    connection: AsyncConnection, merchant_id: int, customer: str, *, before: int | None, limit: int
) -> list[SealedConsent]:
    """Return what a customer said, the newest first; `before` is the last version of the page before."""
    c = customer_consents.c
    query = select(*(c[name] for name in SealedConsent._fields))
    query = query.where(c.merchant_id == merchant_id, c.customer == customer)
    if before is not None:
        query = query.where(c.version < before)
    rows = await connection.execute(query.order_by(c.version.desc()).limit(limit))
    return [SealedConsent(*row) for row in rows]


async def policies(connection: AsyncConnection) -> dict[int, ConsentPolicy]:
    """Return the policies of all merchants that have one, by merchant."""
    c = consent_policies.c
    rows = await connection.execute(select(c.merchant_id, c.document))
    return {row.merchant_id: _decode_policy(row.document) for row in rows}


async def put_policy(connection: AsyncConnection, merchant_id: int, policy: ConsentPolicy) -> None:
    """Replace a merchant's policy."""
    c = consent_policies.c
    query = select(c.version).where(c.merchant_id == merchant_id).with_for_update()
    version = ((await connection.execute(query)).scalar_one_or_none() or 0) + 1
    values = (merchant_id, version, msgspec.json.encode(policy).decode())
    columns = ("merchant_id", "version", "document")
    await insert_many(connection, consent_policies, columns, [values], on_conflict="replace")
