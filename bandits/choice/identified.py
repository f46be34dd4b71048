"""Decide whether choices may say what slots are worth, or whether exact chances must.

A choice model learns effects of slots from all choices. That is efficient, and wrong where customers differ in ways
that it does not know, because a bandit gives each customer's favourite the first slot. Effects from exact chances
(`bandits.evidence.positions`) are right in both cases, but use fewer data. Where the two contradict each other
(Hausman, 1978), those from chances take their place.
"""

import numpy as np

from bandits.choice.model import ChoiceBelief, IdentifiedEffect
from bandits.choice.observations import EFFECT_STARTS, Floats
from bandits.evidence.positions import SPREAD

TAIL = 3.090232306167813
"""The normal quantile of one in a thousand, the chance of a contradiction where there is none."""


def contradicting_effects(belief: ChoiceBelief, logs: Floats, variances: Floats) -> tuple[IdentifiedEffect, ...]:
    """Return the effects `logs` (S,) from chances if those of the belief contradict them; otherwise none.

    `variances` (S,) are those of `logs`, as `choice_effects` returns them.
    """
    starts = [start for start in EFFECT_STARTS if start < len(logs)]
    if not starts:
        return ()
    differences = np.diff(logs[starts] - belief.mean[: len(starts)], prepend=0.0)
    steps = np.diff(variances[starts], prepend=0.0)
    # A step without data has kept the prior's variance, and says nothing.
    has_data = steps < 0.9 * SPREAD**2
    statistic = float((differences[has_data] ** 2 / np.maximum(steps[has_data], 1e-9)).sum())
    if statistic <= _chi_squared_limit(int(has_data.sum())):
        return ()
    return tuple(
        IdentifiedEffect(number, float(logs[start]), float(variances[start])) for number, start in enumerate(starts)
    )


def _chi_squared_limit(degrees: int) -> float:
    """Return the quantile of the chi-squared distribution that `TAIL` is of the normal (Wilson and Hilferty, 1931)."""
    if not degrees:
        return float("inf")
    spread = 2 / (9 * degrees)
    limit: float = degrees * (1 - spread + TAIL * spread**0.5) ** 3
    return limit
