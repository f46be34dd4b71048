"""How many decisions took how long, by hour."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.connection.bulk import insert_many
from engine.store.connection.purging import Expired
from engine.store.metrics.hours import HourSpan
from engine.store.tables import decision_times


class DurationCell(NamedTuple):
    """Decisions of a placement in an epoch hour whose durations are in a bin."""

    merchant_id: int
    placement: str
    hour: int
    bin: int


async def add(connection: AsyncConnection, counts: Mapping[DurationCell, int]) -> None:
    """Add counts to those that are stored."""
    rows = [(*cell, count) for cell, count in sorted(counts.items())]
    await insert_many(connection, decision_times, (*DurationCell._fields, "decisions"), rows, on_conflict="add")


async def counts(connection: AsyncConnection, span: HourSpan) -> dict[int, int]:
    """Return the decisions of a span by bin."""
    query = select(decision_times.c.bin, func.sum(decision_times.c.decisions)).group_by(decision_times.c.bin)
    return {bin: int(decisions) for bin, decisions in await connection.execute(query.where(*_within(span)))}


async def by_hour(connection: AsyncConnection, span: HourSpan) -> dict[int, dict[int, int]]:
    """Return the decisions of a span by epoch hour and bin, the oldest hour first."""
    c, hours = decision_times.c, defaultdict[int, dict[int, int]](dict)
    query = select(c.hour, c.bin, c.decisions).where(*_within(span)).order_by(c.hour, c.bin)
    for hour, bin, decisions in await connection.execute(query):
        hours[hour][bin] = int(decisions)
    return dict(hours)


def _within(span: HourSpan) -> list[ColumnElement[bool]]:
    c = decision_times.c
    return [
        c.merchant_id == span.merchant_id,
        c.placement == span.placement,
        c.hour >= span.first,
        c.hour < span.last,
    ]


def expired(*, before_hour: int) -> Expired:
    """Return the counts of hours before one."""
    return Expired(decision_times, decision_times.c.hour < before_hour)
