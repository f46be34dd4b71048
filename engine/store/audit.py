"""Who changed what, when, from what to what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.connection.bulk import insert_many
from engine.store.tables import audit


class Entry(NamedTuple):
    """`before` and `after` are JSON texts, None where there was nothing or is nothing any more."""

    id: int
    at: int
    who: str
    action: str
    subject: str
    before: str | None
    after: str | None


class NewEntry(NamedTuple):
    """`before` and `after` are anything that encodes as JSON."""

    at: int
    who: str
    action: str
    subject: str
    before: object = None
    after: object = None


async def write_many(connection: AsyncConnection, merchant_id: int, entries: Sequence[NewEntry]) -> None:
    """Note changes in the transaction that makes them."""
    columns = ("merchant_id", *NewEntry._fields)
    rows = [(merchant_id, *entry[:4], _text(entry.before), _text(entry.after)) for entry in entries]
    await insert_many(connection, audit, columns, rows)


async def write(
    connection: AsyncConnection,
    merchant_id: int,
    *,
    at: int,
    who: str,
    action: str,
    subject: str,
    before: object = None,
    after: object = None,
) -> int:
    """Note a change in the transaction that makes it; `before` and `after` are anything that encodes as JSON.

    Returns the entry's number.
    """
    entry = await connection.execute(
        insert(audit)
        .values(
            merchant_id=merchant_id,
            at=at,
            who=who,
            action=action,
            subject=subject,
            before=_text(before),
            after=_text(after),
        )
        .returning(audit.c.id)
    )
    number: int = entry.scalar_one()
    return number


def _text(value: object) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


async def get(connection: AsyncConnection, merchant_id: int, entry_id: int) -> Entry | None:
    found = await page(connection, merchant_id, before_id=entry_id + 1, limit=1)
    return found[0] if found and found[0].id == entry_id else None


async def page(
    connection: AsyncConnection,
    merchant_id: int,
    *,
    before_id: int | None = None,
    subject: str = "",
    limit: int = 50,
) -> list[Entry]:
    """The newest entries first, from behind `before_id`, of subjects that contain a text."""
    query = select(
        audit.c.id, audit.c.at, audit.c.who, audit.c.action, audit.c.subject, audit.c.before, audit.c.after
    ).where(audit.c.merchant_id == merchant_id)
    if before_id is not None:
        query = query.where(audit.c.id < before_id)
    if subject:
        query = query.where(audit.c.subject.contains(subject, autoescape=True))
    rows = await connection.execute(query.order_by(audit.c.id.desc()).limit(limit))
    return [Entry(*row) for row in rows]
