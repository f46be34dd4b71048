"""How many units and days an experiment needs, and what looking costs."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

from bandits.experiments.brownian import Paths
from bandits.experiments.group_sequential import bounds
from bandits.experiments.moments import MetricEstimate
from bandits.experiments.normal import normal_quantile
from bandits.experiments.sequential import margin, precision_for

WEEK = 7
_STEP = 0.04
"""The time between two looks of the calculation, in fixed samples; real looks are closer, which adds a little power."""


class Goal(NamedTuple):
    """The difference to see, the variance of a unit's metric, and with which power and false alarms."""

    difference: float
    variance: float
    power: float = 0.8
    share: float = 0.05


class Size(NamedTuple):
    """Units in all variants together, by how the results are looked at."""

    fixed: int
    group_sequential: int
    sequential: int

    def days(self, units_a_day: float) -> tuple[int, int, int]:
        """Return the days of each, in whole weeks, so that every weekday counts alike."""
        weeks = (math.ceil(units / units_a_day / WEEK) for units in self)
        first, second, third = (WEEK * max(1, count) for count in weeks)
        return first, second, third


def binary_goal(base: float, lift: float, *, power: float = 0.8, share: float = 0.05) -> Goal:
    """Return the goal for a conversion rate and the relative lift to see."""
    after = base * (1 + lift)
    return Goal(base * lift, (base * (1 - base) + after * (1 - after)) / 2, power, share)


def size_for(goal: Goal, split: tuple[float, float] = (0.5, 0.5), *, looks: int = 5) -> Size:
    """Return the units needed to see a difference between two variants with the given power."""
    control, variant = (part / sum(split) for part in split)
    per_unit = goal.variance / control + goal.variance / variant
    fixed = per_unit * (_drift(goal.power, goal.share) / goal.difference) ** 2
    return Size(
        math.ceil(fixed),
        math.ceil(fixed * group_inflation(looks, power=goal.power, share=goal.share)),
        math.ceil(fixed * sequential_inflation(power=goal.power, share=goal.share)),
    )


@lru_cache
def group_inflation(looks: int, *, power: float = 0.8, share: float = 0.05) -> float:
    """Return how many times the fixed sample so many equal looks need, by the bound of the last one.

    Stops at earlier looks only add power, so this is slightly too many.
    """
    last = bounds([(look + 1) / looks for look in range(looks)], share=share)[-1]
    return ((last + normal_quantile(power)) / _drift(power, share)) ** 2


@lru_cache
def sequential_inflation(*, power: float = 0.8, share: float = 0.05) -> float:
    """Return how many times the fixed sample the confidence sequence needs to tell with this power, at any look."""
    paths, reached, time = Paths.begin(drift=_drift(power, share)), 0.0, 0.0
    while reached < power:
        time += _STEP
        edge = sequential_edge(time, share=share)
        more = paths.crossing(time, edge)[1]
        paths, reached = paths.until(time, edge), reached + more
    return time - _STEP * (reached - power) / more


def sequential_edge(time: float, *, share: float = 0.05) -> float:
    """Return the sum at which the confidence sequence excludes 0, for units of variance 1 and a fixed sample of 1."""
    return time * margin(MetricEstimate(0.0, 1.0, time), precision_for(1.0, share=share), share=share)


def _drift(power: float, share: float) -> float:
    """Return the mean of z at the end of a fixed sample with this power."""
    return normal_quantile(1 - share / 2) + normal_quantile(power)


def detectable(units: float, goal: Goal, split: tuple[float, float] = (0.5, 0.5)) -> float:
    """Return the difference that so many units see with the goal's power at the end of a fixed horizon."""
    control, variant = (part / sum(split) for part in split)
    per_unit = goal.variance / control + goal.variance / variant
    return _drift(goal.power, goal.share) * math.sqrt(per_unit / units)
