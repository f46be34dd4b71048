"""95 % intervals that also cover the truth if rewards are rare and weights are large, unlike the normal interval.

The mean is taken to follow a gamma distribution, shifted and mirrored to match its skewness, by Wilson and Hilferty's
cube root (1931); for counts this is Byar's interval. As Garwood (1936) adds one event for the upper limit of a count, a
few imagined decisions are added: a log without a success does not prove that there is none.

The decisions about one customer form a cluster (module `clusters`).
"""

import math

import numpy as np
from numpy.typing import NDArray

from bandits.evaluation.clusters import Clusters
from bandits.posterior.student import student_quantile

Floats = NDArray[np.float64]

Z95 = 1.959963984540054


def unskewed_interval(terms: Floats, clusters: Clusters | None = None) -> tuple[float, float]:
    """Return the 95 % interval of the mean of the population of `terms` (n,); infinite if n < 2.

    Rows of the same cluster may depend on each other in any way; without `clusters`, all rows are independent.
    """
    if len(terms) < 2 or not np.isfinite(terms).all() or (clusters is not None and clusters.count < 2):
        return -np.inf, np.inf
    value, error = float(terms.mean()), standard_error(terms, clusters)
    if not error > 0:
        return value, value
    sums = terms - value if clusters is None else clusters.sums(terms - value)
    skew, quantile = float((sums * sums * sums).sum()) / (len(terms) * error) ** 3, Z95
    if clusters is not None:
        degrees = clusters.degrees_of_freedom(sums)
        # The skewness of few sums is mostly noise, of variance 6 / count if they are normal.
        skew *= max(0.0, 1 - 6 / (degrees * skew) ** 2) if skew else 0.0
        quantile = student_quantile(0.975, degrees)
    return value + _deviation(-quantile, skew) * error, value + _deviation(quantile, skew) * error


def wilson_interval(share: float, count: float) -> tuple[float, float]:
    """Return Wilson's 95 % score interval (1927) of a share among `count` independent trials, also for rare events."""
    square = Z95 * Z95 / count
    middle = (share + square / 2) / (1 + square)
    half = Z95 / (1 + square) * math.sqrt(share * (1 - share) / count + square / (4 * count))
    return max(0.0, middle - half) if share > 0 else 0.0, min(1.0, middle + half)


def standard_error(terms: Floats, clusters: Clusters | None = None) -> float:
    """Return the standard error of the mean of `terms` (n,), n at least 2."""
    n, deviations = len(terms), terms - terms.mean()
    if clusters is None:
        return float(np.sqrt(deviations @ deviations / (n - 1))) / float(np.sqrt(n))
    return clusters.error(clusters.sums(deviations)) / n


def widened_interval(terms: Floats, imagined: Floats, clusters: Clusters | None = None) -> tuple[float, float]:
    """Return the span of the intervals of `terms` and of `imagined`: the terms, followed by those of imagined rows."""
    more = None if clusters is None else clusters.with_single_rows(len(imagined) - len(terms))
    limits = *unskewed_interval(terms, clusters), *unskewed_interval(imagined, more)
    return min(limits), max(limits)


def _deviation(z: float, skew: float) -> float:
    """Return the limit for the normal quantile z, in standard errors from the mean; `skew` is the mean's."""
    if abs(skew) < 1e-6:
        return z
    cube: float = (1 - skew * skew / 9 + z * skew / 3) ** 3
    return (cube - 1) / skew


def with_imagined(w: Floats, r: Floats) -> tuple[Floats, Floats]:
    """Return weights and rewards (n + 2,) with an imagined failure and success of the new policy's typical weight."""
    weight = _typical(w)
    return np.append(w, [weight, weight]), np.append(r, _failure_and_success(r))


def with_imagined_on_both_sides(w: Floats, r: Floats, everything: Floats) -> tuple[Floats, Floats]:
    """Return weights and rewards (n + 4,) with an imagined failure and success on either side of weight 1.

    `everything` are the rewards of the whole log, which show the reward of a success.
    """
    more, less = _typical(w[w > 1]), float(w[w < 1].mean()) if (w < 1).any() else 1.0
    return np.append(w, [more, more, less, less]), np.append(r, 2 * _failure_and_success(everything))


def _typical(amounts: Floats) -> float:
    """Return the mean weighted by size, sum x^2 / sum x; 1 if all are 0."""
    total = float(amounts.sum())
    return float(amounts @ amounts) / total if total > 0 else 1.0


def _failure_and_success(r: Floats) -> list[float]:
    failure = min(0.0, float(r.min(initial=0.0)))
    return [failure, failure + _typical(r - failure)]
