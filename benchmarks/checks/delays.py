"""Check delays by candidate: a candidate that is paid after days is not judged by those that are paid within minutes.

`python -m benchmarks.verify delays`, half an hour. The engine's own functions turn counts into chances. Regret is
compared with that of a learner that knows the delays of each candidate. Settings were chosen on the seeds 0 to 3.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

import bandits
from bandits.evidence.delay import EDGES, ENOUGH, NOT_YET, PendingCount
from engine.learning.beliefs_reader import delay_curves
from engine.learning.fit import fit_from, settled_by_candidate, unresolved_by_age
from engine.learning.pending_delays import MOST_DECISIONS, PendingCounts
from engine.model.placement import Placement
from engine.model.timestamps import DAY, MINUTE
from engine.statistics.evidence import Curves, DayRow, EvidenceSettings, PendingRow, arm_beliefs, pending_step

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Figure = tuple[str, str, str]
SEEDS, FLOOR, DRAWS = range(100, 120), 0.01, 1_024
PLACEMENT = Placement(key="world", name="World", window_minutes=7 * 24 * 60)
WINDOW = PLACEMENT.window_minutes * MINUTE
STEP = pending_step(PLACEMENT.window_minutes)
CELL = STEP // 6
"""The minutes after which beliefs are read again."""


class DelayWorld(NamedTuple):
    """Candidates with fixed rates whose successes come after lognormal delays with these medians, in minutes."""

    rates: tuple[float, ...]
    minutes: tuple[float, ...]
    days: int
    visits_a_day: int = 2_000
    spread: float = 0.5


class Arrived(NamedTuple):
    """The cell, the arm and the bin of the delay of each success that has arrived."""

    cells: Counts
    arms: Counts
    bins: Counts


class DelayedLog:
    """The shown candidates and arrived outcomes of each time cell."""

    def __init__(self, world: DelayWorld, seed: int) -> None:
        self.world = world
        self.ids = [f"arm {number}" for number in range(len(world.rates))]
        self._rng = np.random.default_rng([seed, 6])
        self._shown: list[Counts] = []
        self._cells, self._arms, self._delays = np.zeros((2, 0), np.int64)[0], np.zeros(0, np.int64), np.zeros(0)

    def play(self, chances: Floats) -> Counts:
        """Show candidates in the next cell; return how often each (K,)."""
        world = self.world
        shown = self._rng.multinomial(self._rng.poisson(world.visits_a_day * CELL * MINUTE / DAY), chances)
        arms = np.repeat(np.arange(len(shown)), self._rng.binomial(shown, world.rates))
        delays = np.array(world.minutes)[arms] * MINUTE * np.exp(world.spread * self._rng.normal(size=len(arms)))
        self._cells = np.append(self._cells, np.full(len(arms), len(self._shown)))
        self._arms, self._delays = np.append(self._arms, arms), np.append(self._delays, delays)
        self._shown.append(shown)
        return shown

    @property
    def now(self) -> int:
        return len(self._shown) * CELL * MINUTE

    @property
    def first_open(self) -> int:
        """Return the first cell whose windows are open."""
        return max(0, len(self._shown) - WINDOW // (CELL * MINUTE))

    def shown(self) -> Counts:
        return np.array(self._shown)

    def arrived(self) -> Arrived:
        is_arrived = (_middle(self._cells) + self._delays <= self.now) & (self._delays < WINDOW)
        return Arrived(self._cells[is_arrived], self._arms[is_arrived], _bins(self._delays[is_arrived]))


def _middle(cells: Counts) -> Floats:
    return (cells + 0.5) * CELL * MINUTE


def _bins(delays: Floats) -> Counts:
    return np.searchsorted(EDGES, delays, side="right") - 1


def evidence_of(log: DelayedLog, true_curves: Curves | None) -> list[bandits.Evidence]:
    """Return the evidence of each candidate as the engine makes it; `known` replaces the learned curves."""
    shown, arrived, first = log.shown(), log.arrived(), log.first_open
    won = np.zeros(shown.shape, np.int64)
    np.add.at(won, (arrived.cells, arrived.arms), 1)
    trials = np.where(np.arange(len(shown))[:, None] < first, shown, won)
    days = [
        DayRow(name, 0, int(day), int(trials[cells, arm].sum()), int(won[cells, arm].sum()), 0, 0)
        for day, cells in _groups(np.arange(len(shown)) * CELL * MINUTE // DAY)
        for arm, name in enumerate(log.ids)
    ]
    pending_rows = [
        PendingRow(name, 0, int(step) * STEP, int((shown - won)[first:][cells, arm].sum()))
        for step, cells in _groups(np.arange(first, len(shown)) * CELL // STEP)
        for arm, name in enumerate(log.ids)
    ]
    curves = true_curves or learned_curves(log, arrived, days, pending_rows)
    settings = EvidenceSettings(PLACEMENT.half_life_days, (), curves, {}, log.now, STEP)
    beliefs = arm_beliefs(days, pending_rows, {}, settings)
    return [beliefs[name].evidence for name in log.ids]


def _groups(keys: Counts) -> list[tuple[int, NDArray[np.bool_]]]:
    return [(int(key), keys == key) for key in np.unique(keys)]


def learned_curves(
    log: DelayedLog, arrived: Arrived, days: Sequence[DayRow], pending_rows: Sequence[PendingRow]
) -> Curves:
    """Return the delay curves that the engine fits to the log."""
    closed = arrived.cells < log.first_open
    successes = np.bincount(arrived.bins[closed], minlength=len(EDGES))
    failures = np.zeros(len(EDGES), np.int64)
    failures[bandits.bin_of(WINDOW)] = log.shown()[: log.first_open].sum() - closed.sum()
    rows = [(int(bin), int(successes[bin]), int(failures[bin])) for bin in np.flatnonzero(successes + failures)]
    pending = _pending_counts(log, arrived) if successes.sum() < ENOUGH else PendingCounts()
    arrivals = Counter(zip(arrived.arms[closed].tolist(), arrived.bins[closed].tolist(), strict=True))
    fit = msgspec.structs.replace(
        fit_from([], [], [], rows, pending),
        arrivals=tuple((log.ids[arm], bin, count) for (arm, bin), count in sorted(arrivals.items())),
        settled=settled_by_candidate(days),
        unresolved=unresolved_by_age(pending_rows, STEP * MINUTE, log.now),
    )
    return delay_curves(fit, PLACEMENT)


def _pending_counts(log: DelayedLog, arrived: Arrived) -> PendingCounts:
    """Count the oldest open decisions, as the engine does."""
    shown, first = log.shown(), log.first_open
    end = first + int(np.searchsorted(shown[first:].sum(axis=1).cumsum(), MOST_DECISIONS)) + 1
    ages = _bins(log.now - _middle(np.arange(len(shown))))
    inside = (arrived.cells >= first) & (arrived.cells < end)
    won = Counter(zip(arrived.arms[inside], ages[arrived.cells[inside]], arrived.bins[inside], strict=True))
    silent = shown[first:end].copy()
    np.subtract.at(silent, (arrived.cells[inside] - first, arrived.arms[inside]), 1)
    by_candidate = {}
    for arm, name in enumerate(log.ids):
        rows = [
            PendingCount(int(age), int(bin), count, 0)
            for (counted_arm, age, bin), count in won.items()
            if counted_arm == arm
        ]
        rows += [
            PendingCount(age, NOT_YET, 0, int(silent[cells, arm].sum())) for age, cells in _groups(ages[first:end])
        ]
        by_candidate[name] = tuple(sorted(rows))
    return PendingCounts(tuple(row for rows in by_candidate.values() for row in rows), by_candidate)


def known_curves(world: DelayWorld, ids: Sequence[str]) -> Curves:
    """Return the true delay curves."""
    normal = np.random.default_rng(0).normal(size=100_000)
    curves = {}
    for name, minutes in zip(ids, world.minutes, strict=True):
        counts = np.bincount(_bins(minutes * MINUTE * np.exp(world.spread * normal)), minlength=len(EDGES))
        curves[name] = bandits.DelayCurve(counts.tolist(), window_ms=WINDOW)
    return Curves(bandits.DelayCurve([], window_ms=WINDOW), curves)


def regret(world: DelayWorld, seed: int, *, knows_delays: bool) -> Floats:
    """Return the regret of Thompson sampling by day."""
    log, rates = DelayedLog(world, seed), np.array(world.rates)
    arms, true_curves = len(rates), known_curves(world, log.ids) if knows_delays else None
    chances, lost = np.full(arms, 1 / arms), []
    for cell in range(world.days * DAY // (CELL * MINUTE)):
        if cell:
            version = bandits.seed_of(f"{seed} {cell}")
            draws = bandits.make_draws(log.ids, evidence_of(log, true_curves), seed=version, count=DRAWS)
            wins = np.bincount(draws.rates.argmax(axis=0), minlength=arms) / DRAWS
            chances = wins * (1 - FLOOR) + FLOOR / arms
        lost.append(float(log.play(chances) @ (rates.max() - rates)))
    return np.array(lost[: len(lost) // world.days * world.days]).reshape(world.days, -1).sum(axis=1)


TWO_DAYS, SIX = 2 * 24 * 60, (0.30, 0.27, 0.24, 0.20, 0.15, 0.10)
WORLDS = {
    "the better of two two days late": (DelayWorld((0.10, 0.12), (5, TWO_DAYS), 20), "<= 1.5"),
    "the same, 25% against 30%, delays spread wider": (
        DelayWorld((0.25, 0.30), (5, TWO_DAYS), 20, visits_a_day=1_000, spread=1.0),
        "<= 1.5",
    ),
    "the worse of two two days late": (DelayWorld((0.12, 0.10), (5, TWO_DAYS), 10), ""),
    "two, both within minutes": (DelayWorld((0.12, 0.10), (5, 5), 6), ""),
    "two, both two days late": (DelayWorld((0.12, 0.10), (TWO_DAYS, TWO_DAYS), 10), ""),
    "six within minutes": (DelayWorld(SIX, (5,) * 6, 6, visits_a_day=1_000), ""),
    "two within minutes, hardly any success of the second": (DelayWorld((0.10, 0.001), (5, 5), 8), ""),
}


def figures() -> list[Figure]:
    """Return the figures of `make verify`."""
    rows = []
    for name, (world, goal) in WORLDS.items():
        with_known, learned = (
            np.array([regret(world, seed, knows_delays=knows).sum() for seed in SEEDS]) for knows in (True, False)
        )
        spread = learned.std(ddof=1) / len(SEEDS) ** 0.5
        figure = (
            f"{learned.mean() / with_known.mean():.2f} ({learned.mean():.0f} ± {spread:.0f}, {with_known.mean():.0f})"
        )
        rows.append((f"{name}: regret over that with known delays (both)", goal, figure))
    return rows
