"""Who changed what, when, from what to what; each entry is chained to the one before it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Row, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.actor import Actor
from engine.model.history import ALL_ENTRIES, AuditFilter, ChainedEntry, ChainHead, commitment_of, digest_of
from engine.model.history import Entry as Entry
from engine.store.connection.bulk import insert_many
from engine.store.tables import audit, audit_customers, audit_heads

SALT_BYTES = 16
PAGE = 1_000


class NewEntry(NamedTuple):
    """A change to note; `before` and `after` are anything that encodes as JSON.

    `emergency`: one person did it alone where a second must approve changes. `customer`: the keyed hash of whom the
    entry is about; it and the reason are then kept apart, and go with the customer.
    """

    actor: Actor
    changed_at: int
    action: str
    subject: str
    before: object = None
    after: object = None
    reason: str = ""
    emergency: bool = False
    customer: str = ""


class CustomerNote(NamedTuple):
    """The part of an entry about a customer, stored beside the entry."""

    customer: str
    reason: str
    salt: str


class StoredLink(NamedTuple):
    """An entry as it is stored in the chain: its id, its digest, and what it says about a customer, until erased."""

    id: int
    entry: ChainedEntry
    digest: str
    part: CustomerNote | None


_SHOWN = ("id", "at", "who", "action", "subject", "before", "after", "reason", "emergency")
_CHAINED = ("merchant_id", "number", *_SHOWN[1:], "commitment")
_COLUMNS = (*_CHAINED, "digest")
_PART_COLUMNS = ("merchant_id", "number", *CustomerNote._fields)
_WITH_PARTS = audit.outerjoin(
    audit_customers,
    (audit_customers.c.merchant_id == audit.c.merchant_id) & (audit_customers.c.number == audit.c.number),
)


async def write_many(connection: AsyncConnection, entries: Sequence[NewEntry]) -> list[int]:
    """Note changes in the transaction that makes them; return the entries' ids in order.

    Other transactions that note a change of the same merchant wait until this one ends, so change other rows first.
    """
    ids: list[int] = []
    for merchant_id, own in groupby(entries, key=lambda entry: entry.actor.merchant_id):
        ids += await _append(connection, merchant_id, list(own))
    return ids


async def write(connection: AsyncConnection, entry: NewEntry) -> int:
    """Note a change in the transaction that makes it; return the entry's id."""
    [id] = await write_many(connection, [entry])
    return id


async def _append(connection: AsyncConnection, merchant_id: int, entries: Sequence[NewEntry]) -> list[int]:
    number, digest = await _lock_head(connection, merchant_id)
    rows, parts = [], []
    for new in entries:
        number += 1
        part = CustomerNote(new.customer, new.reason, secrets.token_hex(SALT_BYTES)) if new.customer else None
        if part:
            parts.append((merchant_id, number, *part))
        entry = _chained(merchant_id, number, new, part)
        digest = digest_of(entry, digest)
        rows.append((*entry, digest))
    ids = await insert_many(connection, audit, _COLUMNS, rows, returning="id")
    if parts:
        await insert_many(connection, audit_customers, _PART_COLUMNS, parts)
    head = update(audit_heads).where(audit_heads.c.merchant_id == merchant_id)
    await connection.execute(head.values(number=number, digest=digest))
    return [int(id) for id in ids]


# The update of nothing locks the row, and returns it, in one statement.
_LOCK_HEAD = text("""
    INSERT INTO audit_heads (merchant_id, number, digest) VALUES (:merchant_id, 0, '')
    ON CONFLICT (merchant_id) DO UPDATE SET number = audit_heads.number
    RETURNING number, digest
""")


async def _lock_head(connection: AsyncConnection, merchant_id: int) -> ChainHead:
    result = await connection.execute(_LOCK_HEAD, {"merchant_id": merchant_id})
    return ChainHead(*result.one())


def _chained(merchant_id: int, number: int, new: NewEntry, part: CustomerNote | None) -> ChainedEntry:
    return ChainedEntry(
        merchant_id,
        number,
        new.changed_at,
        new.actor.name,
        new.action,
        new.subject,
        _text(new.before),
        _text(new.after),
        "" if part else new.reason,
        new.emergency,
        commitment_of(*part) if part else "",
    )


async def heads(connection: AsyncConnection) -> dict[int, ChainHead]:
    """Return the end of each merchant's chain."""
    rows = await connection.execute(select(audit_heads))
    return {merchant_id: ChainHead(*rest) for merchant_id, *rest in rows}


async def chain(connection: AsyncConnection, merchant_id: int) -> AsyncIterator[StoredLink]:
    """Yield all entries of a merchant in the order of their numbers."""
    c, p = audit.c, audit_customers.c
    columns = (*(c[name] for name in _CHAINED), *(p[name] for name in CustomerNote._fields), c.digest, c.id)
    query = select(*columns).select_from(_WITH_PARTS).where(c.merchant_id == merchant_id).order_by(c.number).limit(PAGE)
    number = None
    while True:
        following = query if number is None else query.where(c.number > number)
        rows = (await connection.execute(following)).all()
        for row in rows:
            yield _link(row)
        if len(rows) < PAGE:
            return
        number = rows[-1].number


def _link(row: Row[Any]) -> StoredLink:
    *values, digest, id = tuple(row)
    size = len(ChainedEntry._fields)
    part = None if row.salt is None else CustomerNote(*values[size:])
    return StoredLink(id, ChainedEntry(*values[:size]), digest, part)


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
    c, p = audit.c, audit_customers.c
    shown = [func.coalesce(p.reason, c.reason) if name == "reason" else c[name] for name in _SHOWN]
    is_erased = (c.commitment != "") & p.number.is_(None)
    query = select(*shown, is_erased).select_from(_WITH_PARTS).where(c.merchant_id == merchant_id)
    if before_id is not None:
        query = query.where(audit.c.id < before_id)
    query = query.where(*_conditions(narrowed))
    rows: Any = await connection.execute(query.order_by(audit.c.id.desc()).limit(limit))
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
