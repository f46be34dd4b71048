"""Worlds in which a budget is spent: requests come and go, with offers that differ in what they bring in and cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bandits.pacing import HOUR_MS

Floats = NDArray[np.float64]

DAYS, STEP_MS = 7, 60_000
STEPS = DAYS * 24 * 60
REQUESTS, MARGIN = 60_000, 0.3
BUDGET_SHARE = 0.08
"""The budget, as a share of what would be spent without a price."""


class PacingWorld(NamedTuple):
    """N requests in the order of time: the step of each, and for K offers its chance, value and cost (N, K).

    A value is what is left of a redeemed order's margin after the discount; a cost is the discount. `budget` is the cap
    of each `cap_steps` steps.
    """

    steps: NDArray[np.int64]
    chances: Floats
    values: Floats
    costs: Floats
    budget: float
    cap_steps: int = STEPS


class Course(NamedTuple):
    """The changes of a world over time (STEPS,): its traffic, and the factors of its chances and carts."""

    traffic: Floats
    chances: Floats
    carts: Floats


def build_world(random: Generator, course: Course, *, amounts: tuple[int, ...] = (500,)) -> PacingWorld:
    """Draw a world: carts are log-normal, and customers differ in how likely they redeem."""
    counts = random.poisson(REQUESTS * course.traffic / course.traffic.sum())
    steps = np.repeat(np.arange(STEPS), counts)
    carts = random.lognormal(8.5, 0.8, len(steps)) * course.carts[steps]
    likely = random.beta(0.8, 5.0, len(steps)) * course.chances[steps]
    discounts = np.array(amounts, np.float64)
    # A larger discount is redeemed more often.
    chances = np.minimum(0.95, likely[:, None] * (discounts / discounts[0]) ** 0.7)
    costs = np.minimum(carts[:, None], discounts)
    values = carts[:, None] * MARGIN - costs
    unlimited = _best_spend(chances, values, costs)
    return PacingWorld(steps, chances, values, costs, BUDGET_SHARE * unlimited)


def _best_spend(chances: Floats, values: Floats, costs: Floats) -> float:
    best = (chances * values).argmax(axis=1)
    rows = np.flatnonzero(values.max(axis=1) > 0)
    return float((chances * costs)[rows, best[rows]].sum())


def steady(random: Generator) -> PacingWorld:
    """Draw a world in which nothing changes."""
    return build_world(random, Course(np.ones(STEPS), np.ones(STEPS), np.ones(STEPS)))


def peak_hour(random: Generator) -> PacingWorld:
    """Draw a world in which a third of a day's traffic comes in one hour, with larger carts."""
    hour = _hours() % 24
    peak = hour == 19
    return build_world(random, Course(np.where(peak, 12.0, 1.0), np.ones(STEPS), np.where(peak, 1.3, 1.0)))


def shared(random: Generator) -> PacingWorld:
    """Draw a world in which two offers share the budget."""
    return build_world(random, Course(np.ones(STEPS), np.ones(STEPS), np.ones(STEPS)), amounts=(500, 1000))


def drift(random: Generator) -> PacingWorld:
    """Draw a world in which customers redeem ever more often."""
    return build_world(random, Course(np.ones(STEPS), np.linspace(0.7, 1.4, STEPS), np.ones(STEPS)))


def slump(random: Generator) -> PacingWorld:
    """Draw a world in which half of the traffic stays away from the middle on."""
    traffic = np.where(np.arange(STEPS) < STEPS / 2, 1.0, 0.5)
    return build_world(random, Course(traffic, np.ones(STEPS), np.ones(STEPS)))


def daily_cap(random: Generator) -> PacingWorld:
    """Draw a world with a cap for each day. Evenings are busy, and the last two days have twice the traffic."""
    hours = _hours()
    traffic = np.where(hours % 24 >= 17, 3.0, 1.0) * np.where(hours // 24 >= DAYS - 2, 2.0, 1.0)
    world = build_world(random, Course(traffic, np.ones(STEPS), np.ones(STEPS)))
    return world._replace(budget=world.budget / DAYS, cap_steps=STEPS // DAYS)


def daily_cap_drift(random: Generator) -> PacingWorld:
    """Draw a world with a cap for each day, in which customers redeem ever more often and carts differ by day."""
    carts = np.where(_hours() // 24 % 2 == 0, 1.0, 1.3)
    world = build_world(random, Course(np.ones(STEPS), np.linspace(0.7, 1.4, STEPS), carts))
    return world._replace(budget=world.budget / DAYS, cap_steps=STEPS // DAYS)


def traffic_profile(world: PacingWorld) -> Floats:
    """Return the number of requests in each hour of the day (24,)."""
    return np.bincount(_hours()[world.steps] % 24, minlength=24).astype(np.float64)


def _hours() -> NDArray[np.int64]:
    return np.arange(STEPS) * STEP_MS // HOUR_MS


WORLDS: dict[str, Callable[[Generator], PacingWorld]] = {
    "steady": steady,
    "a peak hour": peak_hour,
    "two offers that share the budget": shared,
    "drift": drift,
    "a slump": slump,
    "a cap a day, busy weekend": daily_cap,
    "a cap a day, drift": daily_cap_drift,
}
