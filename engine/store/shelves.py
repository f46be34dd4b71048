"""All resources of a merchant at once, and the revision that moves with every edit."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.shelf import Shelf
from engine.store.account_tables import merchants
from engine.store.resources import to_resource
from engine.store.tables import resources


async def load(connection: AsyncConnection, merchant_id: int) -> Shelf:
    # The revision first: a change that comes between the two makes the edit try again, never pass unseen.
    one = select(merchants.c.revision, merchants.c.review).where(merchants.c.id == merchant_id)
    revision, review = (await connection.execute(one)).one()
    query = (
        select(resources)
        .where(resources.c.merchant_id == merchant_id)
        .order_by(resources.c.kind, resources.c.place, resources.c.id)
    )
    found = [to_resource(row) for row in await connection.execute(query)]
    return Shelf(found, revision, review=review)


async def claim(connection: AsyncConnection, merchant_id: int, revision: int) -> bool:
    """Take the next revision, so that nobody else edits from this one; False where somebody already has."""
    result = await connection.execute(
        update(merchants)
        .where(merchants.c.id == merchant_id, merchants.c.revision == revision)
        .values(revision=revision + 1)
    )
    return result.rowcount == 1
