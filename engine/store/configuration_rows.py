"""All resources of a merchant at once, and the revision that moves with every edit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.tables import resources
from engine.store.tables.accounts import merchants


class Mark(NamedTuple):
    """The revision of a configuration; `review`: a second person must approve changes of rules.

    `currency` is the merchant's own.
    """

    revision: int
    review: bool
    currency: str


async def mark(connection: AsyncConnection, merchant_id: int) -> Mark:
    query = select(merchants.c.revision, merchants.c.review, merchants.c.currency).where(merchants.c.id == merchant_id)
    return Mark(*(await connection.execute(query)).one())


async def rows(connection: AsyncConnection, merchant_id: int) -> Sequence[Any]:
    """Everything as it is stored, for `to_resource`."""
    query = (
        select(resources)
        .where(resources.c.merchant_id == merchant_id)
        .order_by(resources.c.kind, resources.c.placement, resources.c.id)
    )
    return (await connection.execute(query)).all()


async def claim(connection: AsyncConnection, merchant_id: int, revision: int) -> bool:
    """Take the next revision, so that nobody else edits from this one; False where somebody already has."""
    result = await connection.execute(
        update(merchants)
        .where(merchants.c.id == merchant_id, merchants.c.revision == revision)
        .values(revision=revision + 1)
    )
    return result.rowcount == 1
