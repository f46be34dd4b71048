"""Chances and arrangements of many requests at once: the same bits as `chances` and `draw` give, for less work."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bandits.drawing.chances import LATER_DRAWS, Chances, Shares, WinProbabilities, share_ties, wins_of
from bandits.drawing.draw import pinned_slots

BLOCK = 16
"""Win probabilities that are counted together: their scores fit into a processor's second-level cache."""

Taken = NDArray[np.bool_]
Orders = NDArray[np.intp]
ChancesOfMany = Callable[[Taken], Chances]
"""Return the chances (N, K) in N requests, given the mask (N, K) of candidates taken in each."""


class StackedWinProbabilities:
    """Win probabilities of N requests with K candidates each, counted together; equal ones are counted once."""

    def __init__(self, win_probabilities: Sequence[WinProbabilities]) -> None:
        self._unique = list(dict.fromkeys(win_probabilities))
        index_of = {unique: index for index, unique in enumerate(self._unique)}
        self._index = np.array([index_of[request] for request in win_probabilities])
        self._later_scores = np.stack([unique.scores[:, :LATER_DRAWS] for unique in self._unique])
        self._floors = np.array([unique.floor for unique in self._unique])

    def chances(self, taken: Taken) -> Chances:
        """Return `WinProbabilities.chances` of each request, (N, K), given the mask of taken candidates (N, K)."""
        if not taken.any():
            return self._first()
        scores = self._later_scores[self._index]
        scores[taken] = -np.inf
        return _chances(_wins(scores), LATER_DRAWS, self._floors[self._index], taken)

    def _first(self) -> Chances:
        blocks = [self._unique[start : start + BLOCK] for start in range(0, len(self._unique), BLOCK)]
        wins = np.concatenate([_wins(np.stack([unique.scores for unique in block])) for block in blocks])
        none_taken = np.zeros(wins.shape, np.bool_)
        chances: Chances = _chances(wins, self._unique[0].scores.shape[1], self._floors, none_taken)[self._index]
        return chances


def chances_of_many(slot_chances: Sequence[WinProbabilities | Shares]) -> ChancesOfMany:
    """Return the function that gives the chances of N requests together."""
    win_probabilities = [request for request in slot_chances if isinstance(request, WinProbabilities)]
    if len(win_probabilities) == len(slot_chances):
        return StackedWinProbabilities(win_probabilities).chances
    return lambda taken: np.stack(
        [request.chances(tuple(np.flatnonzero(row).tolist())) for request, row in zip(slot_chances, taken, strict=True)]
    )


def _wins(scores: NDArray[np.float32]) -> Chances:
    """Return the number of draws in which each candidate is the best, (N, K), for scores (N, K, M)."""
    best = scores == np.maximum.reduce(scores, axis=1, keepdims=True)
    wins = wins_of(best)
    for row in np.flatnonzero(wins.sum(axis=1) != scores.shape[2]):
        wins[row] = share_ties(best[row])
    return wins


def _chances(wins: Chances, draws: int, floors: Chances, taken: Taken) -> Chances:
    chances: Chances = wins * ((1 - floors) / draws)[:, None]
    chances += (floors / (taken.shape[1] - taken.sum(axis=1)))[:, None]
    chances[taken] = 0.0
    return chances


class ArrangementBatch:
    """N requests whose answers have the same length, drawn slots and pins, filled slot by slot as `arrange` does.

    `rest_scores` (N, K) and `pins` are those of `arrange`.
    """

    def __init__(
        self,
        chances_of: ChancesOfMany,
        rest_scores: Chances,
        *,
        length: int,
        drawn: int,
        pins: Mapping[int, int],
    ) -> None:
        self._chances_of, self._rest_scores, self._drawn = chances_of, rest_scores, drawn
        self._length = min(length, rest_scores.shape[1])
        self._pinned = pinned_slots(pins, rest_scores.shape[1])

    def arrange(self, u: NDArray[np.float64]) -> Orders:
        """Return the orders (N, length) for uniforms `u` (N, slots, K)."""
        orders, taken = np.empty((len(self._rest_scores), self._length), np.intp), self._mask_of_pinned()
        for slot in range(self._length):
            chances = self._chances(slot, taken)
            drawn = slot < self._drawn and slot not in self._pinned
            orders[:, slot] = (chances / np.log(u[:, slot])).argmin(axis=1) if drawn else chances.argmax(axis=1)
            self._take(orders[:, slot], slot, taken)
        return orders

    def chances_along(self, orders: Orders) -> Iterator[Chances]:
        """Yield the chances (N, K) in each slot, given that `orders` (N, slots) fill the slots above it.

        A row means nothing after a slot that could not have been filled so, or that holds -1: not one of the K.
        """
        taken = self._mask_of_pinned()
        for slot in range(min(self._length, orders.shape[1])):
            yield self._chances(slot, taken)
            self._take(orders[:, slot], slot, taken)

    def _mask_of_pinned(self) -> Taken:
        taken = np.zeros(self._rest_scores.shape, np.bool_)
        taken[:, list(self._pinned.values())] = True
        return taken

    def _chances(self, slot: int, taken: Taken) -> Chances:
        if slot in self._pinned:
            return self._certain(np.full(len(taken), self._pinned[slot]))
        if slot < self._drawn:
            return self._chances_of(taken)
        return self._certain(np.where(taken, -np.inf, self._rest_scores).argmax(axis=1))

    def _certain(self, indices: Orders) -> Chances:
        chances = np.zeros(self._rest_scores.shape)
        chances[np.arange(len(chances)), indices] = 1.0
        return chances

    def _take(self, indices: Orders, slot: int, taken: Taken) -> None:
        if slot not in self._pinned:
            taken[np.arange(len(taken)), indices] = True
