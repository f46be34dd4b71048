"""Clusters of decisions that depend on each other: those about the same customer.

Only the sums of clusters are independent (Liang and Zeger, 1986). The variance of their mean is the jackknife's, which
leaves out one cluster at a time (CR3; MacKinnon, Nielsen and Webb, 2023): a cluster with much of the weight draws the
mean towards itself, so its own deviation is too small. Student's t allows for the error of that variance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

LEAST_CLUSTERS = 20.0
"""Fewer clusters do not tell the variance between them (Cameron, Gelbach and Miller, 2008)."""


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Clusters of n rows: `numbers` (n,) from 0 without gaps.

    The rows' `weights` (n,), 1 on average, are proportional to the standard deviations of their terms. The `leverages`
    (n,), times n, tell how far a row draws the estimate towards itself. They are the weights, except with a slope.
    """

    numbers: NDArray[np.intp]
    weights: Floats
    leverages: Floats

    @classmethod
    def of(cls, labels: ArrayLike, weights: Floats) -> Clusters:
        """Number the labels (n,). Raise ValueError if there is not one for each weight (n,)."""
        numbers = np.unique(np.asarray(labels), return_inverse=True)[1].astype(np.intp)
        if numbers.shape != weights.shape:
            raise ValueError(f"there must be a cluster for each of {len(weights)} decisions, not {numbers.shape}")
        return cls(numbers, weights, weights)

    @property
    def count(self) -> int:
        return int(self.numbers.max(initial=-1)) + 1

    def rows(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Clusters:
        """Return the clusters of some rows, in their order."""
        return Clusters.of(self.numbers[rows], self.weights[rows])

    def with_slope(self, x: Floats) -> Clusters:
        """Return the clusters for terms in proportion to x (n,), less a regression on x, which adds leverage."""
        if not x.any():
            return self
        sizes, squares = np.abs(x), x * x
        return Clusters(self.numbers, sizes / sizes.mean(), 1 + squares / squares.mean())

    def with_single_rows(self, count: int) -> Clusters:
        """Return the clusters with `count` more rows, each of weight 1 and in a cluster of its own."""
        own, ones = np.arange(self.count, self.count + count), np.ones(count)
        return Clusters(np.append(self.numbers, own), np.append(self.weights, ones), np.append(self.leverages, ones))

    def sums(self, values: Floats) -> Floats:
        """Return the sums of values (n,) by cluster."""
        return np.bincount(self.numbers, weights=values).astype(np.float64)

    def effective_count(self) -> float:
        """Return the number of clusters of equal weight that would tell as much (Kish, 1965)."""
        weights = self.sums(self.weights)
        squares = float(weights @ weights)
        return float(weights.sum()) ** 2 / squares if squares > 0 else 0.0

    def error(self, sums: Floats) -> float:
        """Return the standard error of the total of the clusters' sums of deviations."""
        return float(np.sqrt((self._left_out(sums) ** 2).sum()))

    def degrees_of_freedom(self, sums: Floats) -> float:
        """Return Student's degrees of freedom for the error of these sums of deviations.

        Return the fewer of those by the clusters' weights (Satterthwaite, 1946) and those by the fourth moment of their
        sums, which is 3 times the squared variance if they are normal.
        """
        squares, shares = self._left_out(sums) ** 2, self.sums(self.weights) ** 2
        by_moment = 3 * float(squares.sum()) ** 2 / float(squares @ squares)
        return min(by_moment, float(shares.sum()) ** 2 / float(shares @ shares))

    def refusal(self) -> str:
        """Return the reason why these clusters cannot tell the error of an estimate, or nothing."""
        count = self.effective_count()
        if count >= LEAST_CLUSTERS:
            return ""
        return f"the decisions tell as much as those of {count:.0f} customers; at least {LEAST_CLUSTERS:.0f} are needed"

    def _left_out(self, sums: Floats) -> Floats:
        n = len(self.numbers)
        # The mean alone gives each row the leverage 1 / n.
        leverages = np.maximum(np.bincount(self.numbers), self.sums(self.leverages)) / n
        # A single cluster with all the weight has no others to compare with.
        left_out: Floats = sums / np.maximum(1 - leverages, 1 / n)
        return left_out
