"""How many customers a placement sees, and how many buy."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import distinct, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.timestamps import DAY, first_id_of
from engine.store.tables import decisions, outcomes

DAYS = 7


class Week(NamedTuple):
    """Customers of the last seven days, those who bought, and customers a day."""

    units: int
    converted: int
    units_a_day: float


async def last_week(connection: AsyncConnection, merchant_id: int, placement: str, *, now: int) -> Week:
    """Return the activity of the last seven days, or of the days since the first decision in them."""
    first = first_id_of(now - DAYS * DAY)
    c = decisions.c
    inside = (c.merchant_id == merchant_id, c.id >= first, c.placement == placement, c.customer.is_not(None))
    seen = (
        await connection.execute(select(func.count(distinct(c.customer)), func.min(c.decided_at)).where(*inside))
    ).one()
    bought = (
        select(func.count(distinct(c.customer)))
        .select_from(decisions.join(outcomes, outcomes.c.decision_id == c.id))
        .where(*inside, outcomes.c.type == "converted")
    )
    converted = int((await connection.execute(bought)).scalar_one())
    units, began = int(seen[0]), seen[1]
    days = min(DAYS, max(1.0, (now - began) / DAY)) if began is not None else DAYS
    return Week(units, converted, units / days)
