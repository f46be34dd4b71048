"""Tiers, which merchant has which, and how many exports were made in a month."""

from __future__ import annotations

import msgspec
from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.documents.tier import NO_TIER, Tier, Tiers
from engine.store.connection.bulk import insert_many
from engine.store.tables.accounts import export_counts, merchants, tiers

_decode = msgspec.json.Decoder(Tier).decode


async def all_tiers(connection: AsyncConnection) -> dict[str, Tier]:
    """Return the tiers by name, in the order of the names."""
    rows = await connection.execute(select(tiers.c.name, tiers.c.limits).order_by(tiers.c.name))
    return {name: _decode(limits) for name, limits in rows}


async def tier_of(connection: AsyncConnection, merchant_id: int) -> Tier:
    """Return the tier of a merchant; no limits without one."""
    query = select(tiers.c.limits).join(merchants, merchants.c.tier == tiers.c.name)
    limits = await connection.scalar(query.where(merchants.c.id == merchant_id))
    return NO_TIER if limits is None else _decode(limits)


async def replace_all(connection: AsyncConnection, document: Tiers) -> None:
    """Store these tiers in place of all others."""
    await connection.execute(delete(tiers))
    rows = [{"name": name, "limits": msgspec.json.encode(tier).decode()} for name, tier in document.items()]
    if rows:
        await connection.execute(insert(tiers), rows)


async def assign(connection: AsyncConnection, slug: str, name: str) -> None:
    """Give both sides of a merchant a tier; an empty name takes it away."""
    await connection.execute(update(merchants).where(merchants.c.slug == slug).values(tier=name))


async def exports_in(connection: AsyncConnection, merchant_id: int, month: str) -> int:
    """Return how many exports were made in a month."""
    return int(await connection.scalar(select(export_counts.c.exports).where(*_is(merchant_id, month))) or 0)


async def take_export(connection: AsyncConnection, merchant_id: int, month: str, *, most: int) -> bool:
    """Count an export; return False, and count nothing, where a month has `most` already."""
    await insert_many(
        connection, export_counts, ("merchant_id", "month", "exports"), [(merchant_id, month, 0)], on_conflict="nothing"
    )
    query = update(export_counts).where(*_is(merchant_id, month), export_counts.c.exports < most)
    return (await connection.execute(query.values(exports=export_counts.c.exports + 1))).rowcount == 1


async def give_back_export(connection: AsyncConnection, merchant_id: int, month: str) -> None:
    """Take back an export that was not made."""
    query = update(export_counts).where(*_is(merchant_id, month))
    await connection.execute(query.values(exports=export_counts.c.exports - 1))


def _is(merchant_id: int, month: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return export_counts.c.merchant_id == merchant_id, export_counts.c.month == month
