"""How many units of an experiment a placement sees in a week, and how many buy."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy import ColumnElement, distinct, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.experiment import Unit
from engine.model.timestamps import DAY, first_id_of, moment_of
from engine.store import decisions as logged
from engine.store.outcomes import of_merchant
from engine.store.tables import decisions, outcomes
from engine.store.tables.columns import IdSpan

DAYS = 7
MOST_DECISIONS = 20_000
"""Devices stand only in the facts of decisions, which are read one by one: of the newest ones, so many."""


class Week(NamedTuple):
    """Units of the last seven days, those with an outcome, units a day, and the first decision read (epoch ms)."""

    units: int
    converted: int
    units_a_day: float
    began: int = 0


class WeekQuestion(NamedTuple):
    """A question about a week: its units, those of them with an outcome of the type `event`, since when (epoch ms).

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


async def last_week(
    connection: AsyncConnection, merchant_id: int, placement: str, question: WeekQuestion, *, now: int
) -> Week:
    """Return the activity of the last seven days, or of the days since the first decision in them.

    Devices are those of the newest `MOST_DECISIONS`, over their days.
    """
    first = first_id_of(max(question.since, now - DAYS * DAY))
    if question.unit == "device":
        return await _devices(connection, merchant_id, placement, question, now)
    c, o = decisions.c, outcomes.c
    name, bought_by = (c.customer, o.customer) if question.unit == "customer" else (c.id, o.decision_id)
    query = select(func.count(distinct(name)), func.min(c.id)).where(
        c.merchant_id == merchant_id, c.id >= first, c.placement == placement, name.is_not(None)
    )
    bought = select(func.count(distinct(bought_by))).where(*_succeeded(merchant_id, placement, first, question.event))
    units, first_seen = (await connection.execute(query)).one()
    converted = int((await connection.execute(bought)).scalar_one())
    return _week(int(units), converted, moment_of(first_seen) if first_seen else None, now)


async def purchases(
    connection: AsyncConnection, merchant_id: int, placement: str, *, since: int, limit: int
) -> list[PurchaseDecision]:
    """Return the newest decisions since a time (epoch ms) with an outcome `converted`, the newest first."""
    o = outcomes.c
    query = select(o.decision_id).where(*_succeeded(merchant_id, placement, first_id_of(since), "converted")).distinct()
    ids = (await connection.execute(query.order_by(o.decision_id.desc()).limit(limit))).scalars()
    rows = (await logged.by_ids(connection, merchant_id, ids)).values()
    newest_first = sorted(rows, key=lambda row: row.id, reverse=True)
    return [PurchaseDecision(row.id, row.customer, row.decided_at, row.facts) for row in newest_first]


async def _devices(
    connection: AsyncConnection, merchant_id: int, placement: str, question: WeekQuestion, now: int
) -> Week:
    span = IdSpan(first_id_of(max(question.since, now - DAYS * DAY)), first_id_of(now + DAY))
    rows = await logged.last_between(connection, merchant_id, placement, span, limit=MOST_DECISIONS)
    if not rows:
        return _week(0, 0, None, now)
    succeeded = _succeeded(merchant_id, placement, rows[-1].id, question.event)
    bought = select(outcomes.c.decision_id).where(*succeeded).distinct()
    sold = set((await connection.execute(bought)).scalars())
    devices = {row.id: device for row in rows if (device := question.device_in(row.facts)) is not None}
    converted = {device for id, device in devices.items() if id in sold}
    return _week(len(set(devices.values())), len(converted), rows[-1].decided_at, now)


def _succeeded(merchant_id: int, placement: str, first: str, event: str) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions for the outcomes of a type after the decisions of a placement from an id on."""
    o = outcomes.c
    return of_merchant(merchant_id), o.placement == placement, o.decision_id >= first, o.type == event


def _week(units: int, converted: int, began: int | None, now: int) -> Week:
    days = min(DAYS, max(1.0, (now - began) / DAY)) if began is not None else DAYS
    return Week(units, converted, units / days, began or 0)
