"""Numbers of candidates, which give their colours. A number stays with its candidate, also once that is deleted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.documents.colours import Colours, next_number
from engine.model.resource import Resource
from engine.store.connection.bulk import insert_many
from engine.store.tables import candidate_colours

COLUMNS = ("merchant_id", "placement", "candidate", "number")


async def of_merchant(connection: AsyncConnection, merchant_id: int) -> Colours:
    """Return the numbers by placement and candidate."""
    query = select(candidate_colours).where(candidate_colours.c.merchant_id == merchant_id)
    colours: Colours = {}
    for row in await connection.execute(query):
        colours.setdefault(row.placement, {})[row.candidate] = row.number
    return colours


async def follow(connection: AsyncConnection, merchant_id: int, changes: Iterable[tuple[Resource | None, Any]]) -> None:
    """Number the candidates that (before, after) pairs create, in the merchant's order."""
    created = [after for before, after in changes if before is None and after is not None and after.kind == "candidate"]
    if not created:
        return
    colours, rows = await of_merchant(connection, merchant_id), []
    for resource in sorted(created, key=lambda each: (each.placement, each.document.position, each.id)):
        numbers = colours.setdefault(resource.placement, {})
        if resource.id not in numbers:
            numbers[resource.id] = next_number(numbers)
            rows.append((merchant_id, resource.placement, resource.id, numbers[resource.id]))
    await insert_many(connection, candidate_colours, COLUMNS, rows, on_conflict="nothing")
