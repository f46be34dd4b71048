"""Check the floor: how soon an improvement is found among forty candidates, and what probes cost.

`python -m benchmarks.verify floor`, three minutes. tests/bandits/ runs a small version.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bandits.drawing.probes import RECENT_HALF_LIFE_DAYS, Recent, make_probes
from bandits.evidence.change import changes

Floats = NDArray[np.float64]
Figure = tuple[str, str, str]
ARMS, BEFORE, MOST_DAYS, SETTING = 40, 10, 200, 0.01
IDS = tuple(f"candidate_{number}" for number in range(ARMS))
SEEDS = range(100, 120)
CHECKED_EVERY, CHECKED_ARMS = 4, 8


def begin_rates() -> Floats:
    """Return the rates before the improvement: the last candidate converts at 2%."""
    rates = np.linspace(0.06, 0.015, ARMS)
    rates[-1] = 0.02
    return rates


def floored(chances: Floats, sums: tuple[Floats, Floats], days: tuple[Floats, Floats], visits: int) -> Floats:
    """Return chances with the floor divided by the last weeks."""
    (tried, won), fade = days, 0.5 ** (np.arange(len(days[0]) - 1, -1, -1) / RECENT_HALF_LIFE_DAYS)
    probes = make_probes(
        IDS, (sums[1] + 1) / (sums[0] + 2), Recent(fade @ tried, fade @ won), visits_a_day=float(visits)
    )
    floor = SETTING * probes.multiple
    result: Floats = chances * (1 - floor) + floor * probes.shares
    return result


def day_found(seed: int, *, spent: bool, visits: int = 1_000, most: int = MOST_DAYS) -> int:
    """Return the day on which a candidate of 2,000 tries at 2% that converts at 10% now gets half of the visits."""
    rng, rates = np.random.default_rng([seed, 17]), begin_rates()
    past = np.full(ARMS, 200.0)
    past[0] = 4_000.0
    tried, won = np.tile(past, (BEFORE, 1)), np.tile(np.round(past * rates), (BEFORE, 1))
    rates[-1], first = 0.10, 0
    for day in range(1, most + 1):
        if day % CHECKED_EVERY == 0:
            # The change test needs the improved candidate and some others; all forty would only take longer.
            some = [ARMS - 1, *range(CHECKED_ARMS - 1)]
            first = int(changes(tried[:, some], won[:, some]).firsts[0])
        n, s = tried.sum(axis=0), won.sum(axis=0)
        n[-1], s[-1] = tried[first:, -1].sum(), won[first:, -1].sum()
        draws = rng.beta(1 + s[:, None], 1 + (n - s)[:, None], (ARMS, 1024))
        chances = np.bincount(draws.argmax(axis=0), minlength=ARMS) / 1024
        if chances[-1] > 0.5:
            return day
        if spent:
            chances = floored(chances, (n, s), (tried[BEFORE:], won[BEFORE:]), visits)
        else:
            chances = chances * (1 - SETTING) + SETTING / ARMS
        shown = rng.multinomial(visits, chances / chances.sum())
        tried, won = np.vstack((tried, shown)), np.vstack((won, rng.binomial(shown, rates)))
    return most + 1


def cost_a_day(seed: int, visits: int, *, spent: bool) -> float:
    """Return the conversions a day that probes lose where nothing changes, after 30 days of such visits."""
    rng, rates = np.random.default_rng([seed, 19]), begin_rates()
    tried = np.full((30, ARMS), visits * SETTING / ARMS)
    tried[:, 0] = visits * (1 - SETTING)
    won = rng.binomial(tried.astype(int), rates).astype(float)
    certain = np.eye(ARMS)[0]
    chances = certain * (1 - SETTING) + SETTING / ARMS
    if spent:
        chances = floored(certain, (tried.sum(axis=0), won.sum(axis=0)), (tried, won), visits)
    return float(visits * (chances @ (rates[0] - rates)))


def figures() -> list[Figure]:
    """Return the figures of `make verify`."""
    days = np.array([day_found(seed, spent=True) for seed in SEEDS])
    even = np.array([day_found(seed, spent=False) for seed in SEEDS[:5]])
    costs = [np.mean([cost_a_day(seed, 20_000, spent=spent) for seed in SEEDS]) for spent in (True, False)]
    what = "2,000 tries at 2%, then 10%, 40 candidates, 1,000 visits a day: found on day"
    within = f"{(days <= 90).sum()} of {len(days)} within 90"
    return [
        (f"{what}, median and most", "<= 90", f"{np.median(days):.0f}, {days.max()}; {within}"),
        (f"the same with an even floor of {SETTING}, 5 runs", "", f"{np.median(even):.0f}, {even.max()}"),
        ("conversions that probes cost a day at 20,000 visits", "less than even", f"{costs[0]:.1f}"),
        (f"the same with an even floor of {SETTING}", "", f"{costs[1]:.1f}"),
    ]
