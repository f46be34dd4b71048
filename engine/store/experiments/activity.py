"""How many units of an experiment a placement sees in a week, and how many buy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, distinct, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.experiment import Unit
from engine.model.timestamps import DAY, first_id_of
from engine.store.tables import decisions, outcomes

DAYS = 7
MOST_DECISIONS = 20_000
"""Devices stand only in the facts of decisions, which are read one by one: of the newest ones, so many."""


class Week(NamedTuple):
    """Units of the last seven days, those with an outcome, units a day, and the first decision read (epoch ms)."""

    units: int
    converted: int
    units_a_day: float
    began: int = 0


class Asked(NamedTuple):
    """What is asked of the week: its units, those of them with an outcome of the type `event`, since when (epoch ms).

    `device_in` names the device of facts as JSON.
    """

    unit: Unit
    device_in: Callable[[str], str | None]
    event: str = "converted"
    since: int = 0


class PurchaseDecision(NamedTuple):
    """A decision that led to a purchase; `facts` is JSON."""

    id: str
    customer: str | None
    decided_at: int
    facts: str


async def last_week(connection: AsyncConnection, merchant_id: int, placement: str, asked: Asked, *, now: int) -> Week:
    """Return the activity of the last seven days, or of the days since the first decision in them.

    Devices are those of the newest `MOST_DECISIONS`, over their days.
    """
    c, since = decisions.c, max(asked.since, now - DAYS * DAY)
    inside = [c.merchant_id == merchant_id, c.id >= first_id_of(since), c.placement == placement]
    if asked.unit == "device":
        return await _devices(connection, inside, asked, now)
    name = c.customer if asked.unit == "customer" else c.id
    inside.append(name.is_not(None))
    seen = (await connection.execute(select(func.count(distinct(name)), func.min(c.decided_at)).where(*inside))).one()
    bought = (
        select(func.count(distinct(name)))
        .select_from(decisions.join(outcomes, outcomes.c.decision_id == c.id))
        .where(*inside, outcomes.c.type == asked.event)
    )
    converted = int((await connection.execute(bought)).scalar_one())
    return _week(int(seen[0]), converted, seen[1], now)


async def purchases(
    connection: AsyncConnection, merchant_id: int, placement: str, *, since: int, limit: int
) -> list[PurchaseDecision]:
    """Return the newest decisions since a time (epoch ms) with an outcome `converted`, the newest first."""
    c, first = decisions.c, first_id_of(since)
    bought = exists().where(outcomes.c.decision_id == c.id, outcomes.c.type == "converted")
    inside = (c.merchant_id == merchant_id, c.id >= first, c.placement == placement)
    query = select(c.id, c.customer, c.decided_at, c.facts).where(*inside, bought).order_by(c.id.desc()).limit(limit)
    return [PurchaseDecision(*row) for row in await connection.execute(query)]


async def _devices(connection: AsyncConnection, inside: list[ColumnElement[Any]], asked: Asked, now: int) -> Week:
    c = decisions.c
    query = select(c.id, c.decided_at, c.facts).where(*inside).order_by(c.id.desc()).limit(MOST_DECISIONS)
    rows = (await connection.execute(query)).all()
    newest = query.subquery()
    bought = (
        select(newest.c.id)
        .select_from(newest.join(outcomes, outcomes.c.decision_id == newest.c.id))
        .where(outcomes.c.type == asked.event)
        .distinct()
    )
    sold = set((await connection.execute(bought)).scalars())
    devices = {row.id: device for row in rows if (device := asked.device_in(row.facts)) is not None}
    converted = {device for id, device in devices.items() if id in sold}
    began = rows[-1].decided_at if rows else None
    return _week(len(set(devices.values())), len(converted), began, now)


def _week(units: int, converted: int, began: int | None, now: int) -> Week:
    days = min(DAYS, max(1.0, (now - began) / DAY)) if began is not None else DAYS
    return Week(units, converted, units / days, began or 0)
