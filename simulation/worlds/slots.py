"""Simulate worlds with several slots, in which lower slots are seen less."""

from collections.abc import Sequence

import numpy as np

from simulation.worlds.world import Floats, Order, SimulatedVisit


class Positions:
    """The position-based model (Richardson et al., 2007).

    A candidate in slot s is chosen with probability `attraction[candidate] * examination[s]`, whatever the other slots
    show.
    """

    def __init__(
        self, attraction: Sequence[float], examination: Sequence[float], horizon: int, rng: np.random.Generator
    ) -> None:
        self.arms, self.slots = len(attraction), len(examination)
        self._attraction, self._examination = np.array(attraction), np.array(examination)
        self._liked = rng.random((horizon, self.arms), np.float32) < self._attraction
        self._examined = rng.random((horizon, self.slots), np.float32) < self._examination
        self._best = float(np.sort(self._attraction)[::-1][: self.slots] @ np.sort(self._examination)[::-1])

    def visit(self, number: int) -> SimulatedVisit:
        return SimulatedVisit(number)

    def successes(self, visit: SimulatedVisit, order: Order) -> Order:
        liked, examined = self._liked[visit.number], self._examined[visit.number]
        return tuple(arm for slot, arm in enumerate(order) if examined[slot] and liked[arm])

    def regret(self, visit: SimulatedVisit, order: Order) -> float:
        return self._best - float(self._attraction[list(order)] @ self._examination)


class Cascade:
    """The cascade model (Craswell et al., 2008): the customer takes the first attractive candidate from the top."""

    def __init__(self, attraction: Sequence[float], slots: int, horizon: int, rng: np.random.Generator) -> None:
        self.arms, self.slots = len(attraction), slots
        self._attraction = np.array(attraction)
        self._liked = rng.random((horizon, self.arms), np.float32) < self._attraction
        self._best = self._taken(np.sort(self._attraction)[::-1][:slots])

    def visit(self, number: int) -> SimulatedVisit:
        return SimulatedVisit(number)

    def successes(self, visit: SimulatedVisit, order: Order) -> Order:
        liked = self._liked[visit.number]
        return next(((arm,) for arm in order if liked[arm]), ())

    def regret(self, visit: SimulatedVisit, order: Order) -> float:
        return self._best - self._taken(self._attraction[list(order)])

    @staticmethod
    def _taken(attraction: Floats) -> float:
        return float(1 - np.prod(1 - attraction))
