"""What an experiment keeps of each variant: sums over its units, from which all estimates follow.

A unit is a row of k numbers: the metric, then what it is divided by or adjusted with (a denominator, a covariate).
Variances are per unit: divide by `n` for the variance of an estimate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Sums over `n` units: of the k numbers, `totals` (k,), and of their products, `products` (k, k)."""

    n: float
    totals: Floats
    products: Floats

    @classmethod
    def of(cls, rows: ArrayLike, *, cap: float | None = None) -> Moments:
        """Sum units, (n,) or (n, k). With `cap` the first number of each unit counts at most so much."""
        units = np.asarray(rows, np.float64)
        units = units[:, None] if units.ndim == 1 else units
        if cap is not None:
            units = np.column_stack((np.minimum(units[:, 0], cap), units[:, 1:]))
        return cls(float(len(units)), units.sum(axis=0), units.T @ units)

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.n + other.n, self.totals + other.totals, self.products + other.products)

    @property
    def means(self) -> Floats:
        return self.totals / self.n

    @property
    def covariance(self) -> Floats:
        """The covariance of a unit's numbers (k, k), with n - 1 below; zeros for a single unit."""
        if self.n < 2:
            return np.zeros_like(self.products)
        centred: Floats = self.products - np.outer(self.totals, self.totals) / self.n
        return centred / (self.n - 1)


ROUNDING = 1e-11
"""Sums of squares have 16 digits, of which the variance of alike amounts loses some."""


@dataclass(frozen=True, slots=True)
class MetricEstimate:
    """A metric of one variant: its value, the variance of a single unit's part in it, and the number of units."""

    value: float
    variance: float
    n: float

    @property
    def error(self) -> float:
        return float(np.sqrt(self.variance / self.n)) if self.n > 0 else np.inf


def mean_of(moments: Moments) -> MetricEstimate:
    """Return the mean of the first number."""
    return MetricEstimate(float(moments.means[0]), max(0.0, float(moments.covariance[0, 0])), moments.n)


def ratio_of(moments: Moments) -> MetricEstimate:
    """Return the sum of the first number over the sum of the second, by the delta method; NaN if the latter is 0."""
    if not moments.totals[1]:
        return MetricEstimate(np.nan, np.nan, moments.n)
    value, below = float(moments.totals[0] / moments.totals[1]), float(moments.means[1])
    slope = np.array([1.0, -value]) / below
    terms = np.outer(slope, slope) * moments.covariance[:2, :2]
    variance = float(terms.sum())
    # Where all parts of the ratio are alike, its terms cancel up to rounding.
    is_noise = variance <= ROUNDING * float(np.abs(terms).sum())
    return MetricEstimate(value, 0.0 if is_noise else variance, moments.n)


def adjusted_means(variants: list[Moments]) -> list[MetricEstimate]:
    """Return the means of the first number, adjusted by the other numbers as covariates (CUPED).

    Covariates are known before the exposure, so their means differ by chance only (Deng, Xu, Kohavi and Walker, 2013).
    The slopes and the overall mean are common to all variants, so differences stay those of the same units.
    """
    covariances = sum((moments.covariance * (moments.n - 1) for moments in variants), np.zeros(()))
    slopes = np.linalg.lstsq(covariances[1:, 1:], covariances[1:, 0], rcond=None)[0]
    overall = sum((moments.totals for moments in variants), np.zeros(())) / sum(moments.n for moments in variants)
    weights = np.append(1.0, -slopes)
    return [
        MetricEstimate(
            float(weights @ moments.means + slopes @ overall[1:]),
            max(0.0, float(weights @ moments.covariance @ weights)),
            moments.n,
        )
        for moments in variants
    ]
