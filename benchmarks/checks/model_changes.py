"""Check jumps against what a model expected, for the contextual policy and for choices.

`python -m benchmarks.verify model-changes`, ten minutes. tests/bandits/ and tests/engine/ run small versions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bandits.choice.expected import choice_expectations
from bandits.choice.model import ChoiceModel
from bandits.choice.utilities import make_utilities
from bandits.drawing.weight_draws import make_weights
from bandits.evidence.residuals import CELLS_A_DAY, Residuals, logistic_expectation
from bandits.posterior.logistic_update import Observations
from bandits.posterior.weight_posterior import WeightEvidence, beliefs_of
from benchmarks.choice.policies import choices_of

Floats = NDArray[np.float64]
Rng = np.random.Generator
SEEDS = range(100, 120)
DAYS, BATCHES, FLOOR = 60, CELLS_A_DAY, 0.01
ARMS, FEATURES, VISITS = 6, 6, 1_000
SALE = range(25, 35)
JUMPS = (15, 30, 45)
RHYTHM = 0.4
"""By this share, every other arm does better in the first half of a day and worse in the second; others vice versa."""
UTILITIES = np.log([1.2, 1.1, 1.0, 0.9, 0.4])
SLOTS = np.log([1.0, 0.7, 0.5, 0.4, 0.3])
OUTSIDE, SOLD_OUTSIDE = np.log(3.0), np.log(1.8)
PINNED = 0
"""The candidate that a rule puts last from the middle on."""


class Played(NamedTuple):
    """Successes lost against the best, and (days until noticing, day of the jump) of each jump that was noticed."""

    lost: float
    noticed: list[tuple[float, int]]


World = str
WORLDS: tuple[World, ...] = (
    "steady",
    "weekends x 1.25",
    "a sale x 1.5",
    "daily rhythms of their own",
    "jumps: the best falls three times",
    "jumps: the same with weekends",
    "jumps: all change places three times",
)


def factor_on(world: World, day: int) -> float:
    """Return what all rates are multiplied by on a day."""
    if "weekends" in world and day % 7 >= 5:
        return 1.25
    return 1.5 if "sale" in world and day in SALE else 1.0


def rhythms(world: World, batch: int) -> Floats:
    """Return what the rates of each arm (K,) are multiplied by in a part of each day."""
    signs = np.where((np.arange(ARMS) + batch) % 2, -1.0, 1.0)
    factors: Floats = 1 + RHYTHM * signs * ("rhythms" in world)
    return factors


def play_contextual(world: World, seed: int, *, forgets: bool) -> Played:
    """Play Thompson sampling on weights; at a jump the constant of the best arm falls by 1.5, or all change places."""
    rng, ids = np.random.default_rng([seed, 21]), [f"arm{number}" for number in range(ARMS)]
    weights = rng.normal(0, 0.6, (ARMS, FEATURES))
    weights[:, 0] = rng.permutation(np.linspace(-2.5, -0.5, ARMS))
    evidence, residuals, lost, noticed = WeightEvidence(FEATURES), Residuals(), 0.0, []
    for day in range(1, DAYS + 1):
        if "jumps" in world and day in JUMPS:
            if "all change" in world:
                weights[:, 0] = np.roll(weights[:, 0], 2)
            else:
                weights[weights[:, 0].argmax(), 0] -= 1.5
        for batch in range(BATCHES):
            if forgets:
                residuals, jumps = residuals.tested(day * BATCHES + batch)
                noticed += [(day + batch / BATCHES - since, since) for since in jumps.values()]
                kept = {name: factor for name, factor in evidence.factors.items() if name not in jumps}
                evidence = WeightEvidence(FEATURES, kept)
            count = VISITS // BATCHES
            x = np.column_stack((np.ones(count), rng.normal(0, 1, (count, FEATURES - 1))))
            drawn = make_weights(ids, evidence, seed=seed * 100_000 + day * BATCHES + batch).draws
            scores = np.einsum("kdn,nd->kn", drawn[:, :, rng.integers(drawn.shape[2], size=count)], x)
            arms = np.where(rng.random(count) < FLOOR, rng.integers(ARMS, size=count), scores.argmax(axis=0))
            factors = factor_on(world, day) * rhythms(world, batch)
            rates = np.minimum(0.95, factors / (1 + np.exp(-(x @ weights.T))))
            chosen = rates[np.arange(count), arms]
            won = (rng.random(count) < chosen).astype(np.float64)
            lost += float((rates.max(axis=1) - chosen).sum())
            seen = {
                name: Observations(x[arms == k], np.ones(int((arms == k).sum())), won[arms == k])
                for k, name in enumerate(ids)
                if (arms == k).any()
            }
            beliefs = beliefs_of(evidence, list(seen))
            expected = {name: logistic_expectation(beliefs[name], rows) for name, rows in seen.items()}
            residuals, evidence = residuals.after(day * BATCHES + batch, expected), evidence.updated(seen)
    return Played(lost, noticed)


CHOICE_WORLDS: tuple[World, ...] = (
    "steady",
    "weekends and a sale",
    "a pin to the last slot",
    "jumps: the best falls and comes back",
)


def play_choices(world: World, seed: int, *, forgets: bool) -> Played:
    """Play the choice model; at a jump the best candidate's utility falls by 1.5, and later comes back."""
    rng, count = np.random.default_rng([seed, 22]), VISITS // BATCHES
    ids = tuple(f"c{number:02}" for number in range(len(UTILITIES)))
    model, residuals, lost, noticed = ChoiceModel.nothing(), Residuals(), 0.0, []
    for day in range(1, DAYS + 1):
        utilities = UTILITIES.copy()
        if "jumps" in world and JUMPS[0] <= day < JUMPS[2]:
            utilities[0] -= 1.5
        sold = day in SALE or day % 7 >= 5
        outside = SOLD_OUTSIDE if "sale" in world and sold else OUTSIDE
        for batch in range(BATCHES):
            if forgets:
                residuals, jumps = residuals.tested(day * BATCHES + batch)
                noticed += [(day + batch / BATCHES - since, since) for since in jumps.values()]
                model = model.without(jumps) if jumps else model
            belief = model.belief(candidates=ids)
            drawn = make_utilities(ids, belief, "s000", seed=seed * 100_003 + day * BATCHES + batch).draws
            scores = drawn[:, rng.integers(drawn.shape[1], size=count)].T
            if "pin" in world and day >= DAYS // 2:
                scores[:, PINNED] = -np.inf
            orders = np.argsort(-scores, axis=1, kind="stable")
            chances = _chances(utilities[orders] + SLOTS, outside)
            best = np.argsort(-np.where(scores[0] == -np.inf, -np.inf, utilities), kind="stable")
            lost += float((_chances(utilities[best] + SLOTS, outside).sum() - chances.sum(axis=1)).sum())
            table = choices_of(ids, [(0, orders, _pick(chances, rng))])
            residuals = residuals.after(day * BATCHES + batch, choice_expectations(belief, table))
            model = model.after(table)
    return Played(lost, noticed)


def _chances(factors: Floats, outside: float) -> Floats:
    """Return the chance of each slot to be chosen, (..., slots)."""
    attractions = np.exp(factors - outside)
    result: Floats = attractions / (1 + attractions.sum(axis=-1, keepdims=True))
    return result


def _pick(chances: Floats, rng: Rng) -> NDArray[np.intp]:
    """Draw the chosen slot of each visit; -1 for none."""
    below = rng.random(len(chances))[:, None] < chances.cumsum(axis=1)
    return np.where(below.any(axis=1), below.argmax(axis=1), -1)


def figures() -> list[tuple[str, str, str]]:
    """Return the figures of `make verify`."""
    kinds = (("contextual", WORLDS, play_contextual), ("choices", CHOICE_WORLDS, play_choices))
    return [_figure(f"{kind}, {world}", world, play) for kind, worlds, play in kinds for world in worlds]


def _figure(name: str, world: World, play: Callable[..., Played]) -> tuple[str, str, str]:
    runs = [[play(world, seed, forgets=forgets) for seed in SEEDS] for forgets in (True, False)]
    with_resets, without = (sum(run.lost for run in part) for part in runs)
    noticed = [pair for run in runs[0] for pair in run.noticed]
    title = f"{name}: regret with resets over that without, {len(SEEDS)} seeds"
    if "jump" not in world:
        return title, "<= 1.2, no resets", f"{with_resets / without:.2f}, {len(noticed)} resets"
    late = np.median([days for days, _ in noticed]) if noticed else np.nan
    goal = "" if "all change" in world else "<= .4"
    return title, goal, f"{with_resets / without:.2f}, noticed after {late:.1f} days (median)"
