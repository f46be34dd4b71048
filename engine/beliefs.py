"""What the kernel needs of a beliefs version: frozen draws, and races between candidates that it has run before."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

import bandits

MOST_REMEMBERED = 2**20
"""Draws that the lanes of a beliefs version may hold, and so its memory: 128 lanes of eight candidates."""
MOST_RACES = 8


def weighted(rates: NDArray[np.float32], weights: NDArray[np.float64] | None) -> NDArray[np.float32]:
    """Draws times what a success is worth; (K, M)."""
    return rates if weights is None else rates * weights.astype(np.float32)[:, None]


class Lane:
    """The draws of one set of eligible candidates, and their race where nothing tells customers apart."""

    def __init__(self, draws: bandits.Draws, hashes: NDArray[np.uint64], eligible: tuple[int, ...], floor: float):
        whole = len(eligible) == len(hashes)
        rows = list(eligible)
        self.rates = draws.rates if whole else np.ascontiguousarray(draws.rates[rows])
        self.means = draws.means if whole else draws.means[rows]
        self.hashes = hashes if whole else hashes[rows]
        self.floor = floor
        self._races: dict[tuple[float, ...] | None, bandits.Race] = {}

    def race(self, weights: NDArray[np.float64] | None = None) -> bandits.Race:
        """The race that all customers without a past share; remembered for the weights that rules make of it."""
        key = None if weights is None else tuple(weights.tolist())
        race = self._races.get(key)
        if race is None:
            if len(self._races) >= MOST_RACES:
                self._races.clear()
            race = self._races[key] = bandits.Race(weighted(self.rates, weights), self.floor)
        return race


class Beliefs:
    """One version of what is known in one bucket of a placement, drawn once. Lanes are remembered, not state."""

    def __init__(self, *, version: int, bucket: str, draws: bandits.Draws, hashes: NDArray[np.uint64], floor: float):
        self.version = version
        self.bucket = bucket
        self._draws = draws
        self._hashes = hashes
        self._floor = floor
        self._lanes: dict[tuple[int, ...], Lane] = {}

    def lane(self, eligible: tuple[int, ...]) -> Lane:
        lane = self._lanes.get(eligible)
        if lane is None:
            if len(self._lanes) * self._draws.rates.size >= MOST_REMEMBERED:
                self._lanes.clear()
            lane = self._lanes[eligible] = Lane(self._draws, self._hashes, eligible, self._floor)
        return lane


class Count(msgspec.Struct, frozen=True, array_like=True):
    """Trials and successes as they stand in the database and in snapshots."""

    trials: int
    successes: int


Counts = dict[str, Count]


def make_beliefs(
    ids: tuple[str, ...],
    hashes: NDArray[np.uint64],
    counts: Mapping[str, Count],
    *,
    version: int,
    bucket: str,
    floor: float,
) -> Beliefs:
    """Draw a beliefs version again from the statistics that it was made of; the same bits each time."""
    nothing = Count(0, 0)
    statistics = [
        bandits.Statistics(trials=count.trials, successes=count.successes)
        for count in (counts.get(name, nothing) for name in ids)
    ]
    draws = bandits.make_draws(ids, statistics, seed=version)
    return Beliefs(version=version, bucket=bucket, draws=draws, hashes=hashes, floor=floor)
