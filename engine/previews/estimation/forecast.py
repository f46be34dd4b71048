"""Hold what a preview expected of a version against what came once it was in force. Pure; see docs/preview.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec
import numpy as np

import bandits
from bandits.evaluation.intervals import Z95, standard_error
from engine.previews.estimation.effect import Effect

LEAST_DECISIONS = 100
"""Fewer on a side tell nothing yet."""

Against = Literal["holdback", "before"]
Group = tuple[bool, bool]
"""Whether decisions were made after publishing, and whether for customers who are held back."""


class Earned(NamedTuple):
    """What a decision earned, and for whom."""

    is_after: bool
    is_held_back: bool
    customer: str
    reward: float


class ForecastOutcome(msgspec.Struct, frozen=True):
    """The change of the mean reward with its 95% interval, from `before` and `after` decisions.

    `against` the holdback, its own change is subtracted. `holds` says whether forecast and change agree as far as both
    intervals tell, None while there are too few decisions.
    """

    before: int
    after: int
    against: Against
    value: float
    low: float
    high: float
    holds: bool | None


def outcome_of(effect: Effect, earned: Sequence[Earned], *, has_holdback: bool) -> ForecastOutcome:
    """Compare the decisions before and after publishing.

    With `has_holdback`, the change of customers who are held back is subtracted if there are enough of them: the
    version must not have changed their answers.
    """
    groups: dict[Group, list[Earned]] = {}
    for each in earned:
        groups.setdefault((each.is_after, each.is_held_back), []).append(each)
    sizes = {group: len(members) for group, members in groups.items()}
    before, after = sizes.get((False, False), 0), sizes.get((True, False), 0)
    if min(before, after) < LEAST_DECISIONS:
        return ForecastOutcome(before, after, "before", 0.0, 0.0, 0.0, None)
    least = min(sizes.get((False, True), 0), sizes.get((True, True), 0))
    against: Against = "holdback" if has_holdback and least >= LEAST_DECISIONS else "before"
    value, variance = _change(groups, held_back=False)
    if against == "holdback":
        common, its_variance = _change(groups, held_back=True)
        value, variance = value - common, variance + its_variance
    margin = Z95 * variance**0.5
    half = (effect.high - effect.low) / 2
    holds = abs(value - effect.value) <= (margin**2 + half**2) ** 0.5
    return ForecastOutcome(before, after, against, value, value - margin, value + margin, holds)


def _change(groups: dict[Group, list[Earned]], *, held_back: bool) -> tuple[float, float]:
    """Return the change of the mean, and its variance."""
    before, after = (_mean(groups[is_after, held_back]) for is_after in (False, True))
    return after[0] - before[0], after[1] + before[1]


def _mean(earned: Sequence[Earned]) -> tuple[float, float]:
    """Return the mean reward and its variance; the decisions about a customer depend on each other."""
    rewards = np.array([each.reward for each in earned])
    clusters = bandits.Clusters.of(np.array([each.customer for each in earned]), np.ones(len(rewards)))
    return float(rewards.mean()), standard_error(rewards, clusters) ** 2
