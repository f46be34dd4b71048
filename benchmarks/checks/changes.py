"""Check changes against the others: weekends and sales reset no candidate, jumps are found.

`python -m benchmarks.verify changes`, some minutes on 20 seeds. tests/bandits/ runs small versions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from bandits.evidence.change import memory

Floats = NDArray[np.float64]
Figure = tuple[str, str, str]
SEEDS = range(100, 120)
STEADY = np.array([0.30, 0.27, 0.24, 0.20, 0.15, 0.10])
PHASES = np.array([
    [0.34, 0.22, 0.15, 0.10, 0.07, 0.05, 0.04, 0.03, 0.025, 0.02],
    [0.02, 0.025, 0.03, 0.04, 0.05, 0.07, 0.10, 0.15, 0.22, 0.34],
    [0.10, 0.34, 0.22, 0.15, 0.02, 0.07, 0.05, 0.04, 0.03, 0.025],
    [0.025, 0.02, 0.03, 0.04, 0.34, 0.05, 0.07, 0.10, 0.15, 0.22],
])  # fmt: skip
BATCHES, FLOOR = 4, 0.01


def regret(rates: Floats, factors: Floats, visits_a_day: int, seed: int, *, forgets: bool) -> float:
    """Return the regret of Thompson sampling; `rates` (days, K) are multiplied by `factors` (days,)."""
    rng, (days, arms) = np.random.default_rng([seed, 5]), rates.shape
    trials, successes, lost = np.zeros((days, arms)), np.zeros((days, arms)), 0.0
    for day in range(days):
        weights = np.ones((days, arms))
        if forgets and day > 1:
            weights[:day] = memory(trials[:day], successes[:day])
        for _ in range(BATCHES):
            n, s = (weights * trials).sum(axis=0), (weights * successes).sum(axis=0)
            draws = rng.beta(1 + s[:, None], 1 + (n - s)[:, None], (arms, 1024))
            chances = np.bincount(draws.argmax(axis=0), minlength=arms) / 1024 * (1 - FLOOR) + FLOOR / arms
            shown, todays = rng.multinomial(visits_a_day // BATCHES, chances), rates[day] * factors[day]
            trials[day] += shown
            successes[day] += rng.binomial(shown, todays)
            lost += float((shown * (todays.max() - todays)).sum())
    return lost


def ratio(rates: Floats, factors: Floats, visits_a_day: int, seeds: range) -> float:
    """Return the mean regret with resets over that without."""
    sums = [
        sum(regret(rates, factors, visits_a_day, seed, forgets=forgets) for seed in seeds) for forgets in (True, False)
    ]
    return sums[0] / sums[1]


def _worlds() -> Iterator[tuple[str, str, Callable[[], float]]]:
    days = np.arange(60)
    for factor in (1.1, 1.25, 0.8):
        factors = np.where(days % 7 >= 5, factor, 1.0)
        yield f"weekends x {factor}", "<= 1.2", lambda f=factors: ratio(np.tile(STEADY, (60, 1)), f, 2_000, SEEDS)
    sale = np.where((days >= 25) & (days < 35), 1.5, 1.0)
    yield "a sale x 1.5 of ten days", "<= 1.2", lambda: ratio(np.tile(STEADY, (60, 1)), sale, 2_000, SEEDS)
    jumps, weekends = np.repeat(PHASES, 20, axis=0), np.where(np.arange(80) % 7 >= 5, 1.25, 1.0)
    yield "three jumps", "<= .4", lambda: ratio(jumps, np.ones(80), 250, SEEDS)
    yield "three jumps and weekends x 1.25", "<= .4", lambda: ratio(jumps, weekends, 250, SEEDS)


def figures() -> list[Figure]:
    """Return the figures of `make verify`."""
    return [
        (f"{name}: regret with resets over that without, {len(SEEDS)} seeds", goal, f"{measure():.2f}")
        for name, goal, measure in _worlds()
    ]
