"""What a paced budget gains beside the best possible plan, and beside a hard stop.

`python -m benchmarks.verify pacing`. The best possible plan is the linear program that knows every request beforehand.
It may split an offer, so no policy can gain more. Chances to redeem are known to all three; gains are expected ones.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.random import default_rng

from bandits.pacing import FIRST_PRICE, PacingStep, expected_traffic, hourly_profile, next_price
from benchmarks.checks.pacing_worlds import STEP_MS, STEPS, WORLDS, Floats, PacingWorld, traffic_profile

RUNS = 20
BISECTIONS = 60


class Spent(NamedTuple):
    """What a policy gained and spent."""

    gain: float
    spent: float


def clairvoyant_gain(world: PacingWorld) -> float:
    """Return the value of the linear program: the least value of its dual, which has the price alone."""
    low, high = 0.0, 1_000.0
    for _ in range(BISECTIONS):
        price = (low + high) / 2
        rows, best = _choices(world, price)
        cost = float((world.chances * world.costs)[rows, best].sum())
        low, high = (price, high) if cost > world.budget else (low, price)
    rows, best = _choices(world, high)
    scores = (world.chances * (world.values - high * world.costs))[rows, best]
    return float(scores.sum()) + high * world.budget


def _choices(world: PacingWorld, price: float) -> tuple[Floats, Floats]:
    """Return the requests that get an offer at a price, and which."""
    scores = world.chances * (world.values - price * world.costs)
    best = scores.argmax(axis=1)
    rows = np.flatnonzero(scores.max(axis=1) > 0)
    return rows, best[rows]


def play(world: PacingWorld, profile: Floats, seed: int, *, paced: bool = True) -> Spent:
    """Spend a world's budget with a price that follows the spending, or with none, until nothing is left."""
    random, price, left = default_rng(seed), FIRST_PRICE if paced else 0.0, world.budget
    hours = hourly_profile(profile.tolist())
    end, whole = STEPS * STEP_MS, expected_traffic(hours, 0, STEPS * STEP_MS)
    bounds = np.searchsorted(world.steps, np.arange(STEPS + 1))
    gain = 0.0
    for step in range(STEPS):
        before, begin = left, step * STEP_MS
        for row in range(bounds[step], bounds[step + 1]):
            scores = world.chances[row] * (world.values[row] - price * world.costs[row])
            best = int(scores.argmax())
            # What an offer may cost is set aside when it is shown.
            if scores[best] > 0 and world.costs[row, best] <= left:
                gain += float(world.chances[row, best] * world.values[row, best])
                if random.random() < world.chances[row, best]:
                    left -= float(world.costs[row, best])
        if paced:
            elapsed = expected_traffic(hours, begin, begin + STEP_MS)
            to_come = expected_traffic(hours, begin, end)
            price = next_price(price, PacingStep(before - left, before, elapsed, to_come, whole))
    return Spent(gain, world.budget - left)


def shares(name: str, run: int) -> tuple[float, float, float]:
    """Return the gains of pacing and of a hard stop over the best possible, and the share of the budget spent."""
    world = WORLDS[name](default_rng((run, 1)))
    # The traffic by hour is known from the week before.
    profile = traffic_profile(WORLDS[name](default_rng((run, 2))))
    best = clairvoyant_gain(world)
    paced, stopped = play(world, profile, run), play(world, profile, run, paced=False)
    return paced.gain / best, stopped.gain / best, paced.spent / world.budget


def figures(runs: int = RUNS) -> list[tuple[str, str, str]]:
    """Return (subject, goal, measured) for the table of docs/verification.md."""
    rows = []
    overspent = 0
    for name in WORLDS:
        results = np.array([shares(name, run) for run in range(runs)])
        overspent += int((results[:, 2] > 1).sum())
        paced, stopped, spent = results.mean(axis=0)
        worst = f"worst of {runs}: {results[:, 0].min():.3f}"
        measured = f"{paced:.3f} ({worst}); hard stop {stopped:.2f}; {spent:.1%} spent"
        rows.append((f"pacing: {name}, gain over that of the clairvoyant linear program", "at least .95", measured))
    return [*rows, (f"budgets overspent, of {runs * len(WORLDS)}", "0", str(overspent))]
