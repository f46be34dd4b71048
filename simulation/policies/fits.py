"""What is fitted, now and then, to what was told."""

from collections import Counter
from collections.abc import Sequence
from itertools import takewhile

import numpy as np

import bandits
from bandits import Evidence
from bandits.evidence.delay import EDGES, ENOUGH, NOT_YET, PendingCount
from simulation.policies.evidence import SECOND
from simulation.worlds.world import Told

REFIT = 1_000
"""Visits between fits; in the product a job makes them."""
REFIT_DELAYS = 300
"""Visits between fits of the delays; a visit takes a second, and the product's job comes every five minutes."""


class Delays:
    """At which age the fate of decisions was known, as the product reads it: by closed windows, of `window` visits, and
    by open ones where few have closed."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._closed = np.zeros((2, len(EDGES)), np.int64)
        self._open: dict[int, tuple[int, bool]] = {}

    def began(self, number: int) -> None:
        self._open[number] = NOT_YET, False

    def heard(self, told: Told) -> None:
        number = told.visit.number
        if number in self._open:
            self._open[number] = bandits.bin_of((told.at - number) * SECOND), bool(told.successes)

    def curve(self, now: int) -> bandits.DelayCurve:
        for number in list(takewhile(lambda number: number + self._window < now, self._open)):
            delay, succeeded = self._open.pop(number)
            self._closed[0 if succeeded else 1, min(delay, bandits.bin_of(self._window * SECOND))] += 1
        won, lost = self._closed.tolist()
        pending = self._pending(now) if sum(won) < ENOUGH else []
        return bandits.DelayCurve(won, lost, window_ms=self._window * SECOND, pending=pending)

    def _pending(self, now: int) -> list[PendingCount]:
        alike = Counter((bandits.bin_of((now - number) * SECOND), *known) for number, known in self._open.items())
        return [
            PendingCount(age, delay, count if won else 0, 0 if won else count)
            for (age, delay, won), count in alike.items()
        ]


def strength(common: Sequence[Evidence], cells: Sequence[Sequence[Evidence]]) -> float:
    """How many trials what all cells have in common weighs in each; evidence by arm."""
    families = [
        bandits.Siblings(bandits.mean(parent), [one.trials for one in known], [one.successes for one in known])
        for parent, known in zip(common, zip(*cells, strict=True), strict=True)
    ]
    return bandits.fit_strength(families)
