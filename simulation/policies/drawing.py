"""Draw an order from scores exactly as the engine does: win probabilities are counted, slots are drawn by a key."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

import bandits
from bandits import Chances
from simulation.worlds.world import Order


class SlotDrawing:
    """Draws the first `drawn` slots; the rest follow the means.

    The key of a decision is the run's seed and the visit's number.
    """

    def __init__(self, arms: int, slots: int, drawn: int, seed: int) -> None:
        self.ids = [f"arm_{index}" for index in range(arms)]
        self._hashes = np.array([bandits.candidate_hash(arm) for arm in self.ids], np.uint64)
        self._slots, self._drawn, self._seed = slots, min(drawn, slots), seed

    def order(self, chances: Callable[[Order], Chances], means: ArrayLike, number: int) -> Order:
        key = bandits.seed_of(f"{self._seed} {number}")
        u = bandits.uniforms(key, self._hashes, self._drawn)
        if self._slots == 1:
            return (bandits.pick(chances(()), u[0]),)
        return bandits.arrange(chances, means, u, length=self._slots, drawn=self._drawn).order

    def version(self, number: int) -> int:
        """Return the seed of the draws of a beliefs version."""
        return bandits.seed_of(f"{self._seed} beliefs {number}")
