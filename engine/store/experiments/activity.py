"""How many units of an experiment a placement sees in a week, and how many buy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, distinct, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.experiment import Unit
from engine.model.timestamps import DAY, first_id_of
from engine.store.tables import decisions, outcomes

DAYS = 7
MOST_DECISIONS = 20_000
"""Devices stand only in the facts of decisions, which are read one by one: of the newest ones, so many."""


class Week(NamedTuple):
    """Units of the last seven days, those who bought, and units a day."""

    units: int
    converted: int
    units_a_day: float


async def last_week(
    connection: AsyncConnection,
    merchant_id: int,
    placement: str,
    *,
    unit: Unit,
    now: int,
    device_in: Callable[[str], str | None],
) -> Week:
    """Return the activity of the last seven days, or of the days since the first decision in them.

    `device_in` names the device of facts as JSON. Devices are those of the newest `MOST_DECISIONS`, over their days.
    """
    c = decisions.c
    inside = [c.merchant_id == merchant_id, c.id >= first_id_of(now - DAYS * DAY), c.placement == placement]
    if unit == "device":
        return await _devices(connection, inside, now, device_in)
    name = c.customer if unit == "customer" else c.id
    inside.append(name.is_not(None))
    seen = (await connection.execute(select(func.count(distinct(name)), func.min(c.decided_at)).where(*inside))).one()
    bought = (
        select(func.count(distinct(name)))
        .select_from(decisions.join(outcomes, outcomes.c.decision_id == c.id))
        .where(*inside, outcomes.c.type == "converted")
    )
    converted = int((await connection.execute(bought)).scalar_one())
    return _week(int(seen[0]), converted, seen[1], now)


async def _devices(
    connection: AsyncConnection, inside: list[ColumnElement[Any]], now: int, device_in: Callable[[str], str | None]
) -> Week:
    c = decisions.c
    query = select(c.id, c.decided_at, c.facts).where(*inside).order_by(c.id.desc()).limit(MOST_DECISIONS)
    rows = (await connection.execute(query)).all()
    newest = query.subquery()
    bought = (
        select(newest.c.id)
        .select_from(newest.join(outcomes, outcomes.c.decision_id == newest.c.id))
        .where(outcomes.c.type == "converted")
        .distinct()
    )
    sold = set((await connection.execute(bought)).scalars())
    devices = {row.id: device for row in rows if (device := device_in(row.facts)) is not None}
    converted = {device for id, device in devices.items() if id in sold}
    began = rows[-1].decided_at if rows else None
    return _week(len(set(devices.values())), len(converted), began, now)


def _week(units: int, converted: int, began: int | None, now: int) -> Week:
    days = min(DAYS, max(1.0, (now - began) / DAY)) if began is not None else DAYS
    return Week(units, converted, units / days)
