"""Position-based credit: how likely each slot is to be looked at, and what a trial in it is worth."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_HALVINGS = 50
_ROUNDS = 100
_HELD = 5.0


def effective_trials(trials: ArrayLike, successes: ArrayLike, weights: ArrayLike) -> Floats:
    """How many certain trials say as much about a rate as trials that could succeed by chance only, (K,).

    `trials` and `successes` (K, S); a trial in column s could succeed with probability `weights[s]`, 0 to 1: its slot
    was looked at, or its outcome has had time to come. The likelihood is product rate^successes (1 - weight * rate)^
    failures; a failure counts by the chance that it was a trial at all, weight (1 - rate) / (1 - weight * rate), at the
    likeliest rate under the flat prior. Never fewer than the successes.
    """
    tried, won, seen = (np.asarray(values, np.float64) for values in (trials, successes, weights))
    failures, total = tried - won, won.sum(axis=1)
    low, high = np.zeros(len(total)), np.ones(len(total))
    for _ in range(_HALVINGS):
        rate = (low + high) / 2
        slope = (1 + total) / rate - 1 / (1 - rate) - (failures * seen / (1 - seen * rate[:, None])).sum(axis=1)
        low, high = np.where(slope > 0, rate, low), np.where(slope > 0, high, rate)
    rate = ((low + high) / 2)[:, None]
    real: Floats = total + (failures * seen * (1 - rate) / (1 - seen * rate)).sum(axis=1)
    return real


def estimate_weights(trials: ArrayLike, successes: ArrayLike) -> Floats:
    """How likely each slot is to be looked at, (S,), the first 1, from trials and successes by slot, (K, S).

    The position-based model (Richardson et al., 2007), rate of candidate times weight of slot, by expectation
    maximisation; a slot with few trials stays near the weight of the one above it.
    """
    tried, won = np.asarray(trials, np.float64), np.asarray(successes, np.float64)
    weights = np.ones(tried.shape[1])
    for _ in range(_ROUNDS):
        rates = (1 + won.sum(axis=1)) / (2 + effective_trials(tried, won, weights))
        expected = rates @ tried
        above = np.concatenate(([1.0], weights[:-1]))
        weights = np.minimum((won.sum(axis=0) + _HELD * above) / (expected + _HELD), 1.0)
        weights[:1] = 1.0
    return weights
