"""Delay: how much a decision without an outcome tells by its age."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

SECOND = 1_000
_STEPS = 4
_OCTAVES = 25
EDGES = (0, *(round(SECOND * 2 ** (step / _STEPS)) for step in range(_STEPS * _OCTAVES + 1)))
"""The lower edges of the bins in ms: under a second, then four bins to each doubling, the last from 388 days on."""


def bin_of(delay_ms: int) -> int:
    """The bin of a delay; a clock that ran backwards counts as no delay."""
    return max(bisect_right(EDGES, delay_ms) - 1, 0)


class DelayCurve:
    """How much a decision still open at some age tells, between 0 (nothing) and 1 (as much as a failure).

    `successes` and `failures` are how many of either came in each bin of delay; failures that nobody reports come as
    the window closes. Where failures are told as soon as successes, an open decision tells nothing; where they never
    are, it tells the share of the successes that would have come by its age. With little to go by, successes are
    taken to come evenly over the window, with the weight of one, and failures as it closes.
    """

    def __init__(self, successes: Sequence[int], failures: Sequence[int] = (), *, window_ms: int) -> None:
        if window_ms <= 0:
            raise ValueError(f"window_ms must be positive: {window_ms}")
        self._window = window_ms
        self._won = (_by_edge(successes) + np.minimum(_AT / window_ms, 1.0)) / (sum(successes) + 1)
        self._lost = _by_edge(failures) / (sum(failures) + 1)
        self._least = np.maximum.accumulate(_share(self._won, self._lost))

    def share(self, age_ms: float) -> float:
        """The share at that age: never less at a greater one, and 1 from the end of the window on."""
        if age_ms >= self._window:
            return 1.0
        won, lost = np.interp(age_ms, _AT, self._won), np.interp(age_ms, _AT, self._lost)
        # Within a bin the share only rises or only falls, so that the greatest at the edges before it is enough.
        return float(max(_share(won, lost), self._least[bin_of(int(age_ms))]))


_AT = np.array(EDGES, np.float64)


def _share(won: ArrayLike, lost: ArrayLike) -> Floats:
    """By how much less a success is likely where nothing came yet, if so many of either would have come.

    (1 - won) rate : (1 - lost) (1 - rate) are the odds of what is still to come; as after one trial that could succeed
    with that chance only.
    """
    come, open_yet = np.subtract(won, lost), np.subtract(1.0, lost)
    return np.clip(come / open_yet, 0.0, 1.0)


def _by_edge(counts: Sequence[int]) -> Floats:
    """How many came by the lower edge of each bin."""
    filled = [*counts, *[0] * (len(EDGES) - len(counts))]
    return np.array([0, *accumulate(filled[:-1])], np.float64)
