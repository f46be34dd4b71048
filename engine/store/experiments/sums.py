"""Sums over the units of experiments, which results are read from."""

from __future__ import annotations

import operator
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.tables import experiment_sums


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
    """Sums of the units of a variant that were first exposed in an hour; the segment "" is everybody."""

    segment: str
    hour: int
    variant: str
    totals: UnitTotals


async def sums(
    connection: AsyncConnection, merchant_id: int, placement: str, experiment: str, *, phase: int, segment: str | None
) -> list[SumRow]:
    """Return the sums of a phase by segment, hour and variant; of one segment, or of all with None."""
    c = experiment_sums.c
    columns = [c[name] for name in ("segment", "hour", "variant", *UnitTotals._fields)]
    query = select(*columns).where(
        c.merchant_id == merchant_id, c.placement == placement, c.experiment == experiment, c.phase == phase
    )
    if segment is not None:
        query = query.where(c.segment == segment)
    rows = await connection.execute(query.order_by(c.segment, c.hour, c.variant))
    return [SumRow(row[0], row[1], row[2], UnitTotals(*row[3:])) for row in rows]
