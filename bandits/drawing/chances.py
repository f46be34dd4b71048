"""The exact probability that a candidate gets a slot."""

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

Chances = NDArray[np.float64]

LATER_DRAWS = 256
"""How many draws count for the slots after the first: less work and coarser chances, but exact all the same,
as the slot is drawn from what was counted."""

_MEMO = 512
"""Sets of taken candidates that a race remembers; three slots of eight candidates make 37."""


class WinProbabilities:
    """In how many draws each candidate is the best: Thompson sampling's choice probabilities, counted.

    `scores` (K, M), finite, higher is better, not changed afterwards; `floor`, 0 to 1, is the share of the
    chance that is spread evenly. A draw in which several are best is shared evenly among them, so that equal
    candidates have equal chances. Answers are remembered, which makes a race that is kept cheap.
    """

    __slots__ = ("_memo", "floor", "scores")

    def __init__(self, scores: NDArray[np.float32], floor: float = 0.0) -> None:
        if not scores.size:
            raise ValueError("a race needs at least one candidate and one draw")
        if not 0 <= floor <= 1:
            raise ValueError(f"floor must lie between 0 and 1: {floor}")
        self.scores = scores
        self.floor = floor
        self._memo: dict[tuple[int, ...], Chances] = {}

    def chances(self, taken: tuple[int, ...] = ()) -> Chances:
        """The chance (K,) of each candidate to be the best of those not `taken` (distinct indices).

        `(1 - floor) * wins / draws + floor / remaining`; those taken have 0; sums to 1. Read-only.
        """
        key = taken if len(taken) < 2 else tuple(sorted(taken))
        known = self._memo.get(key)
        if known is None:
            known = self._chances(key)
            if len(self._memo) < _MEMO:
                self._memo[key] = known
        return known

    def _chances(self, taken: tuple[int, ...]) -> Chances:
        remaining = len(self.scores) - len(taken)
        if remaining < 1:
            raise ValueError("every candidate is taken: no slot is left to fill")
        scores = self._without(taken) if taken else self.scores
        scale, least = (1 - self.floor) / scores.shape[1], self.floor / remaining
        # Of few candidates plain numbers are done with sooner than numpy's, and round alike.
        shares = [wins * scale + least for wins in _count_wins(scores)]
        for index in taken:
            shares[index] = 0.0
        chances = np.array(shares)
        chances.setflags(write=False)
        return chances

    def _without(self, taken: tuple[int, ...]) -> NDArray[np.float32]:
        scores = self.scores[:, :LATER_DRAWS].copy()
        for index in taken:
            scores[index] = -np.inf
        return scores


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
        left /= total
        return left
    left[:] = 1 / remaining
    left[list(taken)] = 0.0
    return left


class Shares:
    """The chances of candidates under fixed weights (K,), in the place of a race."""

    __slots__ = ("_weights",)

    def __init__(self, weights: ArrayLike) -> None:
        self._weights = weights

    def chances(self, taken: tuple[int, ...] = ()) -> Chances:
        return split_chances(self._weights, taken)


def _count_wins(scores: NDArray[np.float32]) -> list[float]:
    """In how many draws each candidate is the best; sums to the number of draws."""
    best = scores == np.maximum.reduce(scores, axis=0)
    wins: list[float] = np.vecdot(best, _ones(scores.shape[1])).tolist()
    return wins if sum(wins) == scores.shape[1] else share_ties(best).tolist()


def wins_of(best: NDArray[np.bool_]) -> Chances:
    """In how many draws (..., K, M) each candidate is among the best, (..., K)."""
    # The product with ones is numpy's fastest sum of booleans by row, and exact up to 2**24 draws.
    wins: Chances = np.vecdot(best, _ones(best.shape[-1])).astype(np.float64)
    return wins


@cache
def _ones(draws: int) -> NDArray[np.float32]:
    return np.ones(draws, np.float32)


def share_ties(best: NDArray[np.bool_]) -> Chances:
    """Wins (K,) where in some draws (K, M) several are best: each gets its part."""
    sharers = best.sum(axis=0)
    if not sharers.all():
        raise ValueError("scores must be numbers: in some draw no candidate is the best")
    shares: Chances = (best / sharers).sum(axis=1)
    return shares
