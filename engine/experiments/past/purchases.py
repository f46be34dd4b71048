"""What units bought before an experiment: for its size, and for the largest amounts that count in it.

Caps are fixed at the start, from purchases before it, so whatever is looked at later cannot choose them.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from engine.kernel.experiments.measures import CandidateFees, Measured, MeasureTerms, measures_of, paid_order
from engine.learning.credit_settings import Learning
from engine.learning.outcome_effects import counting, measured_outcomes
from engine.model.documents.metric import CAPPED, PURCHASES
from engine.model.experiment import MetricCap
from engine.model.outcome import OutcomeRow
from engine.model.placement import Placement
from engine.model.timestamps import DAY
from engine.store import accounts, outcomes, resources
from engine.store.connection.database import Database
from engine.store.experiments import activity
from engine.store.experiments.activity import PurchaseDecision

CAPPED_SHARE = 0.001
LEAST_VALUES = 100
"""Fewer purchases say nothing of the largest: then nothing is capped."""
CAP_DAYS = 28
MOST_FOR_CAPS = 20_000
CHUNK = 2_000


class PastPurchase(NamedTuple):
    """A decision that led to a purchase, and what it adds to each measure."""

    decision: PurchaseDecision
    measures: Mapping[str, Measured]


class StartTerms(NamedTuple):
    """The purchases that an experiment keeps of the time before its start; the margin is that of the placement."""

    caps: tuple[MetricCap, ...]
    margin_percent: float


async def past_purchases(
    connection: AsyncConnection, merchant_id: int, placement: str, *, since: int, limit: int
) -> list[PastPurchase]:
    """Return the newest decisions of a placement since a time (epoch ms) that led to a purchase, measured uncapped."""
    setup = (await resources.get(connection, merchant_id, "placement", "", placement)).document
    candidates = await resources.page(connection, merchant_id, "candidate", placement)
    fees = [CandidateFees(each.id, each.document.fee_percent, each.document.fee_fixed) for each in candidates]
    currency = await accounts.currency_of(connection, merchant_id)
    rows = await activity.purchases(connection, merchant_id, placement, since=since, limit=limit)
    events: dict[str, list[OutcomeRow]] = {}
    for start in range(0, len(rows), CHUNK):
        events |= await outcomes.of_decisions(connection, [row.id for row in rows[start : start + CHUNK]])
    return await asyncio.to_thread(_measured, setup, currency, fees, rows, events)


async def terms_before(database: Database, merchant_id: int, placement: str, *, now: int) -> StartTerms:
    """Return the terms of an experiment that starts now (epoch ms)."""
    async with database.read() as connection:
        setup = (await resources.get(connection, merchant_id, "placement", "", placement)).document
        since = now - CAP_DAYS * DAY
        purchases = await past_purchases(connection, merchant_id, placement, since=since, limit=MOST_FOR_CAPS)
    return StartTerms(caps_of(purchases), setup.margin_percent)


def caps_of(purchases: Sequence[PastPurchase]) -> tuple[MetricCap, ...]:
    """Return for each metric that is capped the amount that all but the largest thousandth of purchases reach at most.

    With fewer than 1,000 purchases that is the largest amount of all.
    """
    caps = []
    for metric in CAPPED:
        amounts = sorted(each.measures[metric][1] for each in purchases if metric in each.measures)
        if len(amounts) >= LEAST_VALUES:
            largest = amounts[math.ceil((1 - CAPPED_SHARE) * len(amounts)) - 1]
            caps += [MetricCap(metric, largest, len(amounts))] if largest > 0 else []
    return tuple(caps)


def capped(measures: Mapping[str, Measured], caps: Sequence[MetricCap]) -> dict[str, Measured]:
    """Return measures of which no amount exceeds its cap."""
    most = {cap.metric: cap.amount for cap in caps}
    return {name: (times, min(amount, most.get(name, amount))) for name, (times, amount) in measures.items()}  # type: ignore[call-overload]


def _measured(
    setup: Placement,
    currency: str,
    fees: Sequence[CandidateFees],
    rows: Sequence[PurchaseDecision],
    events: Mapping[str, Sequence[OutcomeRow]],
) -> list[PastPurchase]:
    terms = MeasureTerms(frozenset(CAPPED), {}, setup.margin_percent, {each.id: each for each in fees})
    learning, purchases = Learning.of(setup, currency), []
    for row in rows:
        reported = events.get(row.id, [])
        counted = counting(learning, reported)
        order = paid_order(counted, currency)
        measures = measures_of(terms, order, measured_outcomes(reported, counted), currency)
        if order is not None:
            measures[PURCHASES] = (1, order.amount)
        purchases.append(PastPurchase(row, measures))
    return purchases
