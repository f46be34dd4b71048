"""Mails that wait to be sent, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, case, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.mailing.mail import Mail, MailFault, MailState, MailSummary
from engine.store.connection.bulk import insert_many
from engine.store.connection.purging import Expired
from engine.store.tables import mails

_table = mails


async def add(connection: AsyncConnection, rows: Sequence[Mail]) -> None:
    """Store mails; one that is stored already stays as it is."""
    await insert_many(connection, _table, Mail._fields, [tuple(row) for row in rows], on_conflict="nothing")


async def claim(connection: AsyncConnection, *, now: int, until: int, limit: int) -> list[Mail]:
    """Return mails that are due, the longest first, and keep others from them until an instant (epoch ms)."""
    query = select(_table.c.id).where(*_is_due(now)).order_by(_table.c.next_at, _table.c.id).limit(limit)
    ids = list((await connection.execute(query)).scalars())
    taking = update(_table).where(_table.c.id.in_(ids), *_is_due(now)).values(next_at=until)
    taken = list((await connection.execute(taking.returning(_table.c.id))).scalars())
    full = _select().where(_table.c.id.in_(taken)).order_by(_table.c.subject, _table.c.period, _table.c.id)
    return [Mail(*row) for row in await connection.execute(full)]


async def note(
    connection: AsyncConnection, mail: Mail, state: MailState, *, now: int, next_at: int, fault: MailFault
) -> None:
    """Store what became of an attempt; do nothing if the mail was deleted meanwhile."""
    values: dict[str, Any] = {"state": state, "attempts": mail.attempts + 1, "next_at": next_at, "fault": fault}
    values["sent_at"] = now if state == "sent" else None
    await connection.execute(update(_table).where(_table.c.id == mail.id).values(values))


async def release(connection: AsyncConnection, ids: Sequence[str], *, now: int) -> None:
    """Make claimed mails due again that nobody tried."""
    await connection.execute(update(_table).where(_table.c.id.in_(ids)).values(next_at=now))


async def remove_waiting(connection: AsyncConnection, merchant_id: int, subject: str) -> None:
    """Delete the mails about a subject that were not sent yet."""
    of_subject = (_table.c.merchant_id == merchant_id, _table.c.subject == subject, _table.c.state == "waiting")
    await connection.execute(delete(_table).where(*of_subject))


async def has_waiting(connection: AsyncConnection, merchant_id: int, subject: str, kind: str) -> bool:
    """Return whether a mail of a kind about a subject waits."""
    of_subject = (_table.c.merchant_id == merchant_id, _table.c.subject == subject, _table.c.kind == kind)
    query = select(_table.c.id).where(*of_subject, _table.c.state == "waiting").limit(1)
    return (await connection.execute(query)).first() is not None


async def summaries(connection: AsyncConnection, merchant_id: int, *, kind: str) -> dict[str, MailSummary]:
    """Return how the mails of a kind do, by their subject."""
    c = _table.c
    is_delayed = (c.state == "waiting") & (c.attempts > 0)
    of_kind = (c.merchant_id == merchant_id, c.kind == kind)
    query = select(
        c.subject,
        func.max(c.sent_at),
        func.count(case((is_delayed, 1))),
        func.min(case((is_delayed, c.next_at))),
    )
    rows = await connection.execute(query.where(*of_kind).group_by(c.subject))
    by_subject = {row[0]: MailSummary(row[1], delayed=row[2], next_at=row[3]) for row in rows}
    newest = select(c.subject, func.max(c.period).label("period")).where(*of_kind).group_by(c.subject).subquery()
    last = select(c.subject, c.state, c.fault).where(*of_kind, c.fault != "")
    last = last.join(newest, (newest.c.subject == c.subject) & (newest.c.period == c.period))
    for subject, state, fault in await connection.execute(last.order_by(c.id)):
        before = by_subject[subject]
        by_subject[subject] = before._replace(failed=before.failed + (state == "failed"), fault=fault)
    return by_subject


def expired(*, before: int) -> Expired:
    """Return the mails that were made before a time."""
    return Expired(_table, _table.c.created_at < before)


def expired_of(merchant_id: int, *, before: int) -> Expired:
    """Return the mails of a merchant from before a time, except those that wait to be sent."""
    is_over = (_table.c.state != "waiting") & (_table.c.created_at < before)
    return Expired(_table, (_table.c.merchant_id == merchant_id) & is_over)


def _is_due(now: int) -> tuple[ColumnElement[bool], ...]:
    return (_table.c.state == "waiting", _table.c.next_at <= now)


def _select() -> Select[Any]:
    return select(*(_table.c[name] for name in Mail._fields))
