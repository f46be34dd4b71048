"""What learning brings and what trying costs, in money. Pure.

The gain compares personalized customers with held-back ones, who always get the merchant's own order; customers are
held back by chance. The cost is what checkouts would earn if always the likeliest candidate came first, less what they
earned: an off-policy estimate with the logged chances.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bandits.evaluation.adaptive_logs import PARTS, estimate_later
from bandits.evaluation.clusters import Clusters
from bandits.evaluation.estimators import effect
from bandits.evaluation.stratified import StratifiedDifference, stratified_difference
from engine.statistics.checkouts import LEAST_DECISIONS
from engine.statistics.like_for_like import SampledDecision

MOST_POINTS = 8


class MoneyInterval(NamedTuple):
    """An amount in minor units for each checkout, with the ends of its 95% interval."""

    value: float
    low: float
    high: float

    def times(self, count: float) -> MoneyInterval:
        """Return the amount of several checkouts."""
        return MoneyInterval(self.value * count, self.low * count, self.high * count)


class GainPoint(NamedTuple):
    """The gain of learning for a checkout until `end` (epoch milliseconds)."""

    end: int
    gain: MoneyInterval


class LearningMoney(NamedTuple):
    """The gain and cost of learning for a checkout; a part is None where it cannot be told.

    `held_back` is the number of held-back decisions, `personalized` the share of decisions that are not held back.
    `has_amounts` is false where no purchase had an amount in the merchant's currency. `cost_refused` says why the cost
    cannot be told.
    """

    has_amounts: bool
    held_back: int
    personalized: float
    gain: MoneyInterval | None
    course: Sequence[GainPoint]
    cost: MoneyInterval | None
    cost_refused: str


def learning_money(decisions: Sequence[SampledDecision]) -> LearningMoney:
    """Return what learning brings and costs, from decisions in order of time."""
    held_back = sum(each.held_back is True for each in decisions)
    personalized = 1 - held_back / len(decisions) if decisions else 1.0
    if not any(each.revenue for each in decisions):
        return LearningMoney(False, held_back, personalized, None, [], None, "")
    cost, refused = _cost([each for each in decisions if not each.held_back])
    gain = _gain(decisions)
    course = _course(decisions) if gain is not None else []
    return LearningMoney(True, held_back, personalized, gain, course, cost, refused)


def _gain(decisions: Sequence[SampledDecision]) -> MoneyInterval | None:
    """Return the difference of known customers; guests are never held back."""
    both = [each for each in decisions if each.held_back is not None]
    sides = [each.held_back is False for each in both]
    if min(sum(sides), len(sides) - sum(sides)) < LEAST_DECISIONS:
        return None
    customers = [each.customer for each in both]
    difference = stratified_difference([each.revenue for each in both], sides, np.zeros(len(both)), customers)
    return None if difference is None or difference.refused else _interval(difference)


def _interval(difference: StratifiedDifference) -> MoneyInterval:
    return MoneyInterval(difference.value, difference.low, difference.high)


def _course(decisions: Sequence[SampledDecision]) -> list[GainPoint]:
    """Return the gain of all decisions until several instants, of which the first ones may be too early to tell."""
    first, last = decisions[0].decided_at, decisions[-1].decided_at
    ends = [first + (last - first) * (number + 1) // MOST_POINTS + 1 for number in range(MOST_POINTS)]
    gains = [(end, _gain([each for each in decisions if each.decided_at < end])) for end in ends]
    return [GainPoint(end, gain) for end, gain in gains if gain is not None]


def _cost(decisions: Sequence[SampledDecision]) -> tuple[MoneyInterval | None, str]:
    weights = np.array([each.greedy for each in decisions], np.float64)
    revenue = np.array([each.revenue for each in decisions], np.float64)
    customers = np.array([each.customer for each in decisions])
    start = len(decisions) // PARTS
    few = Clusters.of(customers[start:], np.ones(len(decisions) - start)).refusal() if decisions else "no decisions"
    estimate = estimate_later(
        weights, lambda rows: effect(weights[rows], revenue[rows], clusters=customers[rows]), differs_only=True
    )
    refused = estimate.refused or few
    return (None, refused) if refused else (MoneyInterval(estimate.value, estimate.low, estimate.high), "")
