"""Drift: an arm whose rate jumped starts again. (Slow change is met by fading: `beliefs.recency_weight`.)

The test is the generalised likelihood ratio for Bernoulli rewards of Besson, Kaufmann, Maillard and Seznec (2022): one
rate for all cells since the last change, against one before and one after some split. A cell is any stretch of time, a
day in the product.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

FALSE_ALARMS = 0.01
"""How likely an arm that never changes is ever found changed, at most; about 0 in simulations."""

OTHERS_KEEP = 10.0
"""Trials that the other arms keep of the time before one arm jumped: what moved it may have moved them, unseen."""

Floats = NDArray[np.float64]


def last_change(trials: ArrayLike, successes: ArrayLike, *, false_alarms: float = FALSE_ALARMS) -> int:
    """The index of the first cell after the last change of an arm's rate; 0 where there was none.

    `trials` and `successes` (T,) in order of time. Each cell is judged by those up to itself, so what was found stays
    found when later cells come.
    """
    n = np.concatenate(([0.0], np.cumsum(np.asarray(trials, np.float64))))
    s = np.concatenate(([0.0], np.cumsum(np.asarray(successes, np.float64))))
    first, judged = 0, 1
    while True:
        splits, likely = _splits(n[first:] - n[first], s[first:] - s[first], false_alarms)
        alarms = np.flatnonzero(likely[judged - first :])
        if not len(alarms):
            return first
        found = judged + int(alarms[0])
        first, judged = first + int(splits[found - first]), found + 1


def memory(trials: ArrayLike, successes: ArrayLike, *, false_alarms: float = FALSE_ALARMS) -> Floats:
    """How much each cell of each arm still counts, (T, K), 0 to 1; `trials` and `successes` (T, K), in order of time.

    Nothing of an arm before its own last change. Before the last change of any other, what counts is scaled down to
    OTHERS_KEEP trials: enough to know the arms apart, and little enough to try them all again.
    """
    tried, won = np.asarray(trials, np.float64), np.asarray(successes, np.float64)
    firsts = [last_change(n, s, false_alarms=false_alarms) for n, s in zip(tried.T, won.T, strict=True)]
    weights = np.ones_like(tried)
    jumped = max(firsts, default=0)
    for arm, first in enumerate(firsts):
        weights[:first, arm] = 0.0
        before = tried[first:jumped, arm].sum()
        weights[first:jumped, arm] = min(1.0, OTHERS_KEEP / before) if before else 1.0
    return weights


def _splits(n: Floats, s: Floats, false_alarms: float) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """By the end of each cell: how many of the cells up to it lie before the likeliest change, and if it is likely
    enough.

    `n` and `s`, 0 at first: how many trials and successes there were by the end of each cell.
    """
    whole = _likelihood(n, s)
    gains = whole + _likelihood(np.subtract.outer(n, n), np.subtract.outer(s, s)) - whole[:, None]
    gains[np.triu_indices(len(n))] = -np.inf
    gains[:, 0] = 0.0
    splits = gains.argmax(axis=1)
    greatest = np.take_along_axis(gains, splits[:, None], axis=1)[:, 0]
    return splits, greatest > np.log(3 * np.maximum(n, 1.0) ** 1.5 / false_alarms)


def _likelihood(trials: Floats, successes: Floats) -> Floats:
    """The logarithm of the greatest likelihood that any one rate gives to so many successes."""
    failures = trials - successes
    result: Floats = _times_log(successes, trials) + _times_log(failures, trials)
    return result


def _times_log(part: Floats, whole: Floats) -> Floats:
    return part * np.log(np.divide(part, whole, out=np.ones_like(part), where=part > 0))
