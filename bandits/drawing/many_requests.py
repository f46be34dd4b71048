"""Many answers at once: the numbers of `chances` and `draw`, bit for bit, for a fraction of the work of each."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bandits.drawing.chances import LATER_DRAWS, Chances, Shares, WinProbabilities, share_ties, wins_of
from bandits.drawing.draw import places

IN_CACHE = 16
"""Races whose scores a processor's second cache holds beside what is counted of them."""

Taken = NDArray[np.bool_]
Orders = NDArray[np.intp]


class Races:
    """Races between as many candidates each, counted together. A race may stand in several places."""

    def __init__(self, win_probabilities: Sequence[WinProbabilities]) -> None:
        places = {win_probabilities: place for place, win_probabilities in enumerate(dict.fromkeys(win_probabilities))}
        self._win_probabilities = list(places)
        self._at = np.array([places[win_probabilities] for win_probabilities in win_probabilities])
        self._later = np.stack(
            [win_probabilities.scores[:, :LATER_DRAWS] for win_probabilities in self._win_probabilities]
        )
        self._floors = np.array([win_probabilities.floor for win_probabilities in self._win_probabilities])

    def chances(self, taken: Taken) -> Chances:
        """`Race.chances` of each race, (N, K); `taken` (N, K) says who is taken in it."""
        if not taken.any():
            return self._first()
        scores = self._later[self._at]
        scores[taken] = -np.inf
        return _chances(_wins(scores), LATER_DRAWS, self._floors[self._at], taken)

    def _first(self) -> Chances:
        blocks = [
            self._win_probabilities[start : start + IN_CACHE]
            for start in range(0, len(self._win_probabilities), IN_CACHE)
        ]
        wins = np.concatenate(
            [_wins(np.stack([win_probabilities.scores for win_probabilities in block])) for block in blocks]
        )
        nobody = np.zeros(wins.shape, np.bool_)
        each: Chances = _chances(wins, self._win_probabilities[0].scores.shape[1], self._floors, nobody)[self._at]
        return each


def chances_of(slot_chances: Sequence[WinProbabilities | Shares]) -> Callable[[Taken], Chances]:
    """The chances (N, K) of all of them, given who is taken in each (N, K)."""
    win_probabilities = [one for one in slot_chances if isinstance(one, WinProbabilities)]
    if len(win_probabilities) == len(slot_chances):
        return Races(win_probabilities).chances
    return lambda taken: np.stack(
        [one.chances(tuple(np.flatnonzero(row).tolist())) for one, row in zip(slot_chances, taken, strict=True)]
    )


def _wins(scores: NDArray[np.float32]) -> Chances:
    """In how many draws each candidate is the best, (N, K), of scores (N, K, M)."""
    best = scores == np.maximum.reduce(scores, axis=1, keepdims=True)
    wins = wins_of(best)
    for win_probabilities in np.flatnonzero(wins.sum(axis=1) != scores.shape[2]):
        wins[win_probabilities] = share_ties(best[win_probabilities])
    return wins


def _chances(wins: Chances, draws: int, floors: Chances, taken: Taken) -> Chances:
    chances: Chances = wins * ((1 - floors) / draws)[:, None]
    chances += (floors / (taken.shape[1] - taken.sum(axis=1)))[:, None]
    chances[taken] = 0.0
    return chances


class Answers:
    """N answers of the same form, filled slot by slot in the way of `arrange`; `rest` (N, K) and `pins` as there."""

    def __init__(
        self,
        chances_of: Callable[[Taken], Chances],
        rest: Chances,
        *,
        length: int,
        drawn: int,
        pins: Mapping[int, int],
    ) -> None:
        self._chances_of, self._rest, self._drawn = chances_of, rest, drawn
        self._length = min(length, rest.shape[1])
        self._placed = places(pins, rest.shape[1])

    def arrange(self, u: NDArray[np.float64]) -> Orders:
        """The order (N, length) of each; `u` (N, slots, K) from `uniforms`."""
        orders, taken = np.empty((len(self._rest), self._length), np.intp), self._pinned()
        for slot in range(self._length):
            at = self._chances(slot, taken)
            drawn = slot < self._drawn and slot not in self._placed
            orders[:, slot] = (at / np.log(u[:, slot])).argmin(axis=1) if drawn else at.argmax(axis=1)
            self._take(orders[:, slot], slot, taken)
        return orders

    def along(self, orders: Orders) -> Iterator[Chances]:
        """For each slot the chances (N, K) in it, had `orders` (N, slots) filled those above.

        Behind a slot that could not have been filled so, or with -1 who takes no part, a row means nothing.
        """
        taken = self._pinned()
        for slot in range(min(self._length, orders.shape[1])):
            yield self._chances(slot, taken)
            self._take(orders[:, slot], slot, taken)

    def _pinned(self) -> Taken:
        taken = np.zeros(self._rest.shape, np.bool_)
        taken[:, list(self._placed.values())] = True
        return taken

    def _chances(self, slot: int, taken: Taken) -> Chances:
        if slot in self._placed:
            return self._certain(np.full(len(taken), self._placed[slot]))
        if slot < self._drawn:
            return self._chances_of(taken)
        return self._certain(np.where(taken, -np.inf, self._rest).argmax(axis=1))

    def _certain(self, chosen: Orders) -> Chances:
        at = np.zeros(self._rest.shape)
        at[np.arange(len(at)), chosen] = 1.0
        return at

    def _take(self, chosen: Orders, slot: int, taken: Taken) -> None:
        if slot not in self._placed:
            taken[np.arange(len(taken)), chosen] = True
