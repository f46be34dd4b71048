"""The exact probability that a candidate gets a slot."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Chances = NDArray[np.float64]

_MEMO = 512
"""Sets of taken candidates that a race remembers; three slots of eight candidates make 37."""


class Race:
    """In how many draws each candidate is the best: Thompson sampling's choice probabilities, counted.

    `scores` (K, M), finite, higher is better, not changed afterwards; `floor`, 0 to 1, is the share of the
    chance that is spread evenly. A draw in which several are best is shared evenly among them, so that
    equal candidates have equal chances. Answers are remembered, which makes a race that is kept cheap.
    """

    __slots__ = ("_best", "_floor", "_memo", "_ones", "_scores", "_tied", "_wins")

    def __init__(self, scores: NDArray[np.float32], floor: float = 0.0) -> None:
        if not scores.size:
            raise ValueError("a race needs at least one candidate and one draw")
        if not 0 <= floor <= 1:
            raise ValueError(f"floor must lie between 0 and 1: {floor}")
        self._scores = scores
        self._floor = floor
        self._memo: dict[tuple[int, ...], Chances] = {}
        self._ones = np.ones(scores.shape[1], np.float32)
        self._best, self._wins, self._tied = self._count(scores)

    def chances(self, taken: tuple[int, ...] = ()) -> Chances:
        """The chance (K,) of each candidate to be the best of those not `taken` (distinct indices); sums to
        1.

        Read-only; those taken have 0. `(1 - floor) * wins / M + floor / remaining` for the others.
        """
        key = taken if len(taken) < 2 else tuple(sorted(taken))
        known = self._memo.get(key)
        if known is None:
            known = self._chances(key)
            if len(self._memo) < _MEMO:
                self._memo[key] = known
        return known

    def _chances(self, taken: tuple[int, ...]) -> Chances:
        candidates, draws = self._scores.shape
        remaining = candidates - len(taken)
        if remaining < 1:
            raise ValueError("every candidate is taken: no slot is left to fill")
        wins = self._recount(taken) if taken else self._wins
        chances: Chances = wins * ((1 - self._floor) / draws)
        if self._floor:
            chances += self._floor / remaining
            for index in taken:
                chances[index] = 0.0
        chances.setflags(write=False)
        return chances

    def _recount(self, taken: tuple[int, ...]) -> Chances:
        # Only the draws that a taken candidate had won get a new winner; with ties, any draw may have to be
        # shared anew.
        if self._tied:
            scores, wins = self._scores.copy(), np.zeros_like(self._wins)
        else:
            lost = self._best[taken[0]]
            for index in taken[1:]:
                lost = lost | self._best[index]
            scores, wins = self._scores.take(lost.nonzero()[0], axis=1), self._wins.copy()
        for index in taken:
            scores[index] = -np.inf
            wins[index] = 0.0
        wins += self._count(scores)[1]
        return wins

    def _count(self, scores: NDArray[np.float32]) -> tuple[NDArray[np.bool_], Chances, bool]:
        """Which are best (K, M), their wins (K,), and whether any draw was shared."""
        draws = scores.shape[1]
        best = scores == np.maximum.reduce(scores, axis=0)
        # A product with ones is the fastest sum of booleans that numpy has, and exact up to 2**24 draws.
        wins = np.vecdot(best, self._ones[:draws]).astype(np.float64)
        tied = wins.sum() != draws
        return best, _share(best) if tied else wins, bool(tied)


def split_chances(weights: ArrayLike, taken: tuple[int, ...] = ()) -> Chances:
    """The chances (K,) under fixed, non-negative weights: each weight's share of those not `taken`.

    Where nothing but zero weights remain, they share the slot evenly.
    """
    left = np.array(weights, np.float64)
    remaining = len(left) - len(taken)
    if remaining < 1:
        raise ValueError("every candidate is taken: no slot is left to fill")
    left[list(taken)] = 0.0
    total = left.sum()
    if total > 0:
        return np.divide(left, total)
    left[:] = 1 / remaining
    left[list(taken)] = 0.0
    return left


def _share(best: NDArray[np.bool_]) -> Chances:
    sharers = best.sum(axis=0)
    if not sharers.all():
        raise ValueError("scores must be numbers: in some draw no candidate is the best")
    shares: Chances = (best / sharers).sum(axis=1)
    return shares
