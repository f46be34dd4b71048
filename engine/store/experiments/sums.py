"""Sums over the units of experiments, which results are read from."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Table, Text, case, func, literal, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.documents.metric import PURCHASES
from engine.store.tables import experiment_measure_sums, experiment_sums

HOURS_A_DAY = 24


class UnitTotals(NamedTuple):
    """Sums over units: counts, purchases, revenue in minor units, and the products that variances need.

    Of another measure than purchases, `converted` units have any, `orders` is how often and `revenue` the amount.
    """

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

    @classmethod
    def of_measure(cls, times: int, amount: int, past: int) -> UnitTotals:
        """Return the sums over one unit of a measure beside purchases, which count the units and their past."""
        return cls.of(times, amount, past)._replace(units=0, past=0, past_squared=0)

    def with_units_of(self, purchases: UnitTotals) -> UnitTotals:
        """Return the sums of a measure with the units, and their past, of the sums of purchases."""
        return self._replace(units=purchases.units, past=purchases.past, past_squared=purchases.past_squared)

    def minus(self, other: UnitTotals) -> UnitTotals:
        """Return the difference."""
        return UnitTotals(*map(operator.sub, self, other))


class SumRow(NamedTuple):
    """Sums of units of a variant that were first exposed until an hour (epoch hours); the segment "" is everybody.

    The measure "" is purchases; only its rows count units.
    """

    segment: str
    hour: int
    variant: str
    totals: UnitTotals
    measure: str = PURCHASES


class PhaseKey(NamedTuple):
    """A phase of an experiment."""

    merchant_id: int
    placement: str
    experiment: str
    phase: int


MEASURE_FIELDS = tuple(name for name in UnitTotals._fields if name not in ("units", "past", "past_squared"))
"""The sums that other measures have of their own."""


async def by_day(connection: AsyncConnection, key: PhaseKey, *, last_hour: int) -> list[SumRow]:
    """Return the sums of a phase by segment, variant and measure; those of everybody also by day.

    Hours until `last_hour` and later ones are in different rows; `hour` is the latest of a row.
    """
    rows: list[SumRow] = []
    for table in _TABLES:
        c = table.c
        day = case((c.segment == "", c.hour // HOURS_A_DAY), else_=0)
        group = (c.segment, c.variant, *_grouped(table), day, c.hour <= last_hour)
        query = select(c.segment, func.max(c.hour), c.variant, _measure(table), *_added(table))
        rows += map(_row, await connection.execute(query.where(*_within(table, key)).group_by(*group)))
    return sorted(rows)


async def by_hour(connection: AsyncConnection, key: PhaseKey) -> list[SumRow]:
    """Return the sums of everybody in a phase by hour, variant and measure."""
    rows: list[SumRow] = []
    for table in _TABLES:
        c = table.c
        own = [c[name] for name in _fields(table)]
        query = select(c.segment, c.hour, c.variant, _measure(table), *own).where(c.segment == "")
        rows += map(_row, await connection.execute(query.where(*_within(table, key))))
    return sorted(rows)


async def totals(connection: AsyncConnection, key: PhaseKey) -> list[SumRow]:
    """Return the sums of a phase by segment, variant and measure, all hours together under hour 0."""
    rows: list[SumRow] = []
    for table in _TABLES:
        group = (table.c.segment, table.c.variant, *_grouped(table))
        query = select(table.c.segment, literal(0), table.c.variant, _measure(table), *_added(table))
        rows += map(_row, await connection.execute(query.where(*_within(table, key)).group_by(*group)))
    return sorted(rows)


_TABLES = (experiment_sums, experiment_measure_sums)


def _fields(table: Table) -> tuple[str, ...]:
    return UnitTotals._fields if table is experiment_sums else MEASURE_FIELDS


def _measure(table: Table) -> ColumnElement[str]:
    return literal_column("''", Text) if table is experiment_sums else table.c.measure


def _grouped(table: Table) -> list[ColumnElement[str]]:
    """Return the measure to group by: PostgreSQL refuses a constant."""
    return [] if table is experiment_sums else [table.c.measure]


def _added(table: Table) -> list[ColumnElement[Any]]:
    return [func.sum(table.c[name]) for name in _fields(table)]


def _within(table: Table, key: PhaseKey) -> list[ColumnElement[bool]]:
    return [table.c[name] == value for name, value in key._asdict().items()]


def _row(values: Sequence[Any]) -> SumRow:
    """Return a row whose sums are numbers of the columns' kinds: PostgreSQL adds integers up to decimals."""
    segment, hour, variant, measure, *sums = values
    names = UnitTotals._fields if measure == PURCHASES else MEASURE_FIELDS
    plain = {name: _KINDS[name](value) for name, value in zip(names, sums, strict=True)}
    return SumRow(segment, hour, variant, UnitTotals(**plain), measure)


_KINDS = {name: type(value) for name, value in UnitTotals()._asdict().items()}
