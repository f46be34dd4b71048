"""What merchants edit, as versioned documents: placements, candidates, rules, fields and lists."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal, NamedTuple

import msgspec
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.errors import Conflict, NotFound, Stale
from engine.placement import Candidate, FieldDocument, ListDocument, Placement, RuleDocument
from engine.store.tables import resources

Kind = Literal["placement", "candidate", "rule", "field", "list"]
Document = Placement | Candidate | RuleDocument | FieldDocument | ListDocument

TYPES: dict[Kind, type[Document]] = {
    "placement": Placement,
    "candidate": Candidate,
    "rule": RuleDocument,
    "field": FieldDocument,
    "list": ListDocument,
}


class Resource(NamedTuple):
    """A document with its version, which counts its changes from 1."""

    kind: Kind
    place: str
    id: str
    version: int
    document: Any
    changed_at: int


def to_resource(row: Any) -> Resource:
    document = msgspec.json.decode(row.document, type=TYPES[row.kind])
    return Resource(row.kind, row.place, row.id, row.version, document, row.changed_at)


def _key(merchant_id: int, kind: Kind, place: str, id: str) -> Any:
    c = resources.c
    return (c.merchant_id == merchant_id) & (c.kind == kind) & (c.place == place) & (c.id == id)


async def page(
    connection: AsyncConnection,
    merchant_id: int,
    kind: Kind,
    place: str = "",
    *,
    after: str = "",
    limit: int | None = None,
) -> list[Resource]:
    """Documents of one kind by id, from behind `after`."""
    c = resources.c
    query = (
        select(resources)
        .where(c.merchant_id == merchant_id, c.kind == kind, c.place == place, c.id > after)
        .order_by(c.id)
        .limit(limit)
    )
    return [to_resource(row) for row in await connection.execute(query)]


async def get(connection: AsyncConnection, merchant_id: int, kind: Kind, place: str, id: str) -> Resource:
    """One document; `NotFound` where there is none."""
    row = (await connection.execute(select(resources).where(_key(merchant_id, kind, place, id)))).first()
    if row is None:
        raise NotFound(f"there is no {kind} “{id}”" + (f" in placement “{place}”" if place else ""), field="id")
    return to_resource(row)


async def some(
    connection: AsyncConnection, merchant_id: int, kind: Kind, place: str, ids: Collection[str]
) -> dict[str, Resource]:
    """Those of these documents that there are, by id."""
    c = resources.c
    query = select(resources).where(c.merchant_id == merchant_id, c.kind == kind, c.place == place, c.id.in_(ids))
    return {row.id: to_resource(row) for row in await connection.execute(query)}


async def create(
    connection: AsyncConnection,
    merchant_id: int,
    kind: Kind,
    place: str,
    id: str,
    document: Document,
    *,
    now: int,
) -> Resource:
    """`Conflict` where the id is taken."""
    values = {
        "merchant_id": merchant_id,
        "kind": kind,
        "place": place,
        "id": id,
        "version": 1,
        "document": msgspec.json.encode(document).decode(),
        "changed_at": now,
    }
    try:
        await connection.execute(insert(resources).values(values))
    except IntegrityError:
        raise Conflict(f"there is already a {kind} “{id}”", field="id") from None
    return Resource(kind, place, id, 1, document, now)


async def change(
    connection: AsyncConnection,
    merchant_id: int,
    old: Resource,
    document: Document,
    *,
    version: int,
    now: int,
) -> Resource:
    """Write a document that was edited from `version`; `Stale` where another change came first."""
    key = _key(merchant_id, old.kind, old.place, old.id)
    result = await connection.execute(
        update(resources)
        .where(key, resources.c.version == version)
        .values(version=version + 1, document=msgspec.json.encode(document).decode(), changed_at=now)
    )
    if result.rowcount != 1:
        raise Stale(
            f"{old.kind} “{old.id}” was changed meanwhile: it is at version {old.version}, not {version}",
            field="version",
        )
    return old._replace(version=version + 1, document=document, changed_at=now)


async def remove(connection: AsyncConnection, merchant_id: int, old: Resource, *, version: int) -> None:
    key = _key(merchant_id, old.kind, old.place, old.id)
    result = await connection.execute(delete(resources).where(key, resources.c.version == version))
    if result.rowcount != 1:
        raise Stale(
            f"{old.kind} “{old.id}” was changed meanwhile: it is at version {old.version}, not {version}",
            field="version",
        )
