"""Compare what a preview expected of a version with the outcome once it was in force. Pure; see docs/preview.md.

Rewards may be money with a heavy tail, so means have the intervals of previews (`bandits.evaluation.intervals`).
Differences of means keep their skewness (MOVER: G. Zou and A. Donner, 2008, "Construction of confidence limits about
effect measures: a general approach").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import hypot
from typing import Literal, NamedTuple

import msgspec
import numpy as np

import bandits
from bandits.evaluation.intervals import unskewed_interval, with_imagined
from engine.previews.estimation.effect import Effect

LEAST_DECISIONS = 100
"""With fewer on a side, there is no verdict yet."""

Against = Literal["holdback", "before"]
Group = tuple[bool, bool]
"""Whether decisions were made after publishing, and whether for customers who are held back."""


class Earned(NamedTuple):
    """The reward of a decision, and its customer."""

    is_after: bool
    is_held_back: bool
    customer: str
    reward: float


class ForecastOutcome(msgspec.Struct, frozen=True):
    """The change of the mean reward with its 95% interval, from `before` and `after` decisions.

    `against` the holdback, its own change is subtracted. `holds` says whether forecast and change agree within their
    intervals, None while there are too few decisions or customers.
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
    before, after = (len(groups.get((is_after, False), [])) for is_after in (False, True))
    change = _change(groups, held_back=False)
    if change is None:
        return ForecastOutcome(before, after, "before", 0.0, 0.0, 0.0, None)
    common = _change(groups, held_back=True) if has_holdback else None
    against: Against = "before" if common is None else "holdback"
    if common is not None:
        change = change.minus(common)
    rest = change.minus(MeanReward(effect.value, effect.low, effect.high))
    return ForecastOutcome(before, after, against, *change, rest.low <= 0 <= rest.high)


class MeanReward(NamedTuple):
    """A mean reward or a difference of means, with its 95% interval."""

    value: float
    low: float
    high: float

    def minus(self, other: MeanReward) -> MeanReward:
        """Return the difference; its interval keeps the skewness of both (MOVER)."""
        value = self.value - other.value
        below = hypot(self.value - self.low, other.high - other.value)
        above = hypot(self.high - self.value, other.value - other.low)
        return MeanReward(value, value - below, value + above)


def _change(groups: Mapping[Group, Sequence[Earned]], *, held_back: bool) -> MeanReward | None:
    """Return the change of the mean; None if decisions or customers are too few."""
    before, after = (_mean(groups.get((is_after, held_back), [])) for is_after in (False, True))
    return None if before is None or after is None else after.minus(before)


def _mean(earned: Sequence[Earned]) -> MeanReward | None:
    """Return the mean reward; the interval is that of previews, for rare successes and large amounts."""
    if len(earned) < LEAST_DECISIONS:
        return None
    rewards, weights = np.array([each.reward for each in earned]), np.ones(len(earned))
    clusters = bandits.Clusters.of(np.array([each.customer for each in earned]), weights)
    if clusters.refusal():
        return None
    value, (_, imagined) = float(rewards.mean()), with_imagined(weights, rewards)
    low, high = unskewed_interval(imagined, clusters.with_single_rows(len(imagined) - len(rewards)))
    return MeanReward(value, min(low, value), max(high, value))
