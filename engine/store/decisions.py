"""The log of decisions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Select, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.connection.bulk import insert_many
from engine.store.connection.purging import Expired
from engine.store.tables import decisions


class DecisionRow(msgspec.Struct, array_like=True):
    """A logged decision; `facts`, `history` and `answer` are JSON texts, times epoch milliseconds.

    `stratum` names the requests with the same bucket, candidates and rules that move the order, if choices are
    learned from. `closes_at` is when its window ends; None once it has, or where nothing is learned from it.
    """

    id: str
    merchant_id: int
    placement: str
    customer: str | None
    decided_at: int
    closes_at: int | None
    plan_version: int
    beliefs_version: int
    bucket: str
    facts: str
    history: str
    answer: str
    stratum: str = ""


COLUMNS = DecisionRow.__struct_fields__
# PostgreSQL fails on a text with it, rather than finding nothing.
NUL = "\0"


async def append(connection: AsyncConnection, rows: Sequence[DecisionRow]) -> None:
    """Insert decisions; one that is there already belongs to a commit whose answer was lost, and stays."""
    await insert_many(connection, decisions, COLUMNS, rows, on_conflict="nothing")


async def replace(connection: AsyncConnection, rows: Sequence[DecisionRow]) -> None:
    """Put rows in the place of rows with the same id, or of nothing."""
    await insert_many(connection, decisions, COLUMNS, rows, on_conflict="replace")


async def _rows(connection: AsyncConnection, query: Select[Any]) -> list[DecisionRow]:
    return [DecisionRow(*row) for row in await connection.execute(query)]


def _all() -> Select[Any]:
    return select(*(decisions.c[name] for name in COLUMNS))


async def by_ids(connection: AsyncConnection, ids: Iterable[str], *, lock: bool = False) -> dict[str, DecisionRow]:
    """Return decisions by id; `lock` holds them until the transaction ends (PostgreSQL; SQLite has one writer)."""
    possible = sorted(id for id in ids if NUL not in id)
    query = _all().where(decisions.c.id.in_(possible)).order_by(decisions.c.id)
    return {row.id: row for row in await _rows(connection, query.with_for_update() if lock else query)}


async def find(connection: AsyncConnection, merchant_id: int, decision_id: str) -> DecisionRow | None:
    row = (await by_ids(connection, [decision_id])).get(decision_id)
    return row if row is not None and row.merchant_id == merchant_id else None


async def newest(
    connection: AsyncConnection,
    merchant_id: int,
    *,
    placement: str | None = None,
    customer: str | None = None,
    before_id: str | None = None,
    limit: int = 50,
) -> list[DecisionRow]:
    """Return the newest decisions first; `before_id` is where the last page ended."""
    query = _all().where(decisions.c.merchant_id == merchant_id)
    if placement is not None:
        query = query.where(decisions.c.placement == placement)
    if customer is not None:
        query = query.where(decisions.c.customer == customer)
    if before_id is not None:
        query = query.where(decisions.c.id < before_id)
    return await _rows(connection, query.order_by(decisions.c.id.desc()).limit(limit))


async def answers_without_past(
    connection: AsyncConnection, merchant_id: int, *, placement: str, bucket: str, limit: int
) -> list[tuple[str, str]]:
    """Return stratum and answer of a bucket's decisions for customers without a past, the newest first.

    Only the newest `limit` decisions of the placement are looked at; those without a stratum are left out.
    """
    c = decisions.c
    inside = (c.merchant_id == merchant_id, c.placement == placement)
    recent = select(c.id).where(*inside).order_by(c.id.desc()).limit(limit).subquery()
    query = (
        select(c.stratum, c.answer)
        .select_from(decisions.join(recent, recent.c.id == c.id))
        .where(c.bucket == bucket, c.stratum != "", c.history == "{}")
        .order_by(c.id.desc())
    )
    return [(row[0], row[1]) for row in await connection.execute(query)]


async def due(connection: AsyncConnection, *, now: int, limit: int) -> list[DecisionRow]:
    """Lock and return decisions whose window has ended, except those that another worker has locked."""
    query = (
        _all()
        .where(decisions.c.closes_at <= now)
        .order_by(decisions.c.closes_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return await _rows(connection, query)


async def still_open(
    connection: AsyncConnection, merchant_id: int, placement: str, *, from_id: str, before_id: str, limit: int
) -> list[DecisionRow]:
    """Return the first decisions between two ids whose window has not ended."""
    query = _all().where(
        decisions.c.merchant_id == merchant_id,
        decisions.c.id >= from_id,
        decisions.c.id < before_id,
        decisions.c.placement == placement,
        decisions.c.closes_at.is_not(None),
    )
    return await _rows(connection, query.order_by(decisions.c.id).limit(limit))


async def last_between(
    connection: AsyncConnection, merchant_id: int, placement: str, *, from_id: str, before_id: str, limit: int
) -> list[DecisionRow]:
    """Return the newest decisions from one id on and before another, the newest first."""
    query = _all().where(
        decisions.c.merchant_id == merchant_id,
        decisions.c.id >= from_id,
        decisions.c.id < before_id,
        decisions.c.placement == placement,
    )
    return await _rows(connection, query.order_by(decisions.c.id.desc()).limit(limit))


async def close(connection: AsyncConnection, ids: Iterable[str]) -> None:
    await connection.execute(update(decisions).where(decisions.c.id.in_(list(ids))).values(closes_at=None))


async def chunk(connection: AsyncConnection, *, after_id: str, limit: int) -> list[DecisionRow]:
    """Return the next decisions of the log, in its order."""
    return await _rows(connection, _all().where(decisions.c.id > after_id).order_by(decisions.c.id).limit(limit))


def expired(*, before_id: str) -> Expired:
    """Return the decisions older than an id, which begins with its time."""
    return Expired(decisions, decisions.c.id < before_id)
