"""Drafts: the rules that differ from the published ones, and where each placement's draft stands."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Table, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.errors import Stale
from engine.model.history import DraftState
from engine.model.placement import RuleDocument
from engine.store.connection.bulk import insert_many
from engine.store.tables import draft_rules, drafts

FIRST_REVISION = 1_000_000
"""The first revision of a draft: no version of a published rule gets this high.

An editor sends back one number, the rule's version or the draft's revision, and the range says which of the two it saw.
"""


class DraftRow(NamedTuple):
    """The state of a draft; `publish_at` in epoch milliseconds, `problem` says why it was not published then."""

    state: DraftState = "open"
    reason: str = ""
    asked_by: str = ""
    approved_by: str = ""
    publish_at: int | None = None
    scheduled_by: str = ""
    problem: str = ""
    revision: int = FIRST_REVISION


class DraftRuleRow(NamedTuple):
    """A rule as the draft will have it; without a document it will be deleted."""

    rule_id: str
    document: RuleDocument | None
    base_version: int
    revision: int
    changed_by: str
    changed_at: int


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


async def rules(
    connection: AsyncConnection, merchant_id: int, placement: str, ids: Collection[str] | None = None
) -> list[DraftRuleRow]:
    """The rules that the draft changes, or those of them with these ids, by id."""
    columns = (draft_rules.c[name] for name in DraftRuleRow._fields)
    query = select(*columns).where(_of(draft_rules, merchant_id, placement)).order_by(draft_rules.c.rule_id)
    if ids is not None:
        query = query.where(draft_rules.c.rule_id.in_(ids))
    return [DraftRuleRow(*row)._replace(document=_decoded(row.document)) for row in await connection.execute(query)]


def _decoded(text: str | None) -> RuleDocument | None:
    return None if text is None else msgspec.json.decode(text, type=RuleDocument)


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


async def put(connection: AsyncConnection, merchant_id: int, placement: str, rows: Sequence[DraftRuleRow]) -> None:
    columns = ("merchant_id", "placement", *DraftRuleRow._fields)
    values = [(merchant_id, placement, id, _encoded(document), *rest) for id, document, *rest in rows]
    await insert_many(connection, draft_rules, columns, values, on_conflict="replace")


def _encoded(document: RuleDocument | None) -> str | None:
    return None if document is None else msgspec.json.encode(document).decode()


async def drop(connection: AsyncConnection, merchant_id: int, placement: str, ids: Collection[str]) -> None:
    """Let these rules be as they are published."""
    among = draft_rules.c.rule_id.in_(ids)
    await connection.execute(delete(draft_rules).where(_of(draft_rules, merchant_id, placement), among))


async def expect(connection: AsyncConnection, merchant_id: int, placement: str, revision: int) -> None:
    """`Stale` where somebody changed the draft meanwhile; nobody else does until the end of this transaction."""
    await _ensure(connection, merchant_id, placement)
    unmoved = update(drafts).where(_of(drafts, merchant_id, placement), drafts.c.revision == revision)
    if (await connection.execute(unmoved.values(revision=revision))).rowcount != 1:
        raise Stale("somebody changed this draft meanwhile; look at it again", field="revision")


async def move_on(connection: AsyncConnection, merchant_id: int, placement: str, row: DraftRow) -> None:
    """Write where the draft stands, without changing what is in it; `Stale` where somebody changed it meanwhile."""
    await expect(connection, merchant_id, placement, row.revision)
    await connection.execute(update(drafts).where(_of(drafts, merchant_id, placement)).values(row._asdict()))


async def clear(connection: AsyncConnection, merchant_id: int, placement: str) -> None:
    """Nothing differs any more: it was published, or the placement goes."""
    await connection.execute(delete(draft_rules).where(_of(draft_rules, merchant_id, placement)))
    await touch(connection, merchant_id, placement)


async def due(connection: AsyncConnection, now: int) -> list[Due]:
    columns = (drafts.c[name] for name in Due._fields)
    query = select(*columns).where(drafts.c.publish_at <= now).order_by(drafts.c.publish_at)
    return [Due(*row) for row in await connection.execute(query)]
