"""Count durations by size in memory, so that a decision pays for no more than a look-up and an addition."""

from __future__ import annotations

from bisect import bisect_left
from typing import NamedTuple

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds in seconds; longer durations are counted behind the last."""


class Counted(NamedTuple):
    """Durations by bin of `BOUNDS`, one more bin for longer ones, and their sum in seconds."""

    counts: tuple[int, ...]
    seconds: float


class Latencies:
    """Durations since the last `take`."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS) + 1)
        self._seconds = 0.0

    def add(self, seconds: float) -> None:
        self._counts[bisect_left(BOUNDS, seconds)] += 1
        self._seconds += seconds

    def take(self) -> Counted:
        """Return what was counted, and start again."""
        counted = Counted(tuple(self._counts), self._seconds)
        self._counts, self._seconds = [0] * len(self._counts), 0.0
        return counted
