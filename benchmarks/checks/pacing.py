"""The gain of a paced budget, compared with the best possible plan and with a hard stop.

`python -m benchmarks.verify pacing`. The best possible plan is the linear program that knows every request beforehand.
It may split an offer, so no policy can gain more. Chances to redeem are known to all three; gains are expected ones.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.random import Generator, default_rng

from bandits.pacing import FIRST_PRICE, PacingStep, expected_traffic, hourly_profile, next_price
from benchmarks.checks.pacing_worlds import STEP_MS, STEPS, WORLDS, Floats, PacingWorld, traffic_profile

RUNS = 20
BISECTIONS = 60


class Spent(NamedTuple):
    """The gain and spending of a policy, and the largest share of a cap that it spent."""

    gain: float
    spent: float
    fullest: float


class Optimum(NamedTuple):
    """The best possible gain under a cap, and what a unit more of the cap would add to it."""

    gain: float
    price: float


def clairvoyant_gain(world: PacingWorld) -> float:
    """Return the value of the linear program; each cap is one of its own."""
    return sum(_best_under_cap(part).gain for part in _caps(world))


def _best_under_cap(world: PacingWorld) -> Optimum:
    """Return the optimum of the linear program with a single cap: the least value of its dual in the price."""
    low, high = 0.0, 1_000.0
    for _ in range(BISECTIONS):
        price = (low + high) / 2
        rows, best = _choices(world, price)
        cost = float((world.chances * world.costs)[rows, best].sum())
        low, high = (price, high) if cost > world.budget else (low, price)
    rows, best = _choices(world, high)
    scores = (world.chances * (world.values - high * world.costs))[rows, best]
    return Optimum(float(scores.sum()) + high * world.budget, high)


def _caps(world: PacingWorld) -> list[PacingWorld]:
    """Return the requests of each cap as a world of their own."""
    edges = np.searchsorted(world.steps, np.arange(0, STEPS + 1, world.cap_steps))
    parts = [slice(begin, end) for begin, end in pairwise(edges)]
    return [
        PacingWorld(world.steps[part], world.chances[part], world.values[part], world.costs[part], world.budget)
        for part in parts
    ]


def _choices(world: PacingWorld, price: float) -> tuple[Floats, Floats]:
    """Return the requests that get an offer at a price, and which."""
    scores = world.chances * (world.values - price * world.costs)
    best = scores.argmax(axis=1)
    rows = np.flatnonzero(scores.max(axis=1) > 0)
    return rows, best[rows]


def play(world: PacingWorld, profile: Floats, seed: int, *, paced: bool = True) -> Spent:
    """Spend a world's caps with a price that follows the spending, or with none, until nothing is left."""
    random, price = default_rng(seed), FIRST_PRICE if paced else 0.0
    hours = hourly_profile(profile.tolist())
    gain, spent = 0.0, []
    for number, part in enumerate(_caps(world)):
        stretch = range(number * world.cap_steps, (number + 1) * world.cap_steps)
        added, left, price = _play_cap(part, stretch, hours, random, price)
        gain += added
        spent.append(world.budget - left)
    return Spent(gain, sum(spent), max(spent) / world.budget)


def _play_cap(
    world: PacingWorld, stretch: range, hours: tuple[float, ...], random: Generator, price: float
) -> tuple[float, float, float]:
    """Spend one cap from a price on; return the gain, what is left, and the last price. A price of 0 stays.

    A run with few redemptions by luck shows more offers. What luck saved or took is counted at its worth in the best
    plan, which changes no mean and makes it surer (a control variate).
    """
    left, gain, end = world.budget, 0.0, stretch.stop * STEP_MS
    best_price = _best_under_cap(world).price
    # The price carries over from cap to cap.
    whole = expected_traffic(hours, 0, STEPS * STEP_MS)
    bounds = np.searchsorted(world.steps, np.arange(stretch.start, stretch.stop + 1))
    for step, (first, last) in zip(stretch, pairwise(bounds), strict=True):
        before, begin = left, step * STEP_MS
        for row in range(first, last):
            scores = world.chances[row] * (world.values[row] - price * world.costs[row])
            best = int(scores.argmax())
            # What an offer may cost is set aside when it is shown.
            if scores[best] > 0 and world.costs[row, best] <= left:
                chance, cost = float(world.chances[row, best]), float(world.costs[row, best])
                is_redeemed = random.random() < chance
                left -= is_redeemed * cost
                gain += chance * float(world.values[row, best]) + best_price * cost * (is_redeemed - chance)
        if price:
            elapsed = expected_traffic(hours, begin, begin + STEP_MS)
            to_come = expected_traffic(hours, begin, end)
            price = next_price(
                price, PacingStep(before - left, before, elapsed, to_come, expected_traffic(hours, 0, begin), whole)
            )
    return gain, left, price


def shares(name: str, run: int) -> tuple[float, float, float, float]:
    """Return the gains of pacing and of a hard stop over the best possible, and the share of the budget spent.

    The last number is the largest share of a cap that either of them spent.
    """
    world = WORLDS[name](default_rng((run, 1)))
    # The traffic by hour is known from the week before.
    profile = traffic_profile(WORLDS[name](default_rng((run, 2))))
    best = clairvoyant_gain(world)
    paced, stopped = play(world, profile, run), play(world, profile, run, paced=False)
    share = paced.spent / (world.budget * STEPS / world.cap_steps)
    return paced.gain / best, stopped.gain / best, share, max(paced.fullest, stopped.fullest)


def figures(runs: int = RUNS) -> list[tuple[str, str, str]]:
    """Return (subject, goal, measured) for the table of docs/verification.md."""
    rows = []
    overspent = 0
    for name in WORLDS:
        results = np.array([shares(name, run) for run in range(runs)])
        overspent += int((results[:, 3] > 1).sum())
        paced, stopped, spent, _ = results.mean(axis=0)
        worst = f"worst of {runs}: {results[:, 0].min():.3f}"
        measured = f"{paced:.3f} ({worst}); hard stop {stopped:.2f}; {spent:.1%} spent"
        rows.append((f"pacing: {name}, gain over that of the clairvoyant linear program", "at least .95", measured))
    return [*rows, (f"budgets overspent, of {runs * len(WORLDS)}", "0", str(overspent))]
