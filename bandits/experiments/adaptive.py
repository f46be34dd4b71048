"""Estimates from traffic that a bandit moved: AIPW with logged chances and nuisances of the past alone.

The plain mean of a variant is biased, because a bandit tries it more after luck. The score of a unit,

    m + (assigned ? (y - m) / chance : 0)      m: the mean of the variant's earlier units

has the variant's true mean given all that came before, whatever the bandit did (Robins, Rotnitzky and Zhao, 1994;
Hadad, Hirshberg, Zhan, Wager and Athey, 2021). So scores less the truth are a martingale, and confidence sequences
hold for their mean (Waudby-Smith et al., 2024, section 3). Chances must stay above a floor.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits.experiments.moments import MetricEstimate, Moments, mean_of

Floats = NDArray[np.float64]


def scores(assigned: ArrayLike, chances: ArrayLike, rewards: ArrayLike, *, variants: int) -> Floats:
    """Return the scores (n, V) of n units in their order.

    `assigned` (n,) are variants from 0, `chances` (n,) the logged chances of these, `rewards` (n,). Raise ValueError
    for a chance outside 0 to 1.
    """
    arms, p, y = np.asarray(assigned, np.intp), np.asarray(chances, np.float64), np.asarray(rewards, np.float64)
    if not ((p > 0) & (p <= 1)).all():
        raise ValueError("chances must lie above 0 and at most at 1")
    rows, result = np.arange(len(y)), np.empty((len(y), variants))
    is_assigned = np.zeros((len(y), variants))
    is_assigned[rows, arms] = 1.0
    past = _past_means(is_assigned, y)
    result[:] = past
    result[rows, arms] += (y - past[rows, arms]) / p
    return result


def adaptive_means(scores: Floats, *, burn_in: int = 0) -> list[MetricEstimate]:
    """Return the variants' means from scores (n, V) without those of the first `burn_in` units."""
    return [mean_of(Moments.of(column)) for column in scores[burn_in:].T]


def adaptive_difference(scores: Floats, *, control: int = 0, variant: int = 1, burn_in: int = 0) -> MetricEstimate:
    """Return the difference of two variants: of their scores unit by unit, for both have one of every unit."""
    return mean_of(Moments.of(scores[burn_in:, variant] - scores[burn_in:, control]))


def _past_means(is_assigned: Floats, rewards: Floats) -> Floats:
    """Return before each unit the mean of each variant's earlier rewards, shrunk to that of all; 0 at first."""
    counts = np.vstack((np.zeros(is_assigned.shape[1]), is_assigned.cumsum(axis=0)[:-1]))
    sums = np.vstack((np.zeros(is_assigned.shape[1]), (is_assigned * rewards[:, None]).cumsum(axis=0)[:-1]))
    overall = sums.sum(axis=1) / np.maximum(1.0, counts.sum(axis=1))
    means: Floats = (sums + overall[:, None]) / (counts + 1.0)
    return means
