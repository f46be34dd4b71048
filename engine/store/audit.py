"""Who changed what, when, from what to what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.actor import Actor
from engine.model.history import ALL_ENTRIES, AuditFilter
from engine.model.history import Entry as Entry
from engine.store.connection.bulk import insert_many
from engine.store.tables import audit


class NewEntry(NamedTuple):
    """A change to note; `before` and `after` are anything that encodes as JSON.

    `emergency`: one person did it alone where a second must approve changes.
    """

    actor: Actor
    changed_at: int
    action: str
    subject: str
    before: object = None
    after: object = None
    reason: str = ""
    emergency: bool = False


_COLUMNS = ("merchant_id", "at", "who", "action", "subject", "before", "after", "reason", "emergency")


def _values(entry: NewEntry) -> tuple[object, ...]:
    actor, changed_at, action, subject, before, after, *rest = entry
    return actor.merchant_id, changed_at, actor.name, action, subject, _text(before), _text(after), *rest


async def write_many(connection: AsyncConnection, entries: Sequence[NewEntry]) -> None:
    """Note changes in the transaction that makes them."""
    await insert_many(connection, audit, _COLUMNS, [_values(entry) for entry in entries])


async def write(connection: AsyncConnection, entry: NewEntry) -> int:
    """Note a change in the transaction that makes it; return the entry's id."""
    [id] = await insert_many(connection, audit, _COLUMNS, [_values(entry)], returning="id")
    return int(id)


def _text(value: object) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


async def get(connection: AsyncConnection, merchant_id: int, entry_id: int) -> Entry | None:
    """Return an entry of the merchant, or None."""
    entries = await page(connection, merchant_id, before_id=entry_id + 1, limit=1)
    return entries[0] if entries and entries[0].id == entry_id else None


async def page(
    connection: AsyncConnection,
    merchant_id: int,
    *,
    before_id: int | None = None,
    narrowed: AuditFilter = ALL_ENTRIES,
    limit: int = 50,
) -> list[Entry]:
    """Return the newest entries first: those older than `before_id` that fit a filter."""
    query = select(audit.c.id, *(audit.c[name] for name in _COLUMNS[1:])).where(audit.c.merchant_id == merchant_id)
    if before_id is not None:
        query = query.where(audit.c.id < before_id)
    query = query.where(*_conditions(narrowed))
    rows = await connection.execute(query.order_by(audit.c.id.desc()).limit(limit))
    return [Entry(*row) for row in rows]


def _conditions(narrowed: AuditFilter) -> Iterator[ColumnElement[bool]]:
    c = audit.c
    if narrowed.subject:
        yield c.subject.contains(narrowed.subject, autoescape=True)
    if narrowed.actor:
        yield c.who == narrowed.actor
    if narrowed.kind:
        yield c.subject.startswith(f"{narrowed.kind} ", autoescape=True)
    if narrowed.since is not None:
        yield c.at >= narrowed.since
    if narrowed.until is not None:
        yield c.at < narrowed.until


async def people(connection: AsyncConnection, merchant_id: int) -> list[str]:
    """Return everybody who has an entry, by name."""
    query = select(audit.c.who).where(audit.c.merchant_id == merchant_id).distinct().order_by(audit.c.who)
    return list((await connection.execute(query)).scalars())


async def last_changed_by(connection: AsyncConnection, merchant_id: int, kind: str, placement: str) -> dict[str, str]:
    """Return who changed each document of a kind in a placement last, by its id."""
    c, end = audit.c, f" in {placement}"
    inside = (c.subject.startswith(f"{kind} ", autoescape=True), c.subject.endswith(end, autoescape=True))
    newest = select(func.max(c.id)).where(c.merchant_id == merchant_id, *inside).group_by(c.subject)
    rows = await connection.execute(select(c.subject, c.who).where(c.id.in_(newest)))
    return {subject.removeprefix(f"{kind} ").removesuffix(end): actor for subject, actor in rows}
