"""Compare variants whose shares a bandit moved, by sums over the units of each hour. Pure.

The shares of an hour were decided before it began, so each unit's chance is known exactly, and AIPW scores have the
variants' true means (`bandits.experiments.adaptive`). Nothing is adjusted by the past, and segments are not compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from bandits.experiments.adaptive import (
    LEAST_WEIGHTED_EVENTS,
    SharesPast,
    SharesPeriod,
    adaptive_lift,
    moments_of,
    moved_shares,
    shares_p_value,
    variant_estimate,
    weighted_events,
)
from bandits.experiments.chances import standings
from bandits.experiments.guardrail import is_broken
from bandits.experiments.moments import MetricEstimate, Moments
from bandits.experiments.sequential import precision_for, sequential
from engine.experiments.comparisons import (
    GuardrailState,
    MetricComparison,
    VariantTotals,
    error_share,
    estimates_of,
    finite,
    gain_of,
    has_enough,
    lowest,
    risen,
)
from engine.kernel.experiments.shares import HourlyShares
from engine.model.documents.metric import METRICS, MetricName
from engine.model.experiment import Experiment
from engine.store.experiments.sums import HOURS_A_DAY, SumRow, UnitTotals

COMPARED = frozenset(name for name, metric in METRICS.items() if metric.kind != "ratio")
"""Means per unit; there is no score for a ratio."""


class MovedTraffic(NamedTuple):
    """An experiment's sums of everybody by hour, in the order of the hours, and the shares."""

    experiment: Experiment
    rows: Sequence[SumRow]
    shares: HourlyShares

    def until(self, hour: int) -> MovedTraffic:
        """Return the traffic of the hours until one."""
        return self._replace(rows=[row for row in self.rows if row.hour <= hour])

    @property
    def totals(self) -> VariantTotals:
        """Return the sums of all hours."""
        return VariantTotals.of(self.experiment, self.rows)

    def by_hour(self, metric: MetricName = "conversion") -> Iterator[tuple[int, tuple[UnitTotals, ...]]]:
        """Yield each hour with the sums of its variants that a metric reads."""
        for hour, rows in groupby(self.rows, key=_hour_of):
            yield hour, VariantTotals.of(self.experiment, rows).of_metric(metric)

    def periods(self, metric: MetricName) -> Iterator[tuple[int, SharesPeriod]]:
        """Yield each hour with what the metric needs of it."""
        for hour, totals in self.by_hour(metric):
            columns = np.array([(each.units, *_sums(metric, each)) for each in totals], np.float64).T
            yield hour, SharesPeriod(np.array(self.shares.during(hour)), *columns)

    def expected(self) -> list[float]:
        """Return by variant the share of units that was to be expected, over all hours."""
        units, expected = 0, np.zeros(len(self.experiment.variants))
        for hour, totals in self.by_hour():
            count = sum(each.units for each in totals)
            units, expected = units + count, expected + count * np.array(self.shares.during(hour))
        return (expected / units).tolist() if units else list(self.shares.during(None))

    def has_enough(self, metric: MetricName) -> bool:
        """Return whether all variants have enough units and events for an interval, also by their weights."""
        estimates = estimates_of(metric, self.totals.of_metric(metric))
        if not all(has_enough(metric, estimate) for estimate in estimates) or estimates[0].value <= 0:
            return False
        periods = [period for _, period in self.periods(metric)]
        is_share = METRICS[metric].kind == "share"
        counted = [periods, *([list(map(without_event, periods))] if is_share else [])]
        return min(float(weighted_events(each).min()) for each in counted) >= LEAST_WEIGHTED_EVENTS


def compare_moved(
    traffic: MovedTraffic, *, planned_units: float, metrics: Sequence[MetricName] = ()
) -> list[MetricComparison]:
    """Return every metric of every variant beside the control's; ratios are left out."""
    comparisons = []
    for metric in metrics or traffic.experiment.metrics:
        if metric in COMPARED:
            moments = _moments(period for _, period in traffic.periods(metric))
            is_ready = moments is not None and traffic.has_enough(metric)
            comparisons += _compared(traffic.experiment, metric, moments, planned_units, is_ready=is_ready)
    return comparisons


def guardrails_moved(traffic: MovedTraffic, *, planned_units: float) -> list[GuardrailState]:
    """Return whether each guardrail holds, for each variant."""
    states, rho = [], precision_for(max(planned_units, 1.0))
    for guardrail in traffic.experiment.guardrails:
        moments = _moments(period for _, period in traffic.periods(guardrail.metric))
        tolerated = guardrail.tolerated_percent / 100
        for number, variant in enumerate(traffic.experiment.variants[1:], 1):
            broken = (
                moments is not None
                and traffic.has_enough(guardrail.metric)
                and is_broken(gain_of(guardrail.metric, adaptive_lift(moments, number)), tolerated=tolerated, rho=rho)
            )
            states.append(GuardrailState(guardrail.metric, variant.id, guardrail.tolerated_percent, broken))
    return states


def mismatch_moved(traffic: MovedTraffic) -> float:
    """Return how likely units would come in shares this far from those of their hours."""
    hours = [(traffic.shares.during(hour), [each.units for each in totals]) for hour, totals in traffic.by_hour()]
    if not hours:
        return 1.0
    shares, units = zip(*hours, strict=True)
    return shares_p_value(np.array(shares, np.float64), np.array(units, np.float64))


def days_moved(traffic: MovedTraffic, *, planned_units: float) -> Iterator[tuple[int, list[MetricComparison]]]:
    """Yield each day (epoch days) with the primary metric over all units until its end."""
    past: SharesPast | None = None
    total: Moments | None = None
    metric, rows = traffic.experiment.primary, list(traffic.rows)
    for day, hours in groupby(traffic.periods(metric), key=_day_of):
        moments, past = moments_of((period for _, period in hours), past)
        total = moments if total is None else total + moments
        until = traffic._replace(rows=[row for row in rows if row.hour < (day + 1) * HOURS_A_DAY])
        ready = until.has_enough(metric)
        yield day, _compared(traffic.experiment, metric, total, planned_units, is_ready=ready)


def next_shares(traffic: MovedTraffic) -> dict[str, float] | None:
    """Return by variant the shares of the next hour; None while there is too little to tell."""
    experiment = traffic.experiment
    if not traffic.has_enough(experiment.primary):
        return None
    moments = _moments(period for _, period in traffic.periods(experiment.primary))
    if moments is None:
        return None
    estimates = risen(experiment.primary, _estimates(experiment, moments))
    shares = moved_shares(estimates, floor=experiment.floor)
    return {variant.id: share for variant, share in zip(experiment.variants, shares, strict=True)}


def _compared(
    experiment: Experiment, metric: MetricName, moments: Moments | None, planned_units: float, *, is_ready: bool
) -> list[MetricComparison]:
    """Return a metric of each variant beside the control's; without `is_ready`, without interval."""
    if moments is None:
        return [_unknown(metric, variant.id) for variant in experiment.variants[1:]]
    estimates, share = _estimates(experiment, moments), error_share(experiment)
    chances = standings(risen(metric, estimates)) if is_ready else []
    rho, comparisons = precision_for(max(planned_units, 1.0), share=share), []
    for number, variant in enumerate(experiment.variants[1:], 1):
        lift = sequential(adaptive_lift(moments, number), rho, share=share)
        comparisons.append(
            MetricComparison(
                metric,
                variant.id,
                finite(estimates[0].value),
                finite(estimates[number].value),
                finite(lift.value),
                finite(lowest(metric, lift.low)) if is_ready else None,
                finite(lift.high) if is_ready else None,
                lift.p_value if is_ready else 1.0,
                chances[number].chance_to_win if chances else 0.0,
                chances[number].expected_loss if chances else 0.0,
                is_ready,
            )
        )
    return comparisons


def _unknown(metric: MetricName, variant: str) -> MetricComparison:
    return MetricComparison(metric, variant, None, None, None, None, None, 1.0, 0.0, 0.0, is_ready=False)


def _estimates(experiment: Experiment, moments: Moments) -> list[MetricEstimate]:
    return [variant_estimate(moments, number) for number in range(len(experiment.variants))]


def _moments(periods: Iterable[SharesPeriod]) -> Moments | None:
    all_periods = list(periods)
    return moments_of(all_periods)[0] if all_periods else None


def _sums(metric: MetricName, totals: UnitTotals) -> tuple[float, float]:
    """Return the sum of a metric over units, and that of its squares."""
    match METRICS[metric].kind:
        case "share":
            return totals.converted, totals.converted
        case "count":
            return totals.orders, totals.orders_squared
        case "amount" | "ratio":
            return totals.revenue, totals.revenue_squared


def without_event(period: SharesPeriod) -> SharesPeriod:
    """Return the period with the units that did not convert in the place of those that did."""
    non_events = period.units - period.sums
    return period._replace(sums=non_events, squares=non_events)


def _hour_of(row: SumRow) -> int:
    return row.hour


def _day_of(period: tuple[int, SharesPeriod]) -> int:
    return period[0] // HOURS_A_DAY
