"""Sums of metrics by hour, arm of the holdback, and one property of a decision at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from sqlalchemy import ColumnElement, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.statistics.metric_totals import HourSums, MetricTotals
from engine.store.connection.purging import Expired
from engine.store.tables import metric_hours

Dimension = Literal["", "cluster", "device", "country", "visit", "candidate", "currency", "delay"]
"""What decisions are told apart by; "" is all of them.

`cluster` is one of 20 groups that customers are spread over by their hash, only in the arms of a holdback. `visit` is
`new`, `returning` or `guest`. `candidate` counts a decision for the candidate that came first, and an outcome for its
own. `currency` has purchases with amounts in that currency, `delay` purchases by half octaves of the time since
`shown`. Only "" and `cluster` have arms: nothing is compared in the others.
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


async def totals(
    connection: AsyncConnection, span: HourSpan, dimension: Dimension, sums: Sequence[str] = MetricTotals._fields
) -> list[HourSums]:
    """Return some of the sums of a span by arm and value; fewer are read faster."""
    c = metric_hours.c
    added = [func.sum(c[name]) for name in sums]
    query = select(c.arm, c.value, *added).where(*_within(span, dimension)).group_by(c.arm, c.value)
    rows = await connection.execute(query.order_by(c.arm, c.value))
    return [
        HourSums(0, row[0], row[1], MetricTotals(**dict(zip(sums, map(int, row[2:]), strict=True)))) for row in rows
    ]


async def by_hour(connection: AsyncConnection, span: HourSpan, *, by_arm: bool = True) -> list[HourSums]:
    """Return the sums of all decisions in a span by hour and arm; those of all arms together unless `by_arm`."""
    c = metric_hours.c
    keys, arm = ((c.hour, c.arm), c.arm) if by_arm else ((c.hour,), literal(""))
    query = select(c.hour, arm, *_sums()).where(*_within(span, "")).group_by(*keys)
    rows = await connection.execute(query.order_by(*keys))
    return [HourSums(row[0], row[1], "", MetricTotals(*map(int, row[2:]))) for row in rows]


async def by_placement(
    connection: AsyncConnection, merchant_id: int, placements: Sequence[str], *, first: int
) -> dict[str, MetricTotals]:
    """Return the sums of some placements from an epoch hour on."""
    c = metric_hours.c
    query = select(c.placement, *_sums()).where(
        c.merchant_id == merchant_id, c.placement.in_(placements), c.dimension == "", c.hour >= first
    )
    rows = await connection.execute(query.group_by(c.placement))
    return {row[0]: MetricTotals(*map(int, row[1:])) for row in rows}


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
