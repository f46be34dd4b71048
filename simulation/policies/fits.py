"""Fit delays and the strength of cells to the outcomes received so far."""

from collections import Counter
from collections.abc import Sequence
from itertools import takewhile

import numpy as np

import bandits
from bandits import Evidence
from bandits.evidence.delay import EDGES, ENOUGH, NOT_YET, PendingCount
from simulation.policies.evidence import SECOND
from simulation.worlds.world import VisitOutcome

REFIT = 1_000
"""Visits between fits, which a background job makes in the product."""
REFIT_DELAYS = 300
"""Visits between fits of the delays: five minutes at a second per visit, as in the product."""


class DelayRecords:
    """The ages at which outcomes arrived, read as in the product: from closed windows of `window` visits, and from open
    windows while few have closed.
    """

    def __init__(self, window: int) -> None:
        self._window = window
        self._closed = np.zeros((2, len(EDGES)), np.int64)
        self._open: dict[int, tuple[int, bool]] = {}

    def start(self, number: int) -> None:
        self._open[number] = NOT_YET, False

    def resolve(self, outcome: VisitOutcome) -> None:
        number = outcome.visit.number
        if number in self._open:
            self._open[number] = bandits.bin_of((outcome.reported_at - number) * SECOND), bool(outcome.successes)

    def curve(self, now: int) -> bandits.DelayCurve:
        for number in list(takewhile(lambda number: number + self._window < now, self._open)):
            delay, succeeded = self._open.pop(number)
            self._closed[0 if succeeded else 1, min(delay, bandits.bin_of(self._window * SECOND))] += 1
        won, lost = self._closed.tolist()
        pending = self._pending(now) if sum(won) < ENOUGH else []
        return bandits.DelayCurve(won, lost, window_ms=self._window * SECOND, pending=pending)

    def _pending(self, now: int) -> list[PendingCount]:
        counts = Counter(
            (bandits.bin_of((now - number) * SECOND), delay, won) for number, (delay, won) in self._open.items()
        )
        return [
            PendingCount(age, delay, count if won else 0, 0 if won else count)
            for (age, delay, won), count in counts.items()
        ]


def strength(common: Sequence[Evidence], cells: Sequence[Sequence[Evidence]]) -> float:
    """Return how many trials the average of all cells counts for in each cell; evidence by arm."""
    families = [
        bandits.Siblings(
            bandits.mean(parent), [cell.trials for cell in siblings], [cell.successes for cell in siblings]
        )
        for parent, siblings in zip(common, zip(*cells, strict=True), strict=True)
    ]
    return bandits.fit_strength(families)
