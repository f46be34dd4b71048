"""The log of outcomes. A server of a merchant reports each `event_id` once, a browser once for each decision."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.outcome import EventKey, Retraction
from engine.model.outcome import OutcomeRow as OutcomeRow
from engine.store.connection.bulk import insert_many
from engine.store.connection.purging import Expired, with_keys
from engine.store.tables import outcomes

COLUMNS = OutcomeRow.__struct_fields__


def of_merchant(merchant_id: int) -> ColumnElement[bool]:
    """Return the condition of a merchant for a query by decisions.

    SQLite has no statistics and would read all outcomes of the merchant. It uses no index for a sum.
    """
    return outcomes.c.merchant_id + 0 == merchant_id


async def append_new(connection: AsyncConnection, rows: Sequence[OutcomeRow]) -> set[EventKey]:
    """Insert the events that were not there yet; return their keys."""
    inserted: set[EventKey] = set()
    for merchant_id, group in _by_merchant(rows).items():
        new = await insert_many(
            connection, outcomes, COLUMNS, group, on_conflict="nothing", returning="space || ' ' || event_id"
        )
        inserted.update(_key(merchant_id, text) for text in new)
    return inserted


def _key(merchant_id: int, text: str) -> EventKey:
    """Return the key of an inserted row from its space and event id; neither contains a blank."""
    space, _, event_id = text.partition(" ")
    return merchant_id, space, event_id


async def stored(connection: AsyncConnection, rows: Sequence[OutcomeRow]) -> dict[EventKey, OutcomeRow]:
    """Return what is stored under the events of some rows."""
    by_key: dict[EventKey, OutcomeRow] = {}
    for merchant_id, group in _by_merchant(rows).items():
        query = _all().where(
            outcomes.c.merchant_id == merchant_id,
            outcomes.c.space.in_({row.space for row in group}),
            outcomes.c.event_id.in_({row.event_id for row in group}),
        )
        for values in await connection.execute(query):
            row = OutcomeRow(*values)
            by_key[row.key] = row
    return by_key


def _by_merchant(rows: Sequence[OutcomeRow]) -> dict[int, list[OutcomeRow]]:
    """Return the rows by merchant, in the order of their ids, in which all writers take them."""
    groups: defaultdict[int, list[OutcomeRow]] = defaultdict(list)
    for row in rows:
        groups[row.merchant_id].append(row)
    return dict(sorted(groups.items()))


def _all() -> Select[Any]:
    return select(*(outcomes.c[name] for name in COLUMNS))


async def of_decisions(connection: AsyncConnection, ids: Iterable[str]) -> dict[str, list[OutcomeRow]]:
    """Return the outcomes of some decisions, each in the order of time, and of arrival where times are equal."""
    query = _all().where(outcomes.c.decision_id.in_(list(ids))).order_by(outcomes.c.occurred_at, outcomes.c.seq)
    by_decision: defaultdict[str, list[OutcomeRow]] = defaultdict(list)
    for row in await connection.execute(query):
        by_decision[row.decision_id].append(OutcomeRow(*row))
    return by_decision


async def without_decision(connection: AsyncConnection, *, after: int, limit: int) -> list[tuple[int, OutcomeRow]]:
    """Return purchases that no decision led to, with their numbers in order of arrival."""
    query = (
        select(outcomes.c.seq, *(outcomes.c[name] for name in COLUMNS))
        .where(outcomes.c.decision_id.is_(None), outcomes.c.seq > after)
        .order_by(outcomes.c.seq)
        .limit(limit)
    )
    return [(seq, OutcomeRow(*row)) for seq, *row in await connection.execute(query)]


async def retractable(connection: AsyncConnection, retraction: Retraction) -> list[int]:
    """Return the numbers of the outcomes that a retraction takes out, in order. This reads all of the merchant."""
    query = select(outcomes.c.seq).where(
        outcomes.c.merchant_id == retraction.merchant_id,
        outcomes.c.source == retraction.source,
        outcomes.c.recorded_at >= retraction.since,
        outcomes.c.recorded_at < retraction.until,
    )
    if retraction.key_id is not None:
        query = query.where(outcomes.c.key_id == retraction.key_id)
    return list((await connection.execute(query.order_by(outcomes.c.seq))).scalars())


async def numbered(connection: AsyncConnection, numbers: Sequence[int]) -> list[OutcomeRow]:
    """Return the outcomes with some numbers, in order; those that are gone are left out."""
    rows = await connection.execute(_all().where(outcomes.c.seq.in_(numbers)).order_by(outcomes.c.seq))
    return [OutcomeRow(*row) for row in rows]


async def remove(connection: AsyncConnection, rows: Sequence[OutcomeRow]) -> None:
    """Delete outcomes."""
    for merchant_id, group in _by_merchant(rows).items():
        keys = [(row.space, row.event_id) for row in group]
        some = with_keys([outcomes.c.space, outcomes.c.event_id], keys)
        await connection.execute(delete(outcomes).where(outcomes.c.merchant_id == merchant_id, some))


def expired(*, before: int, before_id: str) -> Expired:
    """Return the outcomes of decisions older than an id, and purchases without a decision from before an instant.

    An outcome is deleted with its decision, whatever time it names, because sums are made from both.
    """
    alone = outcomes.c.decision_id.is_(None) & (outcomes.c.occurred_at < before)
    return Expired(outcomes, or_(alone, outcomes.c.decision_id < before_id))


def expired_alone(merchant_id: int, *, before: int) -> Expired:
    """Return the purchases of a merchant from before an instant that no decision led to."""
    c = outcomes.c
    return Expired(outcomes, (c.merchant_id == merchant_id) & c.decision_id.is_(None) & (c.occurred_at < before))
