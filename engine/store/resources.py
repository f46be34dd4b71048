"""What merchants edit, as versioned documents: placements, candidates, rules, scenarios, fields and lists."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.errors import NotFound
from engine.model.resource import Resource
from engine.model.resource_kinds import KINDS, Document, Kind
from engine.store.connection.bulk import insert_many
from engine.store.tables import resources


def decode(kind: Kind, text: str | bytes) -> Document:
    """A document as it was stored."""
    return msgspec.json.decode(text, type=KINDS[kind].document)


def to_resource(row: Any) -> Resource:
    return Resource(row.kind, row.placement, row.id, row.version, decode(row.kind, row.document), row.changed_at)


def _key(merchant_id: int, kind: Kind, placement: str, id: str) -> Any:
    c = resources.c
    return (c.merchant_id == merchant_id) & (c.kind == kind) & (c.placement == placement) & (c.id == id)


async def page(
    connection: AsyncConnection,
    merchant_id: int,
    kind: Kind,
    placement: str = "",
    *,
    after: str = "",
    limit: int | None = None,
) -> list[Resource]:
    """Documents of one kind by id, from behind `after`."""
    c = resources.c
    query = (
        select(resources)
        .where(c.merchant_id == merchant_id, c.kind == kind, c.placement == placement, c.id > after)
        .order_by(c.id)
        .limit(limit)
    )
    return [to_resource(row) for row in await connection.execute(query)]


async def everywhere(connection: AsyncConnection, kind: Kind) -> list[tuple[int, Resource]]:
    """Return the documents of one kind of all merchants, with the merchant's id."""
    c = resources.c
    rows = await connection.execute(select(resources).where(c.kind == kind).order_by(c.merchant_id, c.placement, c.id))
    return [(row.merchant_id, to_resource(row)) for row in rows]


async def get(connection: AsyncConnection, merchant_id: int, kind: Kind, placement: str, id: str) -> Resource:
    """One document; `NotFound` where there is none."""
    row = (await connection.execute(select(resources).where(_key(merchant_id, kind, placement, id)))).first()
    if row is None:
        raise NotFound(f"there is no {kind} “{id}”" + (f" in placement “{placement}”" if placement else ""), field="id")
    return to_resource(row)


async def some(
    connection: AsyncConnection, merchant_id: int, kind: Kind, placement: str, ids: Collection[str]
) -> dict[str, Resource]:
    """Those of these documents that there are, by id."""
    c = resources.c
    query = select(resources).where(
        c.merchant_id == merchant_id, c.kind == kind, c.placement == placement, c.id.in_(ids)
    )
    return {row.id: to_resource(row) for row in await connection.execute(query)}


async def write(connection: AsyncConnection, merchant_id: int, changes: Iterable[tuple[Resource | None, Any]]) -> None:
    """Store what (before, after) pairs say, by whoever has taken the merchant's next revision."""
    removed_ids: dict[tuple[Kind, str], list[str]] = {}
    rows = []
    for before, after in changes:
        if after is not None:
            document = msgspec.json.encode(after.document).decode()
            rows.append((merchant_id, after.kind, after.placement, after.id, after.version, document, after.changed_at))
        elif before is not None:
            removed_ids.setdefault((before.kind, before.placement), []).append(before.id)
    columns = ("merchant_id", *(name for name in Resource._fields))
    await insert_many(connection, resources, columns, rows, on_conflict="replace")
    c = resources.c
    for (kind, placement), ids in removed_ids.items():
        among = (c.merchant_id == merchant_id) & (c.kind == kind) & (c.placement == placement) & c.id.in_(ids)
        await connection.execute(delete(resources).where(among))
