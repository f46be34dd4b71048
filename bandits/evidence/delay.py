"""Delay: how much evidence a pending decision of some age is, from the delays of outcomes so far."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from copy import copy
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SECOND = 1_000
_STEPS = 4
_OCTAVES = 25
EDGES = (0, *(round(SECOND * 2 ** (step / _STEPS)) for step in range(_STEPS * _OCTAVES + 1)))
"""The lower edges of the bins in ms: under a second, then four bins to each doubling, the last from 388 days on."""
NOT_YET = len(EDGES) - 1
"""The delay bin of decisions whose outcome has not arrived."""
ENOUGH = 1_000
"""With so many successes of closed decisions, pending ones are not needed to estimate delays."""


def bin_of(delay_ms: int) -> int:
    """Return the bin of a delay; a negative one, from a clock that runs behind, counts as 0."""
    return max(bisect_right(EDGES, delay_ms) - 1, 0)


class PendingCount(NamedTuple):
    """Numbers of decisions whose windows are open, by the bins of their age and of the delay of their outcome.

    Decisions without an outcome count as failures with the delay `NOT_YET`.
    """

    age: int
    delay: int
    successes: int
    failures: int


class DelayCurve:
    """The weight of a pending decision as a failure, by age: from 0 (no evidence) to 1 (as much as a failure).

    `successes` and `failures` count decisions whose windows have closed by the bin of the delay; failures that nobody
    reported have the delay of the window. `pending` counts decisions with open windows, and is worth passing if few
    windows have closed. If failures are reported as fast as successes, a pending decision is no evidence; if failures
    are never reported, its weight is the share of successes that arrive by its age. Without data one success and one
    failure are assumed as the window closes, so that a pending decision is no evidence. `weights` are those at EDGES.

    Raises ValueError unless `window_ms` is positive.
    """

    def __init__(
        self,
        successes: Sequence[float],
        failures: Sequence[float] = (),
        *,
        window_ms: int,
        pending: Sequence[PendingCount] = (),
    ) -> None:
        if window_ms <= 0:
            raise ValueError(f"window_ms must be positive: {window_ms}")
        self._window = window_ms
        observed = successes_by_age(successes, pending)
        total = float(observed.sum())
        arrived = share_arrived(observed, window_ms) * (total / (total + 1))
        self.weights: Floats = failure_weights(arrived, share_failed(failures, pending, arrived))

    def weighed(self, weights: Floats) -> DelayCurve:
        """Return a curve for the same window with other weights at the edges of the bins, which never fall."""
        curve = copy(self)
        curve.weights = weights
        return curve

    def share(self, age_ms: float) -> float:
        """Return the weight at an age: it never falls as the age grows, and is 1 from the end of the window on."""
        return 1.0 if age_ms >= self._window else float(np.interp(age_ms, _EDGES, self.weights))

    def share_since(self, oldest_ms: float, span_ms: float) -> float:
        """Return the weight of decisions made evenly over a span of time, the first of them at that age.

        The age of the first would make all of them seem older than they are, so the middle of the span counts.
        """
        return self.share(oldest_ms - min(span_ms, oldest_ms) / 2)


_EDGES = np.array(EDGES, np.float64)
_CLOSED = len(EDGES)
"""The age row of decisions whose windows have closed."""
_PRIOR_SUCCESSES = 0.01
"""The weight of the prior on delays: negligible once there are successes, but used for ages that no decision has."""
_OBSERVABLE = np.tri(len(EDGES) + 1, len(EDGES), -1)
"""1 where decisions of an age (row) are old enough to show a delay (column): only delays in earlier bins."""


def successes_by_age(closed: Sequence[float], pending: Sequence[PendingCount]) -> Floats:
    """Return successes (ages, bins) that could be seen, the last row those of closed decisions."""
    counts = np.zeros(_OBSERVABLE.shape)
    counts[_CLOSED] = padded(closed)
    for row in pending:
        counts[row.age, row.delay] += row.successes
    return counts * _OBSERVABLE


def share_arrived(successes: Floats, window_ms: int) -> Floats:
    """Return the share of successes that arrive by the lower edge of each bin, from `successes` (ages, bins) so far.

    Of recent decisions only quick successes are known. So each bin is judged by the decisions that are old enough: by
    the share of the successes up to the end of the bin that arrived in it. The product of the complements, from the
    last bin down, is the product-limit estimate for right-truncated times (Lynden-Bell, 1971; Woodroofe, 1985;
    Lagakos, Barraj and De Gruttola, 1988). It does not depend on the rate of success, which changes while a bandit
    learns. Bins beyond the greatest age follow the prior.
    """
    prior = _PRIOR_SUCCESSES * log_uniform(window_ms)
    in_bin = successes.sum(axis=0) + prior
    up_to_bin = (successes.cumsum(axis=1) * _OBSERVABLE).sum(axis=0) + prior.cumsum()
    share: Floats = np.cumprod(np.maximum(1 - in_bin / up_to_bin, 0.0)[::-1])[::-1]
    return share


def share_failed(failures: Sequence[float], pending: Sequence[PendingCount], arrived: Floats) -> Floats:
    """Return the share of failures that are reported by the lower edge of each bin."""
    failed = padded(failures)
    for row in pending:
        # Of pending decisions, count as failures only the share whose success would have arrived by now.
        failed[row.delay] += row.failures * (arrived[row.age] if row.delay == NOT_YET else 1.0)
    share: Floats = (failed.cumsum() - failed) / (failed.sum() + 1)
    return share


def log_uniform(window_ms: int) -> Floats:
    """Return the probability of each bin if each doubling of the delay, up to the window, is equally likely."""
    by_edge = np.log1p(np.minimum(_EDGES, window_ms) / SECOND) / np.log1p(window_ms / SECOND)
    return np.diff(by_edge, append=1.0)


def failure_weights(arrived: Floats, failed: Floats) -> Floats:
    """Return the weights of pending decisions at the edges, from the shares of successes and failures known by then.

    Successes to failures still to come are as (1 - arrived) * rate to (1 - failed) * (1 - rate): the same ratio as
    after one trial that could have succeeded with the returned probability only. `arrived` may have rows.
    """
    weights = np.clip((arrived - failed) / (1.0 - failed), 0.0, 1.0)
    return np.maximum.accumulate(weights, axis=-1)


def padded(counts: Sequence[float]) -> Floats:
    """Return a count for every bin."""
    return np.array([*counts, *[0] * (len(EDGES) - len(counts))], np.float64)
