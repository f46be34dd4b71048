"""Worlds of several slots: what is shown further down is seen less."""

from collections.abc import Sequence

import numpy as np

from simulation.worlds.world import Floats, Order, Visit


class Positions:
    """The position-based model (Richardson et al., 2007): a candidate in slot s is chosen with probability
    `attraction[candidate] * examination[s]`, whatever stands in the other slots."""

    def __init__(
        self, attraction: Sequence[float], examination: Sequence[float], horizon: int, rng: np.random.Generator
    ) -> None:
        self.arms, self.slots = len(attraction), len(examination)
        self._attraction, self._examination = np.array(attraction), np.array(examination)
        self._liked = rng.random((horizon, self.arms), np.float32) < self._attraction
        self._seen = rng.random((horizon, self.slots), np.float32) < self._examination
        self._best = float(np.sort(self._attraction)[::-1][: self.slots] @ np.sort(self._examination)[::-1])

    def visit(self, number: int) -> Visit:
        return Visit(number)

    def successes(self, visit: Visit, order: Order) -> Order:
        liked, seen = self._liked[visit.number], self._seen[visit.number]
        return tuple(one for slot, one in enumerate(order) if seen[slot] and liked[one])

    def regret(self, visit: Visit, order: Order) -> float:
        return self._best - float(self._attraction[list(order)] @ self._examination)


class Cascade:
    """The cascade model (Craswell et al., 2008): the customer looks from the top and takes the first that pleases."""

    def __init__(self, attraction: Sequence[float], slots: int, horizon: int, rng: np.random.Generator) -> None:
        self.arms, self.slots = len(attraction), slots
        self._attraction = np.array(attraction)
        self._liked = rng.random((horizon, self.arms), np.float32) < self._attraction
        self._best = self._taken(np.sort(self._attraction)[::-1][:slots])

    def visit(self, number: int) -> Visit:
        return Visit(number)

    def successes(self, visit: Visit, order: Order) -> Order:
        liked = self._liked[visit.number]
        return next(((one,) for one in order if liked[one]), ())

    def regret(self, visit: Visit, order: Order) -> float:
        return self._best - self._taken(self._attraction[list(order)])

    @staticmethod
    def _taken(attraction: Floats) -> float:
        return float(1 - np.prod(1 - attraction))
