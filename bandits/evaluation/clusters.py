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
    """Clusters of n rows: `numbers` (n,) from 0 without gaps, and the rows' `weights` (n,), 1 on average."""

    numbers: NDArray[np.intp]
    weights: Floats

    @classmethod
    def of(cls, labels: ArrayLike, weights: Floats) -> Clusters:
        """Number the labels (n,). Raise ValueError if there is not one for each weight (n,)."""
        numbers = np.unique(np.asarray(labels), return_inverse=True)[1].astype(np.intp)
        if numbers.shape != weights.shape:
            raise ValueError(f"there must be a cluster for each of {len(weights)} decisions, not {numbers.shape}")
        return cls(numbers, weights)

    @property
    def count(self) -> int:
        return int(self.numbers.max(initial=-1)) + 1

    def rows(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Clusters:
        """Return the clusters of some rows, in their order."""
        return Clusters.of(self.numbers[rows], self.weights[rows])

    def with_slope(self, x: Floats) -> Clusters:
        """Return the clusters for an estimate that is corrected by a regression on x (n,), which adds leverage."""
        squares = x * x
        mean = float(squares.mean()) if len(x) else 0.0
        return Clusters(self.numbers, 1 + squares / mean) if mean > 0 else self

    def with_single_rows(self, count: int) -> Clusters:
        """Return the clusters with `count` more rows, each of weight 1 and in a cluster of its own."""
        own = np.arange(self.count, self.count + count)
        return Clusters(np.append(self.numbers, own), np.append(self.weights, np.ones(count)))

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

        The variance of an estimated variance is told by the clusters' shares of the weight, and by the fourth moment of
        their sums (3 times the squared variance if they are normal); the more cautious of both counts.
        """
        squares, shares = self._left_out(sums) ** 2, self._shares() ** 2
        by_moment = 3 * float(squares.sum()) ** 2 / float(squares @ squares)
        return min(by_moment, float(shares.sum()) ** 2 / float(shares @ shares))

    def refusal(self) -> str:
        """Return the reason why these clusters cannot tell the error of an estimate, or nothing."""
        count = self.effective_count()
        if count >= LEAST_CLUSTERS:
            return ""
        return f"the decisions tell as much as those of {count:.0f} customers; at least {LEAST_CLUSTERS:.0f} are needed"

    def _shares(self) -> Floats:
        """Return each cluster's share of the rows, or of the weight if that is more: its leverage on the estimate."""
        shares: Floats = np.maximum(np.bincount(self.numbers), self.sums(self.weights)) / len(self.numbers)
        return shares

    def _left_out(self, sums: Floats) -> Floats:
        # A single cluster with all the weight has no others to compare with.
        left_out: Floats = sums / np.maximum(1 - self._shares(), 1 / len(self.numbers))
        return left_out
