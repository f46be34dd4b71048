"""Compare the variants of an experiment by the sums over their units. Pure.

Each metric's sums give its estimate (`bandits.experiments.moments`); purchases before the exposure are a covariate of
the metrics per unit (CUPED). Intervals hold at every look, or once where the method is `fixed`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from bandits.experiments.chances import standings
from bandits.experiments.comparison import DifferenceInterval, lift_of, welch
from bandits.experiments.guardrail import is_broken
from bandits.experiments.mismatch import FALSE_STOPS, mismatch_p_values
from bandits.experiments.moments import MetricEstimate, Moments, adjusted_means, mean_of, ratio_of
from bandits.experiments.normal import two_sided
from bandits.experiments.past import agrees, allowed_error, with_past
from bandits.experiments.sequential import LEAST_AMOUNTS, LEAST_EVENTS, is_ready, precision_for, sequential
from bandits.experiments.size import Goal, Size, binary_goal, size_for
from engine.experiments.looks.schedule import bound_of
from engine.model.documents.metric import METRICS, PURCHASES, MetricName, better_by
from engine.model.experiment import LOOKS, Experiment, LogEstimate, Method
from engine.store.experiments.sums import SumRow, UnitTotals

CONFIDENCE = 0.95


class MetricComparison(msgspec.Struct, frozen=True):
    """A metric of a variant beside the control's; `lift`, `low` and `high` are relative changes, 0.02 is +2%.

    `is_ready` is false while there are too few units or events for an interval; NaN is sent as null.
    """

    metric: MetricName
    variant: str
    control_value: float | None
    value: float | None
    lift: float | None
    low: float | None
    high: float | None
    p_value: float
    chance_to_win: float
    expected_loss: float
    is_ready: bool

    @property
    def is_better(self) -> bool:
        """Return whether the variant is certainly better than the control: lower where less is better."""
        bound = self.high if METRICS[self.metric].falls else self.low
        return self.is_ready and bound is not None and better_by(self.metric, bound) > 0

    @property
    def is_worse(self) -> bool:
        """Return whether the variant is certainly worse than the control."""
        bound = self.low if METRICS[self.metric].falls else self.high
        return self.is_ready and bound is not None and better_by(self.metric, bound) < 0


class SizeByMethod(msgspec.Struct, frozen=True):
    """Units in all variants together that an experiment needs, by its method."""

    fixed: int
    group_sequential: int
    sequential: int


class GuardrailState(msgspec.Struct, frozen=True):
    """Whether a variant certainly loses more of a metric than is tolerated."""

    metric: MetricName
    variant: str
    tolerated_percent: float
    is_broken: bool


class VariantTotals(NamedTuple):
    """Sums over units by variant, in the order of the variants: `by_variant` of purchases, `others` by measure."""

    names: tuple[str, ...]
    by_variant: tuple[UnitTotals, ...]
    others: Mapping[str, tuple[UnitTotals, ...]] = {}

    @classmethod
    def of(cls, experiment: Experiment, rows: Iterable[SumRow]) -> VariantTotals:
        """Add up rows; variants without units are zero."""
        names = tuple(variant.id for variant in experiment.variants)
        sums: dict[str, dict[str, UnitTotals]] = {PURCHASES: dict.fromkeys(names, UnitTotals())}
        for row in rows:
            measure = sums.setdefault(row.measure, dict.fromkeys(names, UnitTotals()))
            if row.variant in measure:
                measure[row.variant] += row.totals
        purchases = tuple(sums.pop(PURCHASES).values())
        return cls(names, purchases, {name: tuple(each.values()) for name, each in sums.items()})

    def plus(self, other: VariantTotals) -> VariantTotals:
        """Return the sums over the units of both."""
        names, none = self.others.keys() | other.others.keys(), (UnitTotals(),) * len(self.names)
        others = {name: _added(self.others.get(name, none), other.others.get(name, none)) for name in names}
        return VariantTotals(self.names, _added(self.by_variant, other.by_variant), others)

    def of_metric(self, metric: MetricName) -> tuple[UnitTotals, ...]:
        """Return the sums that a metric is estimated from; revenue is capped where a cap was set."""
        measure = metric if metric in self.others else METRICS[metric].measure
        if measure == PURCHASES:
            return self.by_variant
        none = (UnitTotals(),) * len(self.names)
        pairs = zip(self.others.get(measure, none), self.by_variant, strict=True)
        return tuple(each.with_units_of(purchases) for each, purchases in pairs)

    @property
    def units(self) -> int:
        """Return the number of units in all variants."""
        return sum(totals.units for totals in self.by_variant)


def _added(first: Sequence[UnitTotals], second: Sequence[UnitTotals]) -> tuple[UnitTotals, ...]:
    return tuple(map(operator.add, first, second))


def estimates_of(metric: MetricName, totals: Sequence[UnitTotals]) -> list[MetricEstimate]:
    """Return the estimate of a metric for each variant."""
    moments = [_moments(metric, each) for each in totals]
    if any(each.n < 2 for each in moments):
        return [MetricEstimate(math.nan, math.nan, each.n) for each in moments]
    if METRICS[metric].kind == "ratio":
        return [ratio_of(each) for each in moments]
    if sum(each.totals[1] for each in moments) == 0:
        return [mean_of(each) for each in moments]
    return adjusted_means(moments)


def compare(
    experiment: Experiment,
    totals: VariantTotals,
    *,
    planned_units: float,
    metrics: Sequence[MetricName] | None = None,
    has_chances: bool = True,
    look: int = LOOKS,
) -> list[MetricComparison]:
    """Return every metric of every variant beside the control's; the primary metric comes first.

    Without chances, `chance_to_win` and `expected_loss` are 0. What the log said before the start counts for the
    primary metric where the experiment says so. `look` is the number of a group-sequential experiment's look; before
    the first, nothing is ready.
    """
    comparisons = []
    for metric in metrics or experiment.metrics:
        estimates = estimates_of(metric, totals.of_metric(metric))
        is_defined = all(math.isfinite(estimate.value) and estimate.error > 0 for estimate in estimates)
        # A relative change of a loss says nothing.
        is_defined = is_defined and estimates[0].value > 0
        chances = standings(risen(metric, estimates)) if is_defined and has_chances else []
        for index in range(1, len(estimates)):
            past = past_of(experiment, metric, totals.names[index])
            comparison = _difference(experiment, (estimates[0], estimates[index]), planned_units, past, look)
            ready = look > 0 and is_defined and all(has_enough(metric, estimates[number]) for number in (0, index))
            comparisons.append(
                MetricComparison(
                    metric,
                    totals.names[index],
                    finite(estimates[0].value),
                    finite(estimates[index].value),
                    finite(comparison.value),
                    finite(lowest(metric, comparison.low)) if ready else None,
                    finite(comparison.high) if ready else None,
                    comparison.p_value if ready else 1.0,
                    chances[index].chance_to_win if chances else 0.0,
                    chances[index].expected_loss if chances else 0.0,
                    ready,
                )
            )
    return comparisons


def guardrails(experiment: Experiment, totals: VariantTotals, *, planned_units: float) -> list[GuardrailState]:
    """Return whether each guardrail holds, for each variant; looks may be as many as one likes."""
    states = []
    rho = precision_for(max(planned_units, 1.0))
    for guardrail in experiment.guardrails:
        estimates = estimates_of(guardrail.metric, totals.of_metric(guardrail.metric))
        for index in range(1, len(estimates)):
            ready = all(has_enough(guardrail.metric, estimates[number]) for number in (0, index))
            lift = gain_of(guardrail.metric, lift_of(estimates[0], estimates[index]))
            broken = ready and is_broken(lift, tolerated=guardrail.tolerated_percent / 100, rho=rho)
            states.append(GuardrailState(guardrail.metric, totals.names[index], guardrail.tolerated_percent, broken))
    return states


def mismatch_p_value(experiment: Experiment, rows: Sequence[SumRow]) -> float:
    """Return how likely units would arrive in shares this far from the split, valid at every look."""
    split = [variant.weight for variant in experiment.variants]
    names = [variant.id for variant in experiment.variants]
    counts: dict[str, list[int]] = {}
    for row in rows:
        if row.segment and row.variant in names:
            counts.setdefault(row.segment, [0] * len(names))[names.index(row.variant)] += row.totals.units
    if not counts:
        return 1.0
    largest = sorted(counts.values(), key=sum, reverse=True)[:20]
    return float(mismatch_p_values(np.array(largest, np.float64), split))


def has_mismatch(p_value: float) -> bool:
    """Return whether the split is denied; at most 1% of healthy experiments ever come here."""
    return p_value < FALSE_STOPS


def size_of(experiment: Experiment, metric: MetricEstimate) -> Size | None:
    """Return the units that all variants need together, from the control's metric; None where it is not known."""
    effect = experiment.minimum_effect_percent / 100
    if not math.isfinite(metric.value) or metric.value <= 0 or not math.isfinite(metric.variance):
        return None
    if METRICS[experiment.primary].kind == "share":
        if metric.value * (1 + effect) >= 1:
            return None
        goal = binary_goal(metric.value, effect, share=error_share(experiment))
    else:
        goal = Goal(metric.value * effect, metric.variance, share=error_share(experiment))
    if goal.variance <= 0:
        return None
    control, *others = (variant.weight for variant in experiment.variants)
    smallest = min(others)
    scale = sum(variant.weight for variant in experiment.variants) / (control + smallest)
    try:
        return Size(*(math.ceil(units * scale) for units in size_for(goal, (control, smallest))))
    except (OverflowError, ZeroDivisionError):
        # An effect or a share so small that no number of units is enough.
        return None


def units_needed(size: Size | SizeByMethod, method: Method) -> int:
    """Return the units that a method needs."""
    return {"sequential": size.sequential, "group_sequential": size.group_sequential, "fixed": size.fixed}[method]


def estimate_of_past(conversion: float) -> MetricEstimate:
    """Return the metric whose rate is known from the log, for a plan; it has no units of its own."""
    return MetricEstimate(conversion, conversion * (1 - conversion), 0)


def past_of(experiment: Experiment, metric: MetricName, variant: str) -> LogEstimate | None:
    """Return what the log said of a variant before the start, with the error that counts; None where it does not."""
    if metric != experiment.primary or experiment.method != "sequential" or not experiment.counts_log:
        return None
    estimate = next((each for each in experiment.status.log if each.variant == variant), None)
    if estimate is None:
        return None
    error = allowed_error(estimate.error, experiment.minimum_effect_percent / 100)
    return msgspec.structs.replace(estimate, error=error)


def _difference(
    experiment: Experiment,
    pair: tuple[MetricEstimate, MetricEstimate],
    planned_units: float,
    past: LogEstimate | None,
    look: int,
) -> DifferenceInterval:
    """Compare the control and a variant by the experiment's method."""
    control, variant = pair
    lift = lift_of(control, variant)
    if not math.isfinite(lift.value) or not lift.error > 0:
        return DifferenceInterval(lift.value, math.nan, math.nan, 1.0)
    share = error_share(experiment)
    if past is not None and agrees(lift, past.lift, past.error):
        lift = with_past(lift, past.lift, past.error)
    if experiment.method == "sequential":
        return sequential(lift, precision_for(max(planned_units, 1.0), share=share), share=share)
    if experiment.method == "group_sequential":
        return group_interval(lift, bound_of(max(look, 1), share), share=share)
    difference = welch(control, variant, share=share)
    return DifferenceInterval(
        lift.value, difference.low / control.value, difference.high / control.value, difference.p_value
    )


def group_interval(lift: MetricEstimate, bound: float, *, share: float) -> DifferenceInterval:
    """Return a lift with the interval of a look; the p-value falls below `share` where the bound is crossed."""
    margin = bound * lift.error
    p_value = min(1.0, two_sided(lift.value / lift.error) * share / two_sided(bound))
    return DifferenceInterval(lift.value, lift.value - margin, lift.value + margin, p_value)


def error_share(experiment: Experiment) -> float:
    """Return the chance of error of each interval: all variants together keep 5%."""
    return (1 - CONFIDENCE) / (len(experiment.variants) - 1)


def has_enough(metric: MetricName, estimate: MetricEstimate) -> bool:
    """Return whether a variant has enough units and events for an interval."""
    if not math.isfinite(estimate.value):
        return False
    return is_ready(estimate, binary=METRICS[metric].kind == "share", least=least_events(metric))


def least_events(metric: MetricName) -> int:
    """Return the events that each variant needs for an interval: amounts have longer tails than counts."""
    return LEAST_AMOUNTS if METRICS[metric].kind in ("amount", "ratio") else LEAST_EVENTS


def lowest(metric: MetricName, low: float) -> float:
    """Return the lower end of a change: nothing but a margin falls by more than all of it."""
    return low if metric == "margin" else max(low, -1.0)


def gain_of(metric: MetricName, lift: MetricEstimate) -> MetricEstimate:
    """Return a change with its sign turned where less is better."""
    return MetricEstimate(better_by(metric, lift.value), lift.variance, lift.n)


def risen(metric: MetricName, estimates: Sequence[MetricEstimate]) -> list[MetricEstimate]:
    """Return estimates of which the highest is the best."""
    return [gain_of(metric, estimate) for estimate in estimates]


def _moments(metric: MetricName, totals: UnitTotals) -> Moments:
    """Return the sums of a metric with its covariate, or with its denominator."""
    past = (totals.past, totals.past_squared)
    match METRICS[metric].kind:
        case "share":
            return _pair(totals, (totals.converted, totals.converted), past, totals.past_converted)
        case "count":
            return _pair(totals, (totals.orders, totals.orders_squared), past, totals.past_orders)
        case "amount":
            return _pair(totals, (totals.revenue, totals.revenue_squared), past, totals.past_revenue)
        case "ratio":
            orders = (totals.orders, totals.orders_squared)
            return _pair(totals, (totals.revenue, totals.revenue_squared), orders, totals.orders_revenue)


def _pair(totals: UnitTotals, first: tuple[float, float], second: tuple[float, float], cross: float) -> Moments:
    """Return the sums of two numbers a unit: each as (sum, sum of squares), and the sum of their products."""
    products = np.array([[first[1], cross], [cross, second[1]]], np.float64)
    return Moments(float(totals.units), np.array([first[0], second[0]], np.float64), products)


def finite(value: float) -> float | None:
    """Return a number as JSON has it: None stands for those that it lacks."""
    return value if math.isfinite(value) else None
