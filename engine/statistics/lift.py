"""How much more personalized decisions bring than those of customers who are held back. Pure.

Customers are spread over clusters by their hash, and sums are kept by cluster. A metric is a ratio of two sums. Its
variance follows from how far each cluster's sums are from that ratio (random groups; Wolter, 2007, chapter 2), whatever
the decisions of one customer have in common.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bandits.evaluation.clusters import Clusters
from bandits.evaluation.intervals import unskewed_interval
from engine.model.documents.metric import METRICS, MetricName
from engine.statistics.metric_totals import PARTS, MetricTotals

CLUSTERS = 20
"""Groups that customers are spread over. More would only cost reads: with 20, an interval is 7% wider than with any
number."""
LEAST_DECISIONS, LEAST_EVENTS, LEAST_PURCHASES = 50, 10, 300
"""Decisions of an arm, and decisions with what the metric counts, that are needed to compare. Amounts have long tails,
so that they need more purchases."""

Floats = NDArray[np.float64]


class Lift(NamedTuple):
    """A metric of personalized decisions beside held-back ones, with the difference and its 95% interval.

    `decisions` are personalized, `held_back_decisions` are not.
    """

    personalized: float
    held_back: float
    difference: float
    low: float
    high: float
    decisions: int
    held_back_decisions: int

    @property
    def is_sure(self) -> bool:
        """Return whether the interval leaves out 0."""
        return not self.low <= 0 <= self.high


def lift_of(
    metric: MetricName, personalized: Mapping[str, MetricTotals], held_back: Mapping[str, MetricTotals]
) -> Lift | None:
    """Return the lift of a metric from the sums of each arm by cluster; None for too little to tell."""
    sides = [list(arm.values()) for arm in (personalized, held_back)]
    if any(_is_too_little(metric, side) for side in sides):
        return None
    first, second = (_ArmRatio.of(metric, side) for side in sides)
    difference = first.value - second.value
    deviations = np.append(first.deviations, -second.deviations)
    clusters = Clusters.of(np.arange(len(deviations)), np.append(first.weights, second.weights))
    low, high = unskewed_interval(difference + len(deviations) * deviations, clusters)
    if not low < high:
        return None
    counts = [sum(each.decisions for each in side) for side in sides]
    return Lift(first.value, second.value, difference, low, high, counts[0], counts[1])


class _ArmRatio(NamedTuple):
    """The ratio of an arm, how far each cluster moves it (20,), and the clusters' weights (20,), 1 on average."""

    value: float
    deviations: Floats
    weights: Floats

    @classmethod
    def of(cls, metric: MetricName, side: Sequence[MetricTotals]) -> _ArmRatio:
        """Return an arm's ratio; a cluster without decisions is a cluster of nothing."""
        missing = [0] * (CLUSTERS - len(side))
        above, below = ([*(getattr(each, part) for each in side), *missing] for part in PARTS[metric])
        numerators, denominators = np.array(above, np.float64), np.array(below, np.float64)
        shares = denominators / denominators.sum()
        value = float(numerators.sum() / denominators.sum())
        # Leaving a cluster out moves the ratio more than its own deviation says (the jackknife).
        deviations = (numerators - value * denominators) / denominators.sum() / np.sqrt(1 - 1 / CLUSTERS)
        return cls(value, deviations, shares * CLUSTERS)


def _is_too_little(metric: MetricName, side: Sequence[MetricTotals]) -> bool:
    above, below = PARTS[metric]
    is_amount = METRICS[metric].quantity == "money"
    counted = sum(getattr(each, "converted" if is_amount else "timed" if below == "timed" else above) for each in side)
    least = LEAST_PURCHASES if is_amount else LEAST_EVENTS
    return sum(each.decisions for each in side) < LEAST_DECISIONS or counted < least
