"""95 % intervals that hold where rewards are rare and weights are large, which the usual normal interval does not.

The distribution of the mean is taken for a gamma's, moved and turned round as its skewness says, by Wilson and
Hilferty's cube root (1931); for counts this is Byar's interval. And as Garwood (1936) has one event more for the upper
limit of a count, a few imagined decisions are added: a log without a success does not prove that there is none.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

Z95 = 1.959963984540054


def unskewed_interval(terms: Floats) -> tuple[float, float]:
    """The 95 % interval of the mean of what `terms` (n,) are a sample of; everything where n < 2."""
    n = len(terms)
    if n < 2 or not np.isfinite(terms).all():
        return -np.inf, np.inf
    value = float(terms.mean())
    away = terms - value
    spread = float(np.sqrt(away @ away / (n - 1)))
    if not spread > 0:
        return value, value
    root = float(np.sqrt(n))
    skew = float((away * away * away).mean()) / spread**3 / root
    return value + _deviation(-Z95, skew) * spread / root, value + _deviation(Z95, skew) * spread / root


def widened_interval(terms: Floats, with_imagined: Floats) -> tuple[float, float]:
    """What the intervals of `terms` and of the same with imagined ones span."""
    limits = *unskewed_interval(terms), *unskewed_interval(with_imagined)
    return min(limits), max(limits)


def _deviation(z: float, skew: float) -> float:
    """How many standard errors from the mean the limit for the normal quantile z lies; `skew` is the mean's."""
    if abs(skew) < 1e-6:
        return z
    cube: float = (1 - skew * skew / 9 + z * skew / 3) ** 3
    return (cube - 1) / skew


def with_imagined(w: Floats, r: Floats) -> tuple[Floats, Floats]:
    """Weights and rewards (n + 2,): a failure and a success more, as heavy as what the new policy typically does."""
    heavy = _typical(w)
    return np.append(w, [heavy, heavy]), np.append(r, _failure_and_success(r))


def with_imagined_on_both_sides(w: Floats, r: Floats, everything: Floats) -> tuple[Floats, Floats]:
    """Weights and rewards (n + 4,): a failure and a success more of what the new policy does more often, and of what
    it does less often. `everything` are the rewards of the whole log, which tell what a success is worth."""
    more, less = _typical(w[w > 1]), float(w[w < 1].mean()) if (w < 1).any() else 1.0
    return np.append(w, [more, more, less, less]), np.append(r, 2 * _failure_and_success(everything))


def _typical(amounts: Floats) -> float:
    """The mean amount as a unit of it sees it, sum x^2 / sum x; 1 where there is none."""
    whole = float(amounts.sum())
    return float(amounts @ amounts) / whole if whole > 0 else 1.0


def _failure_and_success(r: Floats) -> list[float]:
    failure = min(0.0, float(r.min(initial=0.0)))
    return [failure, failure + _typical(r - failure)]
