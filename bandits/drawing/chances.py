"""Exact probabilities that a candidate gets a slot."""

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

Chances = NDArray[np.float64]

LATER_DRAWS = 256
"""The number of draws that are counted for slots after the first: less work and coarser chances. They are still exact,
as the slot is drawn from them."""

_MOST_CACHED = 512
"""Sets of taken candidates whose chances are cached; three slots of eight candidates make 37."""


class WinProbabilities:
    """Thompson sampling's choice probabilities: the share of draws in which each candidate is the best.

    `scores` (K, M) must be finite, higher is better, and must not be changed afterwards; `floor`, 0 to 1, is the share
    of the chance that is spread evenly. If several candidates are best in a draw, they share it evenly. Chances are
    cached. Raises ValueError if there are no scores or the floor is out of range.
    """

    __slots__ = ("_cache", "floor", "scores")

    def __init__(self, scores: NDArray[np.float32], floor: float = 0.0) -> None:
        if not scores.size:
            raise ValueError("scores need at least one candidate and one draw")
        if not 0 <= floor <= 1:
            raise ValueError(f"floor must lie between 0 and 1: {floor}")
        self.scores = scores
        self.floor = floor
        self._cache: dict[tuple[int, ...], Chances] = {}

    def chances(self, taken: tuple[int, ...] = ()) -> Chances:
        """Return the chance (K,) of each candidate to be the best of those not `taken` (distinct indices).

        `(1 - floor) * wins / draws + floor / remaining`, and 0 for those taken; sums to 1. Read-only.
        """
        key = taken if len(taken) < 2 else tuple(sorted(taken))
        chances = self._cache.get(key)
        if chances is None:
            chances = self._count(key)
            if len(self._cache) < _MOST_CACHED:
                self._cache[key] = chances
        return chances

    def _count(self, taken: tuple[int, ...]) -> Chances:
        remaining = len(self.scores) - len(taken)
        if remaining < 1:
            raise ValueError("every candidate is taken: no slot is left to fill")
        scores = self._without(taken) if taken else self.scores
        scale, least = (1 - self.floor) / scores.shape[1], self.floor / remaining
        # For few candidates Python's floats are faster than arrays, and round alike.
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
    """Return the chances (K,) under fixed, non-negative weights: each weight's share of those not `taken`.

    If only zero weights remain, their candidates share the slot evenly.
    """
    chances = np.array(weights, np.float64)
    remaining = len(chances) - len(taken)
    if remaining < 1:
        raise ValueError("every candidate is taken: no slot is left to fill")
    chances[list(taken)] = 0.0
    total = chances.sum()
    if total > 0:
        chances /= total
        return chances
    chances[:] = 1 / remaining
    chances[list(taken)] = 0.0
    return chances


class Shares:
    """Chances under fixed weights (K,), with the interface of `WinProbabilities`."""

    __slots__ = ("_weights",)

    def __init__(self, weights: ArrayLike) -> None:
        self._weights = weights

    def chances(self, taken: tuple[int, ...] = ()) -> Chances:
        return split_chances(self._weights, taken)


def _count_wins(scores: NDArray[np.float32]) -> list[float]:
    """Return the number of draws in which each candidate is the best; sums to the number of draws."""
    best = scores == np.maximum.reduce(scores, axis=0)
    wins: list[float] = np.vecdot(best, _ones(scores.shape[1])).tolist()
    return wins if sum(wins) == scores.shape[1] else share_ties(best).tolist()


def wins_of(best: NDArray[np.bool_]) -> Chances:
    """Return in how many draws (..., K, M) each candidate is among the best, (..., K)."""
    # A product with ones is numpy's fastest sum of booleans by row; it is exact up to 2**24 draws.
    wins: Chances = np.vecdot(best, _ones(best.shape[-1])).astype(np.float64)
    return wins


@cache
def _ones(draws: int) -> NDArray[np.float32]:
    return np.ones(draws, np.float32)


def share_ties(best: NDArray[np.bool_]) -> Chances:
    """Return wins (K,) if several candidates are best in some draws (K, M): each gets its share of the draw."""
    sharers = best.sum(axis=0)
    if not sharers.all():
        raise ValueError("scores must be numbers: in some draw no candidate is the best")
    shares: Chances = (best / sharers).sum(axis=1)
    return shares
