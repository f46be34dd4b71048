"""Compare two groups within strata, also where rows of the same customer depend on each other.

Groups are compared inside each stratum, and the differences are averaged with the weights of Mantel and Haenszel
(Greenland and Robins, 1985), n1 n2 / (n1 + n2): rows of a stratum that only one group is in count for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits.evaluation.clusters import Clusters, Floats
from bandits.evaluation.intervals import standard_error, unskewed_interval, widened_interval
from bandits.posterior.student import student_distribution

LEAST_ROWS = 2
"""Fewer rows of a group in a stratum do not tell how much they vary."""


@dataclass(frozen=True, slots=True)
class StratifiedDifference:
    """The mean of the first group less that of the second, with its 95 % interval and two-sided p-value.

    `rows` were compared. `refused` is the reason why customers are too few to tell the error, or empty.
    """

    value: float
    low: float
    high: float
    p_value: float
    rows: int
    refused: str = ""


def stratified_difference(
    values: ArrayLike, is_first: ArrayLike, strata: ArrayLike, customers: ArrayLike
) -> StratifiedDifference | None:
    """Return the difference of two groups of rows (n,) inside strata (n,); None if no stratum has both.

    `is_first` (n,) says which group a row is in, `customers` (n,) which cluster. The squared deviations of a stratum's
    n rows count n / (n - 1) times, because they are taken from the stratum's own mean.
    """
    y: Floats = np.asarray(values, np.float64)
    first: NDArray[np.bool_] = np.asarray(is_first, np.bool_)
    numbers = np.unique(np.asarray(strata), return_inverse=True)[1].astype(np.intp)
    counts = _by_cell(np.ones(len(y)), first, numbers)
    shared: NDArray[np.bool_] = np.min(counts, axis=0) >= LEAST_ROWS
    weights = np.where(shared, counts[0] * counts[1] / np.maximum(counts.sum(axis=0), 1), 0.0)
    if not weights.sum():
        return None
    weights /= weights.sum()
    means = _by_cell(y, first, numbers) / np.maximum(counts, 1)
    compared = shared[numbers]
    cell = (np.where(first, 0, 1)[compared], numbers[compared])
    leverage = weights[cell[1]] / counts[cell] * compared.sum()
    scale = np.sqrt(counts[cell] / (counts[cell] - 1))
    value = float(weights @ (means[0] - means[1]))
    terms = value + np.where(cell[0] == 0, 1.0, -1.0) * leverage * scale * (y[compared] - means[cell])
    clusters = Clusters.of(np.asarray(customers)[compared], leverage / leverage.mean())
    return _difference(value, terms, clusters)


def clustered_mean(values: ArrayLike, customers: ArrayLike) -> tuple[float, float, float]:
    """Return the mean of successes or amounts (n,), n at least 1, and the ends of its 95 % interval.

    The interval includes an imagined failure and an imagined success of the usual size, as in `intervals`.
    """
    y = np.asarray(values, np.float64)
    usual = float(y @ y / y.sum()) if y.sum() > 0 else 1.0
    clusters = Clusters.of(customers, np.ones(len(y)))
    low, high = widened_interval(y, np.append(y, [0.0, usual]), clusters)
    return float(y.mean()), low, high


def _difference(value: float, terms: Floats, clusters: Clusters) -> StratifiedDifference:
    low, high = unskewed_interval(terms, clusters)
    error = standard_error(terms, clusters) if clusters.count > 1 else 0.0
    if not error > 0:
        return StratifiedDifference(value, -np.inf, np.inf, 1.0, len(terms), clusters.refusal())
    degrees = clusters.degrees_of_freedom(clusters.sums(terms - terms.mean()))
    p_value = 2 * student_distribution(-abs(value) / error, degrees)
    return StratifiedDifference(value, low, high, p_value, len(terms), clusters.refusal())


def _by_cell(values: Floats, first: NDArray[np.bool_], strata: NDArray[np.intp]) -> Floats:
    """Return sums by group and stratum, (2, strata)."""
    size = int(strata.max(initial=-1)) + 1
    sums = [np.bincount(strata[part], weights=values[part], minlength=size) for part in (first, ~first)]
    return np.array(sums, np.float64).reshape(2, size)
