"""Estimates from traffic that a bandit moved: AIPW with logged chances and nuisances of the past alone.

The plain mean of a variant is biased, because a bandit tries it more after luck. The score of a unit,

    m + (assigned ? (y - m) / chance : 0)      m: the mean of the variant's earlier units

has the variant's true mean given all that came before, whatever the bandit did (Robins, Rotnitzky and Zhao, 1994;
Hadad, Hirshberg, Zhan, Wager and Athey, 2021). So scores less the truth are a martingale, and confidence sequences
hold for their mean (Waudby-Smith et al., 2024, section 3). Chances must stay above a floor.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits.experiments.chances import standings
from bandits.experiments.moments import MetricEstimate, Moments, mean_of, ratio_of
from bandits.experiments.sequential import anytime_p_value, precision_for

Floats = NDArray[np.float64]
_PRECISION = precision_for(10_000)


def scores(assigned: ArrayLike, chances: ArrayLike, rewards: ArrayLike, *, variants: int) -> Floats:
    """Return the scores (n, V) of n units in their order.

    `assigned` (n,) are variants from 0, `chances` (n,) the logged chances of these, `rewards` (n,). Raise ValueError
    for a chance outside 0 to 1.
    """
    arms, p, y = np.asarray(assigned, np.intp), np.asarray(chances, np.float64), np.asarray(rewards, np.float64)
    if not ((p > 0) & (p <= 1)).all():
        raise ValueError("chances must lie above 0 and at most at 1")
    rows, result = np.arange(len(y)), np.empty((len(y), variants))
    is_assigned = np.zeros((len(y), variants))
    is_assigned[rows, arms] = 1.0
    past = _past_means(is_assigned, y)
    result[:] = past
    result[rows, arms] += (y - past[rows, arms]) / p
    return result


def adaptive_means(scores: Floats, *, burn_in: int = 0) -> list[MetricEstimate]:
    """Return the variants' means from scores (n, V) without those of the first `burn_in` units."""
    return [mean_of(Moments.of(column)) for column in scores[burn_in:].T]


def adaptive_difference(scores: Floats, *, control: int = 0, variant: int = 1, burn_in: int = 0) -> MetricEstimate:
    """Return the difference of two variants: of their scores unit by unit, for both have one of every unit."""
    return mean_of(Moments.of(scores[burn_in:, variant] - scores[burn_in:, control]))


def _past_means(is_assigned: Floats, rewards: Floats) -> Floats:
    """Return before each unit the mean of each variant's earlier rewards, shrunk to that of all; 0 at first."""
    counts = np.vstack((np.zeros(is_assigned.shape[1]), is_assigned.cumsum(axis=0)[:-1]))
    sums = np.vstack((np.zeros(is_assigned.shape[1]), (is_assigned * rewards[:, None]).cumsum(axis=0)[:-1]))
    overall = sums.sum(axis=1) / np.maximum(1.0, counts.sum(axis=1))
    means: Floats = (sums + overall[:, None]) / (counts + 1.0)
    return means


LEAST_WEIGHTED_EVENTS = 100
"""A variant with a small share has few events that weigh much: before so many of equal weight, the normal limit has
not set in. With 20, as on fixed shares, 8 to 12 of 100 experiments between equals were rejected at some look."""


class SharesPeriod(NamedTuple):
    """Units that came while the shares stayed: each variant's share, units, and sums of their y and y squared (V,)."""

    shares: Floats
    units: Floats
    sums: Floats
    squares: Floats


class SharesPast(NamedTuple):
    """The units of earlier periods by variant (V,), and the sums of their y."""

    units: Floats
    sums: Floats

    @classmethod
    def nothing(cls, variants: int) -> SharesPast:
        return cls(np.zeros(variants), np.zeros(variants))

    def after(self, period: SharesPeriod) -> SharesPast:
        return SharesPast(self.units + period.units, self.sums + period.sums)

    @property
    def means(self) -> Floats:
        """Return the means by variant, shrunk to that of all; 0 at first."""
        overall = self.sums.sum() / max(1.0, self.units.sum())
        means: Floats = (self.sums + overall) / (self.units + 1.0)
        return means


def weighted_events(periods: Iterable[SharesPeriod]) -> Floats:
    """Return by variant the number of events of equal weight (Kish, 1965), each weighted by one over its chance."""
    rows = [(period.sums / period.shares, period.squares / period.shares**2) for period in periods]
    if not rows:
        return np.zeros(1)
    sums, squares = (np.sum(column, axis=0) for column in zip(*rows, strict=True))
    events: Floats = sums**2 / np.maximum(squares, np.finfo(np.float64).tiny)
    return events


def moments_of(periods: Iterable[SharesPeriod], before: SharesPast | None = None) -> tuple[Moments, SharesPast]:
    """Return the moments of all variants' scores, from periods in their order, and the past to go on from.

    The means m are those of the periods before, so sums are enough; with a unit in each period they are `scores`.
    """
    past = before
    total: Moments | None = None
    for period in periods:
        past = past or SharesPast.nothing(len(period.shares))
        moments = _scores_of(period, past.means)
        total = moments if total is None else total + moments
        past = past.after(period)
    if total is None or past is None:
        raise ValueError("there must be a period")
    return total, past


def _scores_of(period: SharesPeriod, means: Floats) -> Moments:
    """Return the moments of the scores of a period's units."""
    shares, units, sums, squares = period
    n = float(units.sum())
    residuals = sums - units * means
    own = units * means + residuals / shares
    spread = squares - 2 * means * sums + units * means**2
    own_squares = units * means**2 + 2 * means * residuals / shares + spread / shares**2
    crossed = np.outer(own, means)
    products = crossed + crossed.T + (n - units[:, None] - units) * np.outer(means, means)
    np.fill_diagonal(products, own_squares + (n - units) * means**2)
    return Moments(n, own + (n - units) * means, products)


def variant_estimate(moments: Moments, variant: int) -> MetricEstimate:
    """Return the mean of a variant, from the moments of all variants' scores."""
    return mean_of(_of(moments, [variant]))


def adaptive_lift(moments: Moments, variant: int, control: int = 0) -> MetricEstimate:
    """Return variant over control, less 1: both have a score of every unit, so it is a ratio of sums (delta method)."""
    ratio = ratio_of(_of(moments, [variant, control]))
    return MetricEstimate(ratio.value - 1, ratio.variance, ratio.n)


def _of(moments: Moments, variants: list[int]) -> Moments:
    return Moments(moments.n, moments.totals[variants], moments.products[np.ix_(variants, variants)])


def moved_shares(estimates: list[MetricEstimate], *, floor: float) -> list[float]:
    """Return the shares of Thompson sampling: each variant's chance to be the best, above an additive floor."""
    room = 1.0 - floor * len(estimates)
    return [floor + room * standing.chance_to_win for standing in standings(estimates)]


def shares_p_value(shares: Floats, units: Floats) -> float:
    """Return how likely units (H, V) come in shares this far from those of their hours (H, V); valid at every look.

    Units less what was expected are a martingale. The bound over variants is Bonferroni's.
    """
    hourly = units.sum(axis=1, keepdims=True)
    n = float(hourly.sum())
    if not n:
        return 1.0
    off = (units - hourly * shares).sum(axis=0) / n
    variances = (hourly * shares * (1 - shares)).sum(axis=0) / n
    pairs = zip(off.tolist(), variances.tolist(), strict=True)
    p_values = [anytime_p_value(MetricEstimate(value, variance, n), _PRECISION) for value, variance in pairs]
    return min(1.0, len(p_values) * min(p_values))
