"""Detect jumps of one arm against the rest: a sale or a weekend moves all arms and resets none.

`bandits.evidence.drift` tests whether an arm's own rate changed. A second test asks whether the ratio of its rate to
that of the rest changed. Each cell has a rate of the rest of its own, the likeliest, so factors common to all arms
leave the ratio as it was. If the first test fires and the second does not, the change was common. An arm with nearly
all the traffic leaves little rest to compare with, so a rate that rose or fell by more than MOST_COMMON counts as the
arm's own change too, unless the rest is seen to have moved along.

All are generalised likelihood ratios. Their threshold is the lower of two: that of Besson, Kaufmann, Maillard and
Seznec (2022), which allows a test at every trial, and one for the tests that are made, at the ends of cells: twice a
gain is chi-squared with one degree of freedom where nothing changed (Wilks, 1938), summed over splits and cells.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits.evidence.drift import FALSE_ALARMS, Floats, likelihood
from bandits.experiments.normal import normal_quantile

Numbers = NDArray[np.intp]

_MULTIPLES = np.linspace(-6.0, 6.0, 97)
"""Logarithms of the multiples of an arm's rate that are tried."""

CELLS_OF_A_LIFE = 10_000
"""The cells for which FALSE_ALARMS holds: 27 years of days."""

MOST_COMMON = 2.0
"""The greatest factor by which sales and weekends are assumed to multiply or divide all rates."""

OTHERS_KEEP = 10.0
"""Trials that the other arms keep from before a jump of one arm: its cause may have moved them too."""

_MOVED_ALONG = float(np.log(20.0))
"""The log-likelihood ratio from which on the rest counts as having moved along."""


class Changes(NamedTuple):
    """Changes by arm (K,).

    `firsts` are the first cells after an arm's last change against the rest, 0 for none. `shocks` are the last cells
    in which its own rate changed and the rest moved alike, -1 for none.
    """

    firsts: Numbers
    shocks: Numbers


def changes(trials: ArrayLike, successes: ArrayLike, *, false_alarms: float = FALSE_ALARMS) -> Changes:
    """Return the last changes of arms against the rest; `trials` and `successes` (T, K), cells in order of time.

    Each cell is tested with the cells before it only, so later cells do not undo a change. For a single arm its own
    rate decides.
    """
    tried, won = np.asarray(trials, np.float64), np.asarray(successes, np.float64)
    by_arm = [_changes_of(tried, won, arm, false_alarms) for arm in range(tried.shape[1])]
    firsts, shocks = zip(*by_arm, strict=True) if by_arm else ((), ())
    return Changes(np.array(firsts, np.intp), np.array(shocks, np.intp))


def memory(trials: ArrayLike, successes: ArrayLike, *, false_alarms: float = FALSE_ALARMS) -> Floats:
    """Return the weight (T, K), 0 to 1, of each cell of each arm; `trials` and `successes` (T, K), in order of time.

    Cells before an arm's own last change weigh 0. Cells before the last change of another arm are scaled down to
    OTHERS_KEEP trials in sum: enough to tell the arms apart, and few enough to try them all again.
    """
    tried = np.asarray(trials, np.float64)
    firsts = changes(trials, successes, false_alarms=false_alarms).firsts
    weights = np.ones_like(tried)
    changed = int(firsts.max(initial=0))
    for arm, first in enumerate(firsts):
        weights[:first, arm] = 0.0
        before = tried[first:changed, arm].sum()
        weights[first:changed, arm] = min(1.0, OTHERS_KEEP / before) if before else 1.0
    return weights


def _changes_of(tried: Floats, won: Floats, arm: int, false_alarms: float) -> tuple[int, int]:
    first, shock = 0, -1
    for end in range(2, len(tried) + 1):
        n, s = tried[first:end], won[first:end]
        gains, needed = _own_gains(n[:, arm], s[:, arm]), _needed(n[:, arm], false_alarms)
        if not (gains > needed).any():
            continue
        both = gains - needed
        if tried.shape[1] > 1:
            against = _gains_against_rest(n, s, arm) - _needed(n.sum(axis=1), false_alarms)
            beyond = _gains_beyond_common(n, s, arm) - needed
            both = np.minimum(both, np.maximum(against, beyond))
        if both.max() > 0:
            first += int(both.argmax()) + 1
        else:
            shock = end - 1
    return first, shock


def _own_gains(n: Floats, s: Floats) -> Floats:
    """Return the gain in log-likelihood (T - 1,) of a change behind each cell."""
    before, reached = np.cumsum(n), np.cumsum(s)
    parts = likelihood(before, reached) + likelihood(before[-1] - before, reached[-1] - reached)
    gains: Floats = (parts - likelihood(before[-1:], reached[-1:]))[:-1]
    return gains


def _gains_against_rest(tried: Floats, won: Floats, arm: int) -> Floats:
    """Return the gain (T - 1,) of a change, behind each cell, of the ratio of the arm's rate to that of the rest."""
    rates = (won.sum(axis=0) + 1) / (tried.sum(axis=0) + 2)
    n, s = tried[:, arm], won[:, arm]
    others, succeeded = tried.sum(axis=1) - n, won.sum(axis=1) - s
    valid = (n > 0) & (others > 0)
    typical = np.delete(tried * rates, arm, axis=1).sum(axis=1)[valid] / others[valid]
    multiples = np.multiply.outer(rates[arm] / typical, np.exp(_MULTIPLES))
    before, after = (others[valid, None], succeeded[valid, None]), (n[valid, None], s[valid, None])
    each = np.zeros((len(tried), len(_MULTIPLES)))
    each[valid] = _likelihood_of_multiple(*before, *after, multiples)
    summed = np.cumsum(each, axis=0)
    parts = summed.max(axis=1) + (summed[-1] - summed).max(axis=1)
    gains: Floats = (parts - summed[-1].max())[:-1]
    return gains


def _gains_beyond_common(tried: Floats, won: Floats, arm: int) -> Floats:
    """Return the gain (T - 1,) of a change by more than MOST_COMMON behind each cell; 0 where the rest moved along."""
    reached, succeeded = np.cumsum(tried, axis=0), np.cumsum(won, axis=0)
    n, s = reached[:-1, arm], succeeded[:-1, arm]
    later, more = reached[-1, arm] - n, succeeded[-1, arm] - s
    ratio = ((more + 0.5) / (later + 1)) / ((s + 0.5) / (n + 1))
    within = np.clip(ratio, 1 / MOST_COMMON, MOST_COMMON)
    free = likelihood(n, s) + likelihood(later, more)
    gains = np.where(within == ratio, 0.0, free - _likelihood_of_multiple(n, s, later, more, within))
    # The successes of the rest since, and those expected at its earlier rates.
    rates = (succeeded[:-1] + 1) / (reached[:-1] + 2)
    would = np.delete((reached[-1] - reached[:-1]) * rates, arm, axis=1).sum(axis=1)
    did = np.delete(succeeded[-1] - succeeded[:-1], arm, axis=1).sum(axis=1)
    along = did * np.log(ratio) - would * (ratio - 1) > _MOVED_ALONG
    result: Floats = np.where(along, 0.0, gains)
    return result


def _likelihood_of_multiple(n: Floats, s: Floats, later: Floats, more: Floats, multiple: Floats) -> Floats:
    """Return the greatest log-likelihood of successes before and later, with the later rate a given multiple."""
    both, failed, missed = s + more, n - s, later - more
    # The slope is 0 at the root of a quadratic equation in the earlier rate.
    a, b = multiple * (n + later), both * (1 + multiple) + failed + multiple * missed
    rate = (b - np.sqrt(np.maximum(b * b - 4 * a * both, 0.0))) / np.maximum(2 * a, 1e-300)
    rate = np.clip(rate, 1e-12, np.minimum(1.0, 1 / multiple) - 1e-12)
    later_rate = rate * multiple
    first = s * np.log(rate) + failed * np.log1p(-rate)
    result: Floats = first + more * np.log(later_rate) + missed * np.log1p(-later_rate)
    return result


def _needed(trials: Floats, false_alarms: float) -> float:
    """Return the gain that an alarm needs at the end of cells with so many trials (T,)."""
    at_any_trial = float(np.log(3 * max(float(trials.sum()), 1.0) ** 1.5 / false_alarms))
    return min(at_any_trial, _needed_at_ends(len(trials) - 1, false_alarms))


@lru_cache(maxsize=4096)
def _needed_at_ends(splits: int, false_alarms: float) -> float:
    return normal_quantile(false_alarms / (2 * splits * CELLS_OF_A_LIFE)) ** 2 / 2
