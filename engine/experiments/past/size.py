"""How many units and days an experiment needs, from what the log says of the last week."""

from __future__ import annotations

import math

import msgspec

from bandits.experiments.moments import MetricEstimate
from engine.experiments.comparisons import SizeByMethod, estimate_of_past, estimates_of, size_of, units_needed
from engine.experiments.past.purchases import PastPurchase, capped, caps_of, past_purchases
from engine.experiments.reach import device_in
from engine.model.documents.metric import METRICS
from engine.model.experiment import Experiment, MetricCap, Unit
from engine.model.timestamps import DAY
from engine.store import resources
from engine.store.connection.database import Database
from engine.store.experiments import activity
from engine.store.experiments.activity import PurchaseDecision, Week, WeekQuestion
from engine.store.experiments.sums import UnitTotals

MOST_PURCHASES = 5_000
"""Of more purchases in the week, the newest are read: the mean and spread of so many are known well enough."""


class SizeAnswer(msgspec.Struct, frozen=True):
    """The units and days that an experiment needs, from what the log says of the last week.

    `value` is the primary metric, `spread` the standard deviation of a unit's part in it, in minor units of money and
    milliseconds of time; null where the log does not know them. Purchases above `cap` count as so much.
    """

    conversion: float
    units_a_day: float
    enrolled_a_day: float
    units: SizeByMethod | None
    days: float | None
    value: float | None = None
    spread: float | None = None
    cap: int | None = None


class ExperimentSizes:
    """Computes sizes in advance, for every metric."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def size(self, merchant_id: int, placement: str, experiment: Experiment, *, now: int) -> SizeAnswer:
        """Return what an experiment needs, by the units and outcomes of the last week; raise `NotFound`."""
        question = WeekQuestion(experiment.unit, device_in)
        caps: tuple[MetricCap, ...] = ()
        async with self._database.read() as connection:
            await resources.get(connection, merchant_id, "placement", "", placement)
            week = await activity.last_week(connection, merchant_id, placement, question, now=now)
            if METRICS[experiment.primary].kind == "share":
                question = question._replace(event=METRICS[experiment.primary].measure or "converted")
                own = await activity.last_week(connection, merchant_id, placement, question, now=now)
                estimate = estimate_of_past(own.converted / own.units if own.units else 0.0)
            else:
                since = now - activity.DAYS * DAY
                purchases = await past_purchases(connection, merchant_id, placement, since=since, limit=MOST_PURCHASES)
                if len(purchases) == MOST_PURCHASES:
                    question = question._replace(since=purchases[-1].decision.decided_at)
                own = await activity.last_week(connection, merchant_id, placement, question, now=now)
                caps = caps_of(purchases)
                estimate = _estimate(experiment, purchases, own, caps)
        return _answer(experiment, week, estimate, caps)


def _answer(experiment: Experiment, week: Week, estimate: MetricEstimate, caps: tuple[MetricCap, ...]) -> SizeAnswer:
    conversion, enrolled = week.converted / week.units if week.units else 0.0, week.units_a_day * experiment.share
    size = size_of(experiment, estimate)
    needed = units_needed(size, experiment.method) if size else None
    return SizeAnswer(
        conversion,
        week.units_a_day,
        enrolled,
        SizeByMethod(*size) if size else None,
        needed / enrolled if needed and enrolled else None,
        estimate.value if math.isfinite(estimate.value) else None,
        math.sqrt(estimate.variance) if math.isfinite(estimate.variance) else None,
        next((cap.amount for cap in caps if cap.metric == experiment.primary), None),
    )


def _estimate(
    experiment: Experiment, purchases: list[PastPurchase], week: Week, caps: tuple[MetricCap, ...]
) -> MetricEstimate:
    """Return the primary metric over the units of a span, from the purchases in it."""
    metric = experiment.primary
    measure = metric if any(cap.metric == metric for cap in caps) else METRICS[metric].measure
    by_unit: dict[str, tuple[int, int]] = {}
    for each in purchases:
        unit, values = unit_of(each.decision, experiment.unit), capped(each.measures, caps).get(measure)
        if unit is not None and values is not None and each.decision.decided_at >= week.began:
            times, amount = by_unit.get(unit, (0, 0))
            by_unit[unit] = (times + values[0], amount + values[1])
    rest = UnitTotals(units=max(0, week.units - len(by_unit)))
    totals = sum((UnitTotals.of(*values, 0) for values in by_unit.values()), rest)
    return estimates_of(metric, [totals])[0]


def unit_of(decision: PurchaseDecision, unit: Unit) -> str | None:
    """Return the unit of an experiment that a decision belongs to, None where it has none."""
    match unit:
        case "customer":
            return decision.customer
        case "device":
            return device_in(decision.facts)
        case "decision":
            return decision.id
