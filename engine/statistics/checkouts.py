"""How checkouts end: the share with a purchase over time, beside an earlier time and beside a holdback. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from bandits.evaluation.stratified import StratifiedDifference, clustered_mean, stratified_difference
from engine.statistics.like_for_like import SampledDecision

LEAST_DECISIONS = 50
"""Fewer decisions do not tell a share."""
LEAST_IN_A_BIN, MOST_BINS, LEAST_BINS = 100, 30, 3

Value = Callable[[SampledDecision], float]


class MeanInterval(NamedTuple):
    """The mean of `decisions` decisions with the ends of its 95% interval."""

    mean: float
    low: float
    high: float
    decisions: int


class CheckoutBin(NamedTuple):
    """A share of decisions, from `begin` on and before `end` (epoch milliseconds)."""

    begin: int
    end: int
    share: MeanInterval


class CheckoutFigures(NamedTuple):
    """The results of checkouts; parts are None where there is too little to tell, or nothing to compare with.

    `share` of the decisions ended in a purchase, or in a choice where no purchase was ever reported (`is_choice`).
    `before` compares with the time before, inside customer groups. `held_back` and `money` (minor units a decision)
    compare personalized customers with held-back ones. `amount` is the mean of a purchase in minor units.
    """

    is_choice: bool
    share: MeanInterval | None
    bins: Sequence[CheckoutBin]
    before: StratifiedDifference | None
    held_back: StratifiedDifference | None
    money: StratifiedDifference | None
    amount: float | None
    personalized: float


def checkout_figures(
    decisions: Sequence[SampledDecision], earlier: Sequence[SampledDecision], *, begin: int, end: int
) -> CheckoutFigures:
    """Return how the decisions between two instants (epoch milliseconds) ended, beside `earlier` ones."""
    is_choice = not any(each.bought for each in decisions)
    value = _chose if is_choice else _bought
    groups = [each for each in decisions if each.held_back is not None]
    amounts = [each.revenue for each in decisions if each.revenue]
    return CheckoutFigures(
        is_choice,
        mean_interval(decisions, value),
        bins_of(decisions, value, begin=begin, end=end),
        _beside(decisions, earlier, value),
        _lift(groups, value),
        _lift(groups, _revenue) if amounts else None,
        sum(amounts) / len(amounts) if amounts else None,
        sum(not each.held_back for each in decisions) / max(len(decisions), 1),
    )


def mean_interval(decisions: Sequence[SampledDecision], value: Value) -> MeanInterval | None:
    """Return the mean of a value over decisions; None for too few."""
    if len(decisions) < LEAST_DECISIONS:
        return None
    mean, low, high = clustered_mean([value(each) for each in decisions], [each.customer for each in decisions])
    return MeanInterval(mean, max(0.0, low), high, len(decisions))


def _bought(decision: SampledDecision) -> float:
    return float(decision.bought)


def _chose(decision: SampledDecision) -> float:
    return float(any(decision.impressions.values()))


def _revenue(decision: SampledDecision) -> float:
    return float(decision.revenue)


def bins_of(decisions: Sequence[SampledDecision], value: Value, *, begin: int, end: int) -> list[CheckoutBin]:
    """Return the share in spans of equal length, so many that most have enough decisions; none for too few spans."""
    first = min((each.decided_at for each in decisions), default=end)
    count = min(MOST_BINS, len(decisions) // LEAST_IN_A_BIN)
    if count < LEAST_BINS:
        return []
    start = max(begin, first)
    width = (end - start) // count + 1
    spans: list[list[SampledDecision]] = [[] for _ in range(count)]
    for decision in decisions:
        spans[(decision.decided_at - start) // width].append(decision)
    shares = [mean_interval(span, value) for span in spans]
    return [
        CheckoutBin(start + number * width, start + (number + 1) * width, share)
        for number, share in enumerate(shares)
        if share is not None
    ]


def _beside(
    decisions: Sequence[SampledDecision], earlier: Sequence[SampledDecision], value: Value
) -> StratifiedDifference | None:
    """Return the difference from earlier decisions inside customer groups."""
    if min(len(decisions), len(earlier)) < LEAST_DECISIONS:
        return None
    return _difference([*decisions, *earlier], len(decisions), value, [each.bucket for each in (*decisions, *earlier)])


def _lift(groups: Sequence[SampledDecision], value: Value) -> StratifiedDifference | None:
    """Return how much more personalized decisions have than held-back ones."""
    personalized = [each for each in groups if not each.held_back]
    held_back = [each for each in groups if each.held_back]
    if min(len(personalized), len(held_back)) < LEAST_DECISIONS:
        return None
    return _difference([*personalized, *held_back], len(personalized), value, [""] * len(groups))


def _difference(
    decisions: Sequence[SampledDecision], first: int, value: Value, strata: Sequence[str]
) -> StratifiedDifference | None:
    is_first = [number < first for number in range(len(decisions))]
    customers = [each.customer for each in decisions]
    difference = stratified_difference([value(each) for each in decisions], is_first, strata, customers)
    return None if difference is None or difference.refused else difference
