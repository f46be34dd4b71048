"""Sums over the units of experiments, which results are read from."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.tables import experiment_sums

HOURS_A_DAY = 24


class UnitTotals(NamedTuple):
    """Sums over units: counts, purchases, revenue in minor units, and the products that variances need."""

    units: int = 0
    converted: int = 0
    orders: int = 0
    orders_squared: int = 0
    revenue: int = 0
    revenue_squared: float = 0.0
    orders_revenue: float = 0.0
    past: int = 0
    past_squared: int = 0
    past_converted: int = 0
    past_orders: int = 0
    past_revenue: float = 0.0

    def __add__(self, other: object) -> UnitTotals:
        """Return the sums over the units of both."""
        if not isinstance(other, UnitTotals):
            return NotImplemented
        return UnitTotals(*map(operator.add, self, other))

    @classmethod
    def of(cls, orders: int, revenue: int, past: int) -> UnitTotals:
        """Return the sums over one unit."""
        converted = int(orders > 0)
        return cls(
            1,
            converted,
            orders,
            orders**2,
            revenue,
            float(revenue) ** 2,
            float(orders) * revenue,
            past,
            past**2,
            past * converted,
            past * orders,
            float(past) * revenue,
        )

    def minus(self, other: UnitTotals) -> UnitTotals:
        """Return the difference."""
        return UnitTotals(*map(operator.sub, self, other))


class SumRow(NamedTuple):
    """Sums of units of a variant that were first exposed until an hour (epoch hours); the segment "" is everybody."""

    segment: str
    hour: int
    variant: str
    totals: UnitTotals


class PhaseKey(NamedTuple):
    """A phase of an experiment."""

    merchant_id: int
    placement: str
    experiment: str
    phase: int


async def by_day(connection: AsyncConnection, key: PhaseKey, *, last_hour: int) -> list[SumRow]:
    """Return the sums of a phase by segment and variant; those of everybody also by day.

    Hours until `last_hour` and later ones are in different rows; `hour` is the latest of a row.
    """
    c = experiment_sums.c
    day = case((c.segment == "", c.hour // HOURS_A_DAY), else_=0)
    group = (c.segment, c.variant, day, c.hour <= last_hour)
    query = select(c.segment, func.max(c.hour), c.variant, *_added()).where(*_within(key)).group_by(*group)
    rows = await connection.execute(query)
    return sorted(SumRow(row[0], row[1], row[2], _plain(row[3:])) for row in rows)


async def by_hour(connection: AsyncConnection, key: PhaseKey) -> list[SumRow]:
    """Return the sums of everybody in a phase by hour and variant."""
    c = experiment_sums.c
    columns = [c[name] for name in UnitTotals._fields]
    query = select(c.hour, c.variant, *columns).where(*_within(key), c.segment == "").order_by(c.hour, c.variant)
    return [SumRow("", row[0], row[1], _plain(row[2:])) for row in await connection.execute(query)]


async def totals(connection: AsyncConnection, key: PhaseKey) -> list[SumRow]:
    """Return the sums of a phase by segment and variant, all hours together under hour 0."""
    c = experiment_sums.c
    query = select(c.segment, c.variant, *_added()).where(*_within(key)).group_by(c.segment, c.variant)
    rows = await connection.execute(query.order_by(c.segment, c.variant))
    return [SumRow(row[0], 0, row[1], _plain(row[2:])) for row in rows]


def _added() -> list[ColumnElement[Any]]:
    return [func.sum(experiment_sums.c[name]) for name in UnitTotals._fields]


def _within(key: PhaseKey) -> list[ColumnElement[bool]]:
    return [experiment_sums.c[name] == value for name, value in key._asdict().items()]


def _plain(values: Sequence[Any]) -> UnitTotals:
    """Return sums as the numbers of the columns: PostgreSQL adds integers up to decimals."""
    kinds = [type(value) for value in UnitTotals()]
    return UnitTotals._make(kind(value) for kind, value in zip(kinds, values, strict=True))
