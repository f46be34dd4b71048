"""Drift: old evidence fades by the day, and an arm that jumped starts again."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits.beliefs import Evidence

CONFIDENCE = 1e-3

Floats = NDArray[np.float64]


class Cells(NamedTuple):
    """What was counted by day, in order of time: (T,) each."""

    days: ArrayLike
    trials: ArrayLike
    successes: ArrayLike


def fade(cells: Cells, *, half_life_days: float | None, today: float, first: int = 0) -> Evidence:
    """All the evidence from cell `first` on; a day's weighs half after one half-life, for ever without one."""
    days, trials, successes = (np.asarray(column, np.float64)[first:] for column in cells)
    if half_life_days is None:
        return Evidence(float(trials.sum()), float(successes.sum()))
    if half_life_days <= 0:
        raise ValueError(f"half_life_days must be positive: {half_life_days}")
    weights = 0.5 ** (np.maximum(today - days, 0.0) / half_life_days)
    return Evidence(float((weights * trials).sum()), float((weights * successes).sum()))


def last_change(trials: ArrayLike, successes: ArrayLike, *, false_alarms: float = CONFIDENCE) -> int:
    """The index of the first cell after the last change of the rate; 0 where there was none."""
    n = np.concatenate(([0.0], np.cumsum(np.asarray(trials, np.float64))))
    s = np.concatenate(([0.0], np.cumsum(np.asarray(successes, np.float64))))
    first = 0
    for end in range(2, len(n)):
        first = _newest_change(n[first : end + 1], s[first : end + 1], false_alarms) + first
    return first


def _newest_change(n: Floats, s: Floats, false_alarms: float) -> int:
    """How many of these cells lie before a change, or 0: the likeliest split, where it is much likelier than none."""
    before_n, before_s = n[1:-1] - n[0], s[1:-1] - s[0]
    after_n, after_s = n[-1] - n[1:-1], s[-1] - s[1:-1]
    if not len(before_n) or n[-1] == n[0]:
        return 0
    whole = _entropy(n[-1:] - n[0], s[-1:] - s[0])[0]
    gains = _entropy(before_n, before_s) + _entropy(after_n, after_s) - whole
    best = int(gains.argmax())
    return best + 1 if gains[best] > np.log(3 * (n[-1] - n[0]) ** 1.5 / false_alarms) else 0


def _entropy(n: Floats, s: Floats) -> Floats:
    """The greatest log-likelihood of s successes in n trials."""
    f = n - s
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(s > 0, s * np.log(s / n), 0.0) + np.where(f > 0, f * np.log(f / n), 0.0)
