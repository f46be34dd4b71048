"""Delay: how much evidence a pending decision of some age is, from the delays of outcomes so far."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

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
    failure are assumed as the window closes, so that a pending decision is no evidence.

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
        prior = _PRIOR_SUCCESSES * _log_uniform(window_ms)
        self._success_share = _share_arrived(_successes_by_age(successes, pending), prior)
        failed = _padded(failures)
        for row in pending:
            # Of pending decisions, count as failures only the share whose success would have arrived by now.
            failed[row.delay] += row.failures * (self._success_share[row.age] if row.delay == NOT_YET else 1.0)
        self._failure_share = (failed.cumsum() - failed) / (failed.sum() + 1)
        self._least = np.maximum.accumulate(_weight(self._success_share, self._failure_share))

    def share(self, age_ms: float) -> float:
        """Return the weight at an age: it never falls as the age grows, and is 1 from the end of the window on."""
        if age_ms >= self._window:
            return 1.0
        succeeded = np.interp(age_ms, _EDGES, self._success_share)
        failed = np.interp(age_ms, _EDGES, self._failure_share)
        # Within a bin the weight is monotone, so the maximum over the edges before it is enough.
        return float(max(_weight(succeeded, failed), self._least[bin_of(int(age_ms))]))

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


def _share_arrived(successes: Floats, prior: Floats) -> Floats:
    """Return the share of successes that arrive by the lower edge of each bin, from `successes` (ages, bins) so far.

    Of recent decisions only quick successes are known. So each bin is judged by the decisions that are old enough: by
    the share of the successes up to the end of the bin that arrived in it. The product of the complements, from the
    last bin down, is the product-limit estimate for right-truncated times (Lynden-Bell, 1971; Woodroofe, 1985;
    Lagakos, Barraj and De Gruttola, 1988). It does not depend on the rate of success, which changes while a bandit
    learns. Bins beyond the greatest age follow the prior. One more success is assumed to arrive last of all.
    """
    observed = successes * _OBSERVABLE
    in_bin = observed.sum(axis=0) + prior
    up_to_bin = (observed.cumsum(axis=1) * _OBSERVABLE).sum(axis=0) + prior.cumsum()
    share: Floats = np.cumprod(np.maximum(1 - in_bin / up_to_bin, 0.0)[::-1])[::-1]
    return share * float(observed.sum() / (observed.sum() + 1))


def _successes_by_age(closed: Sequence[float], pending: Sequence[PendingCount]) -> Floats:
    counts = np.zeros(_OBSERVABLE.shape)
    counts[_CLOSED] = _padded(closed)
    for row in pending:
        counts[row.age, row.delay] += row.successes
    return counts


def _log_uniform(window_ms: int) -> Floats:
    """Return the probability of each bin if each doubling of the delay, up to the window, is equally likely."""
    by_edge = np.log1p(np.minimum(_EDGES, window_ms) / SECOND) / np.log1p(window_ms / SECOND)
    return np.diff(by_edge, append=1.0)


def _weight(success_share: ArrayLike, failure_share: ArrayLike) -> Floats:
    """Return the weight of a pending decision, given the shares of successes and failures that would have arrived.

    Successes to failures still to come are as (1 - success_share) * rate to (1 - failure_share) * (1 - rate): the
    same ratio as after one trial that could have succeeded with the returned probability only.
    """
    difference, outstanding = np.subtract(success_share, failure_share), np.subtract(1.0, failure_share)
    return np.clip(difference / outstanding, 0.0, 1.0)


def _padded(counts: Sequence[float]) -> Floats:
    """Return a count for every bin."""
    return np.array([*counts, *[0] * (len(EDGES) - len(counts))], np.float64)
