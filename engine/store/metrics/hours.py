"""Sums of metrics by hour, arm of the holdback, and one property of a decision at a time."""

from __future__ import annotations

from typing import Literal, NamedTuple

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.statistics.metric_totals import MetricTotals
from engine.store.connection.purging import Expired
from engine.store.tables import metric_hours

Dimension = Literal["", "cluster", "device", "country", "visit", "candidate", "currency", "delay"]
"""What decisions are told apart by; "" is all of them.

`cluster` is one of 20 groups that customers are spread over by their hash, only in the arms of a holdback. `visit` is
`new`, `returning` or `guest`. `candidate` counts a decision for the candidate that came first, and an outcome for its
own. `currency` has purchases with amounts in that currency, `delay` purchases by half octaves of the time since
`shown`. The others than "", `cluster` and `candidate` have no arms: nothing is compared in them.
"""


class HourCell(NamedTuple):
    """The key of sums; `hour` in epoch hours is that of the decision."""

    merchant_id: int
    placement: str
    dimension: Dimension
    hour: int
    arm: str
    value: str


class HourSpan(NamedTuple):
    """Epoch hours from the first on and before the last, of a merchant's placement."""

    merchant_id: int
    placement: str
    first: int
    last: int


class HourSums(NamedTuple):
    """Sums of an arm and a value of a dimension; `hour` is 0 where hours are added up."""

    hour: int
    arm: str
    value: str
    totals: MetricTotals


async def totals(connection: AsyncConnection, span: HourSpan, dimension: Dimension) -> list[HourSums]:
    """Return the sums of a span by arm and value."""
    c = metric_hours.c
    query = select(c.arm, c.value, *_sums()).where(*_within(span, dimension)).group_by(c.arm, c.value)
    rows = await connection.execute(query.order_by(c.arm, c.value))
    return [HourSums(0, row[0], row[1], MetricTotals(*map(int, row[2:]))) for row in rows]


async def by_hour(connection: AsyncConnection, span: HourSpan) -> list[HourSums]:
    """Return the sums of all decisions in a span by hour and arm."""
    c = metric_hours.c
    query = select(c.hour, c.arm, *_sums()).where(*_within(span, "")).group_by(c.hour, c.arm)
    rows = await connection.execute(query.order_by(c.hour, c.arm))
    return [HourSums(row[0], row[1], "", MetricTotals(*map(int, row[2:]))) for row in rows]


async def decisions_by_placement(connection: AsyncConnection, merchant_id: int, *, first: int) -> dict[str, int]:
    """Return the number of decisions of each placement from an epoch hour on."""
    c = metric_hours.c
    query = select(c.placement, func.sum(c.decisions)).where(
        c.merchant_id == merchant_id, c.dimension == "", c.hour >= first
    )
    return {name: int(count) for name, count in await connection.execute(query.group_by(c.placement))}


def expired(*, before_hour: int) -> Expired:
    """Return the sums of hours before one."""
    return Expired(metric_hours, metric_hours.c.hour < before_hour)


def _within(span: HourSpan, dimension: Dimension) -> list[ColumnElement[bool]]:
    c = metric_hours.c
    return [
        c.merchant_id == span.merchant_id,
        c.placement == span.placement,
        c.dimension == dimension,
        c.hour >= span.first,
        c.hour < span.last,
    ]


def _sums() -> list[ColumnElement[int]]:
    return [func.sum(metric_hours.c[name]) for name in MetricTotals._fields]
