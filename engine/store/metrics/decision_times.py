"""How many decisions took how long, by hour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import func, select
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
    query = query.where(
        decision_times.c.merchant_id == span.merchant_id,
        decision_times.c.placement == span.placement,
        decision_times.c.hour >= span.first,
        decision_times.c.hour < span.last,
    )
    return {bin: int(decisions) for bin, decisions in await connection.execute(query)}


def expired(*, before_hour: int) -> Expired:
    """Return the counts of hours before one."""
    return Expired(decision_times, decision_times.c.hour < before_hour)
