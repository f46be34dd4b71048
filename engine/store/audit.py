"""Who changed what, when, from what to what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.actor import Actor
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
    subject: str = "",
    limit: int = 50,
) -> list[Entry]:
    """Return the newest entries first, those older than `before_id`, with subjects that contain a text."""
    query = select(audit.c.id, *(audit.c[name] for name in _COLUMNS[1:])).where(audit.c.merchant_id == merchant_id)
    if before_id is not None:
        query = query.where(audit.c.id < before_id)
    if subject:
        query = query.where(audit.c.subject.contains(subject, autoescape=True))
    rows = await connection.execute(query.order_by(audit.c.id.desc()).limit(limit))
    return [Entry(*row) for row in rows]
