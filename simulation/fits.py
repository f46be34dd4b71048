"""What is fitted, now and then, to what was told."""

from collections.abc import Sequence

import numpy as np

import bandits
from bandits import Evidence
from simulation.evidence import SECOND
from simulation.world import Told

REFIT = 1_000
"""Visits between fits; in the product a job makes them."""


class Delays:
    """At which age the fate of decisions was known; no later than after `window` visits."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._counts = np.zeros((2, len(bandits.delay.EDGES)), np.int64)

    def heard(self, told: Told) -> None:
        age = (told.at - told.visit.number) * SECOND
        self._counts[0 if told.successes else 1, bandits.bin_of(age)] += 1

    def curve(self) -> bandits.DelayCurve:
        won, lost = self._counts.tolist()
        return bandits.DelayCurve(won, lost, window_ms=self._window * SECOND)


def strength(common: Sequence[Evidence], cells: Sequence[Sequence[Evidence]]) -> float:
    """How many trials what all cells have in common weighs in each; evidence by arm."""
    families = [
        bandits.Siblings(bandits.mean(parent), [one.trials for one in known], [one.successes for one in known])
        for parent, known in zip(common, zip(*cells, strict=True), strict=True)
    ]
    return bandits.fit_strength(families)
