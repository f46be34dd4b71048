"""Detect jumps in an arm's rate. `bandits.evidence.change` tells them from changes common to all arms.

Fading (`beliefs.recency_weight`) handles slow drift.

The test is the generalised likelihood ratio for Bernoulli rewards of Besson, Kaufmann, Maillard and Seznec (2022): one
rate for all cells since the last change, against two rates, before and after a split. A cell is any stretch of time;
the engine uses days.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

FALSE_ALARMS = 0.01
"""An upper bound on the probability that an arm that never changes is ever flagged; about 0 in simulations."""

Floats = NDArray[np.float64]


def last_change(trials: ArrayLike, successes: ArrayLike, *, false_alarms: float = FALSE_ALARMS) -> int:
    """Return the index of the first cell after the last change of an arm's rate; 0 if there was none.

    `trials` and `successes` (T,) in order of time. Each cell is tested with the cells before it only, so later cells
    do not undo an earlier change.
    """
    n = np.concatenate(([0.0], np.cumsum(np.asarray(trials, np.float64))))
    s = np.concatenate(([0.0], np.cumsum(np.asarray(successes, np.float64))))
    first, tested = 0, 1
    while True:
        splits, alarm = _splits(n[first:] - n[first], s[first:] - s[first], false_alarms)
        alarms = np.flatnonzero(alarm[tested - first :])
        if not len(alarms):
            return first
        cell = tested + int(alarms[0])
        first, tested = first + int(splits[cell - first]), cell + 1


def _splits(n: Floats, s: Floats, false_alarms: float) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the likeliest split at the end of each cell, as a number of cells, and whether it raises an alarm.

    `n` and `s` are cumulative trials and successes by the end of each cell, beginning with 0.
    """
    up_to = likelihood(n, s)
    gains = up_to + likelihood(np.subtract.outer(n, n), np.subtract.outer(s, s)) - up_to[:, None]
    gains[np.triu_indices(len(n))] = -np.inf
    gains[:, 0] = 0.0
    splits = gains.argmax(axis=1)
    greatest = np.take_along_axis(gains, splits[:, None], axis=1)[:, 0]
    return splits, greatest > np.log(3 * np.maximum(n, 1.0) ** 1.5 / false_alarms)


def likelihood(trials: Floats, successes: Floats) -> Floats:
    """Return the logarithm of the greatest likelihood that a single rate gives to so many successes."""
    failures = trials - successes
    result: Floats = _times_log(successes, trials) + _times_log(failures, trials)
    return result


def _times_log(part: Floats, total: Floats) -> Floats:
    """Return part * log(part / total), and 0 for a part of 0."""
    # Differences of a later cell from an earlier one are negative; `_splits` overwrites their gains.
    return part * np.log(np.divide(part, total, out=np.ones_like(part), where=(part > 0) & (total >= 0)))
