"""Delay: how much a decision without an outcome tells by its age."""

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
"""The bin of what has not come yet."""
ENOUGH = 1_000
"""Successes of closed decisions from which on these alone tell the delays."""


def bin_of(delay_ms: int) -> int:
    """The bin of a delay; a clock that ran backwards counts as no delay."""
    return max(bisect_right(EDGES, delay_ms) - 1, 0)


class PendingDelays(NamedTuple):
    """What is known of decisions whose windows are open: their age and, after which delay, so many of either (bins).

    Those of which nothing is known stand with the failures of the delay `NOT_YET`.
    """

    age: int
    delay: int
    successes: int
    failures: int


class DelayCurve:
    """How much a decision still open at some age tells, between 0 (nothing) and 1 (as much as a failure).

    `successes` and `failures` are how many of either came in each bin of delay, of decisions whose windows have closed;
    failures that nobody reports come as the window closes. Where failures are told as soon as successes, an open
    decision tells nothing; where they never are, it tells the share of the successes that would have come by its age.
    `young` are those that are still open, worth reading where few have closed. With little to go by, both are
    taken to come as the window closes, with the weight of one each, so that an open decision tells nothing.
    """

    def __init__(
        self,
        successes: Sequence[int],
        failures: Sequence[int] = (),
        *,
        window_ms: int,
        young: Sequence[PendingDelays] = (),
    ) -> None:
        if window_ms <= 0:
            raise ValueError(f"window_ms must be positive: {window_ms}")
        self._window = window_ms
        self._won = _come_by(_by_age(successes, young), _GUESS * _evenly(window_ms))
        lost = _filled(failures)
        for one in young:
            # Of those of which nothing is known, only as many have failed as would have been heard of otherwise.
            lost[one.delay] += one.failures * (self._won[one.age] if one.delay == NOT_YET else 1.0)
        self._lost = (lost.cumsum() - lost) / (lost.sum() + 1)
        self._least = np.maximum.accumulate(_share(self._won, self._lost))

    def share(self, age_ms: float) -> float:
        """The share at that age: never less at a greater one, and 1 from the end of the window on."""
        if age_ms >= self._window:
            return 1.0
        won, lost = np.interp(age_ms, _AT, self._won), np.interp(age_ms, _AT, self._lost)
        # Within a bin the share only rises or only falls, so that the greatest at the edges before it is enough.
        return float(max(_share(won, lost), self._least[bin_of(int(age_ms))]))

    def share_since(self, oldest_ms: float, span_ms: float) -> float:
        """The share of decisions that were made evenly over a span of time, the first of them at that age.

        Counted at the age of the first, they would all seem older than they are.
        """
        return self.share(oldest_ms - min(span_ms, oldest_ms) / 2)


_AT = np.array(EDGES, np.float64)
_COMPLETE = len(EDGES)
# Successes: next to nothing where there are any, but all there is where nobody is old enough.
_GUESS = 0.01
# What came in a bin (a column) is known of all decisions whose age (a row) lies in a later one; the last row is closed.
_KNOWN = np.tri(len(EDGES) + 1, len(EDGES), -1)


def _come_by(told: Floats, prior: Floats) -> Floats:
    """The share of the successes that come by the lower edge of each bin, from what was `told` (ages, bins) so far.

    Of the young only quick successes are known. So each bin is judged by the decisions that are old enough: how many of
    the successes up to its end came in it. The product of the complements, from the last bin down, is the product-limit
    estimate for right-truncated times (Lynden-Bell, 1971; Woodroofe, 1985; Lagakos, Barraj and De Gruttola, 1988). It
    does not ask how many succeed, which changes while a bandit learns. Bins later than anyone's age have the prior.
    One more success is taken to come last of all.
    """
    known = told * _KNOWN
    came, of = known.sum(axis=0) + prior, (known.cumsum(axis=1) * _KNOWN).sum(axis=0) + prior.cumsum()
    share: Floats = np.cumprod(np.maximum(1 - came / of, 0.0)[::-1])[::-1]
    return share * float(known.sum() / (known.sum() + 1))


def _by_age(successes: Sequence[int], young: Sequence[PendingDelays]) -> Floats:
    told = np.zeros(_KNOWN.shape)
    told[_COMPLETE] = _filled(successes)
    for one in young:
        told[one.age, one.delay] += one.successes
    return told


def _evenly(window_ms: int) -> Floats:
    """The chance of each bin where any doubling of the time, from a second to the window, is as likely."""
    by_edge = np.log1p(np.minimum(_AT, window_ms) / SECOND) / np.log1p(window_ms / SECOND)
    return np.diff(by_edge, append=1.0)


def _share(won: ArrayLike, lost: ArrayLike) -> Floats:
    """By how much less a success is likely where nothing came yet, if so many of either would have come.

    (1 - won) rate : (1 - lost) (1 - rate) are the odds of what is still to come; as after one trial that could succeed
    with that chance only.
    """
    come, open_yet = np.subtract(won, lost), np.subtract(1.0, lost)
    return np.clip(come / open_yet, 0.0, 1.0)


def _filled(counts: Sequence[int]) -> Floats:
    """A count for each bin."""
    return np.array([*counts, *[0] * (len(EDGES) - len(counts))], np.float64)
