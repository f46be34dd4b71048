"""Drafts: what differs from what is published, and where each placement's draft stands."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Table, delete, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.errors import Stale
from engine.model.history import DraftState
from engine.model.resource_kinds import Kind
from engine.store.connection.bulk import insert_many
from engine.store.resources import decode
from engine.store.tables import draft_changes, drafts

FIRST_REVISION = 1_000_000
"""The first revision of a draft: no version of a published document gets this high.

An editor sends back one number, the document's version or the draft's revision; the range says which of the two it saw.
"""


class DraftRow(NamedTuple):
    """The state of a draft; `publish_at` in epoch milliseconds, `problem` says why it was not published then.

    `asked_person` is the person behind `asked_by`, empty where nobody knows the person of a key.
    """

    state: DraftState = "open"
    reason: str = ""
    asked_by: str = ""
    approved_by: str = ""
    publish_at: int | None = None
    scheduled_by: str = ""
    problem: str = ""
    revision: int = FIRST_REVISION
    asked_person: str = ""


ItemKey = tuple[Kind, str]
"""The kind and the id of what a draft changes."""


class DraftChangeRow(NamedTuple):
    """A document as the draft will have it; without one it will be deleted.

    `authors` are the persons who made the change what it is, the first first.
    """

    id: str
    document: Any
    base_version: int
    revision: int
    changed_by: str
    changed_at: int
    kind: Kind = "rule"
    authors: tuple[str, ...] = ()

    @property
    def key(self) -> ItemKey:
        return self.kind, self.id


class Due(NamedTuple):
    """A draft whose time has come."""

    merchant_id: int
    placement: str
    revision: int
    scheduled_by: str


def _of(table: Table, merchant_id: int, placement: str) -> ColumnElement[bool]:
    return (table.c.merchant_id == merchant_id) & (table.c.placement == placement)


async def head(connection: AsyncConnection, merchant_id: int, placement: str) -> DraftRow:
    """Return the state of the draft; one that nobody ever changed is open."""
    columns = (drafts.c[name] for name in DraftRow._fields)
    row = (await connection.execute(select(*columns).where(_of(drafts, merchant_id, placement)))).first()
    return DraftRow(*row) if row else DraftRow()


async def changes(
    connection: AsyncConnection, merchant_id: int, placement: str, keys: Collection[ItemKey] | None = None
) -> list[DraftChangeRow]:
    """Return what the draft changes, or of that what has these keys, by kind and id."""
    columns = (draft_changes.c[name] for name in DraftChangeRow._fields)
    query = select(*columns).where(_of(draft_changes, merchant_id, placement))
    if keys is not None:
        query = query.where(_among(keys))
    rows = await connection.execute(query.order_by(draft_changes.c.kind, draft_changes.c.id))
    return [_decoded(row) for row in rows]


def _among(keys: Collection[ItemKey]) -> ColumnElement[bool]:
    return tuple_(draft_changes.c.kind, draft_changes.c.id).in_(list(keys))


def _decoded(row: Any) -> DraftChangeRow:
    stored = DraftChangeRow(*row)
    document = None if stored.document is None else decode(stored.kind, stored.document)
    return stored._replace(document=document, authors=tuple(msgspec.json.decode(row.authors, type=list[str])))


async def touch(connection: AsyncConnection, merchant_id: int, placement: str, *, expected: int | None = None) -> int:
    """Take the next revision for a change: whatever was reviewed or scheduled no longer is.

    `Stale` where the draft is not at `expected`. Others wait until the end of this transaction.
    """
    if expected is None:
        await _ensure(connection, merchant_id, placement)
    else:
        await expect(connection, merchant_id, placement, expected)
    back = DraftRow()._asdict() | {"revision": drafts.c.revision + 1}
    change = update(drafts).where(_of(drafts, merchant_id, placement)).values(back).returning(drafts.c.revision)
    revision: int = (await connection.execute(change)).scalar_one()
    return revision


async def _ensure(connection: AsyncConnection, merchant_id: int, placement: str) -> None:
    fresh = {"merchant_id": merchant_id, "placement": placement} | DraftRow()._asdict()
    await insert_many(connection, drafts, tuple(fresh), [tuple(fresh.values())], on_conflict="nothing")


async def put(connection: AsyncConnection, merchant_id: int, placement: str, rows: Sequence[DraftChangeRow]) -> None:
    columns = ("merchant_id", "placement", *DraftChangeRow._fields)
    values = [(merchant_id, placement, *_encoded(row)) for row in rows]
    await insert_many(connection, draft_changes, columns, values, on_conflict="replace")


def _encoded(row: DraftChangeRow) -> DraftChangeRow:
    document = None if row.document is None else msgspec.json.encode(row.document).decode()
    return row._replace(document=document, authors=msgspec.json.encode(row.authors).decode())  # type: ignore[arg-type]


async def drop(connection: AsyncConnection, merchant_id: int, placement: str, keys: Collection[ItemKey]) -> None:
    """Let these be as they are published."""
    if keys:
        await connection.execute(delete(draft_changes).where(_of(draft_changes, merchant_id, placement), _among(keys)))


async def expect(connection: AsyncConnection, merchant_id: int, placement: str, revision: int) -> None:
    """`Stale` where somebody changed the draft meanwhile; nobody else does until the end of this transaction."""
    await _ensure(connection, merchant_id, placement)
    unmoved = update(drafts).where(_of(drafts, merchant_id, placement), drafts.c.revision == revision)
    if (await connection.execute(unmoved.values(revision=revision))).rowcount != 1:
        raise Stale("somebody else changed this draft meanwhile; check it again", field="revision")


async def move_on(connection: AsyncConnection, merchant_id: int, placement: str, row: DraftRow) -> None:
    """Write where the draft stands, without changing what is in it; `Stale` where somebody changed it meanwhile."""
    await expect(connection, merchant_id, placement, row.revision)
    await connection.execute(update(drafts).where(_of(drafts, merchant_id, placement)).values(row._asdict()))


async def clear(connection: AsyncConnection, merchant_id: int, placement: str) -> None:
    """Nothing differs any more: it was published, or the placement goes."""
    await connection.execute(delete(draft_changes).where(_of(draft_changes, merchant_id, placement)))
    await touch(connection, merchant_id, placement)


async def due(connection: AsyncConnection, now: int) -> list[Due]:
    columns = (drafts.c[name] for name in Due._fields)
    query = select(*columns).where(drafts.c.publish_at <= now).order_by(drafts.c.publish_at)
    return [Due(*row) for row in await connection.execute(query)]
