"""Draw an order from scores exactly as the engine does: win probabilities are counted, slots are drawn by a key."""

import numpy as np
from numpy.typing import NDArray

import bandits
from simulation.worlds.world import Floats, Order


class SlotDrawing:
    """Draws the first `drawn` slots; the rest follow the means.

    The key of a decision is the run's seed and the visit's number.
    """

    def __init__(self, arms: int, slots: int, drawn: int, seed: int) -> None:
        self.ids = [f"arm_{index}" for index in range(arms)]
        self._hashes = np.array([bandits.candidate_hash(arm) for arm in self.ids], np.uint64)
        self._slots, self._drawn, self._seed = slots, min(drawn, slots), seed

    def order(self, draws: NDArray[np.float32], means: Floats, number: int, floor: float) -> Order:
        """Return the order for a visit, from draws (K, M) and means (K,)."""
        candidates = bandits.Candidates(draws[None], means[None], self._hashes, floor)
        slots = bandits.Slots(self._slots, self._drawn)
        return bandits.arrange(candidates, slots, bandits.Requests.of(f"{self._seed} {number}")).order

    def version(self, number: int) -> int:
        """Return the seed of the draws of a beliefs version."""
        return bandits.seed_of(f"{self._seed} beliefs {number}")
