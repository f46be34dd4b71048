"""Check what a bandit learns of slots from its own log: weights of positions, and rates where customers lose patience.

`python -m benchmarks.verify positions`, some minutes. tests/bandits/ runs a small version.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

import bandits
from bandits.drawing.slots import hashes_of
from bandits.evidence.positions import (
    ENOUGH,
    Impressions,
    PositionCurve,
    position_effects,
    position_sums,
    slot_chances,
)
from benchmarks.checks import choice_slots

Floats = np.ndarray
Figure = tuple[str, str, str]
WEIGHTS = (1.0, 0.7, 0.5, 0.35, 0.25, 0.2)
RATES = (0.12, 0.11, 0.10, 0.09, 0.08, 0.07)
FLOOR, DRAWN, OWN, LIKED = 0.01, 3, 5.0, 5.0


@dataclass(frozen=True)
class World:
    """Customers who look at slots with `weights` each, or from the top with `patience`.

    `rates` by bucket; half of the customers of `liked` worlds have a favourite that they take five times as often.
    """

    rates: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...] = WEIGHTS
    patience: float | None = None
    liked: bool = False
    batches: int = 100
    visits: int = 1_000

    @property
    def count(self) -> int:
        return len(self.rates[0])


class Visits(NamedTuple):
    """Visits of one kind: orders (n, S), who succeeded (n, S), and who was tried (n, S)."""

    orders: Floats
    won: Floats
    tried: Floats


def visit(rng: np.random.Generator, world: World, orders: Floats, rates: Floats) -> Visits:
    """Return what customers do with orders."""
    takes = rng.random(orders.shape) < rates[orders]
    if world.patience is None:
        won = takes & (rng.random(orders.shape) < np.array(world.weights)[: orders.shape[1]])
        return Visits(orders, won, np.ones(orders.shape, bool))
    stays = np.column_stack((np.ones(len(orders)), rng.random(takes[:, 1:].shape) < world.patience))
    looks = np.cumprod(stays, axis=1) > 0
    first = np.cumsum(looks & takes, axis=1)
    won = looks & takes & (first == 1)
    chosen = np.where(won.any(axis=1), won.argmax(axis=1), orders.shape[1])
    return Visits(orders, won, np.arange(orders.shape[1]) <= chosen[:, None])


@dataclass
class Learner:
    """Thompson sampling for a bucket, with credit by position or of a cascade, whose weights come from the log."""

    world: World
    identified: bool = True
    weights: Floats = field(init=False)
    curve: PositionCurve = field(init=False)

    def __post_init__(self) -> None:
        count, buckets = self.world.count, len(self.world.rates)
        self.tried, self.won = np.zeros((2, buckets, count, count))
        self.sums, self.visits, self.weights = np.zeros((count, count - 1, 8)), 0, np.ones(count)
        self.curve = PositionCurve.nothing(count)

    def evidence(self, bucket: int) -> tuple[Floats, Floats]:
        tried, won = self.tried[bucket], self.won[bucket]
        reach = (tried @ self.weights) / np.maximum(tried.sum(axis=1), 1)
        if self.world.patience is None:
            return bandits.effective_trials(tried, won, self.weights), won.sum(axis=1)
        total, wins = tried.sum(axis=1)[:, None], won.sum(axis=1)[:, None]
        return bandits.effective_trials(total, wins, reach[:, None]), wins[:, 0]

    def candidates(self, bucket: int, version: int) -> bandits.Candidates:
        ids = [f"c{number}" for number in range(self.world.count)]
        evidence = [bandits.Evidence(max(n, s), s) for n, s in zip(*self.evidence(bucket), strict=True)]
        draws = bandits.make_draws(ids, evidence, seed=version)
        return bandits.Candidates(draws.rates[None], draws.means[None], hashes_of(ids), FLOOR)

    def learn(self, bucket: int, visits: Visits, chances: Floats) -> None:
        orders, won, tried = visits
        slots = np.broadcast_to(np.arange(orders.shape[1]), orders.shape)
        np.add.at(self.tried[bucket], (orders[tried], slots[tried]), 1)
        np.add.at(self.won[bucket], (orders[won], slots[won]), 1)
        self.visits += len(orders)
        if self.world.patience is None:
            self.curve = self.curve.after(slots[won], chances[orders[won]])
        else:
            names, success = orders[tried], won[tried].astype(float)
            self.sums += position_sums(Impressions(names, slots[tried], success, chances[names]), self.world.count)

    def fit(self) -> None:
        if self.identified and self.visits >= ENOUGH:
            effects = position_effects(self.sums) if self.world.patience else self.curve.effects()
            self.weights = np.minimum(effects.weights, 1.0)
        elif self.world.patience is None:
            self.weights = bandits.estimate_weights(self.tried.sum(axis=0), self.won.sum(axis=0))


class Result(NamedTuple):
    """The weights of slots, the posterior rates (buckets, K), and how often the best was first at the end."""

    weights: Floats
    rates: Floats
    best_first: float


def play(world: World, seed: int, *, identified: bool = True) -> Result:
    """Play a world once."""
    rng, learner, firsts = np.random.default_rng([seed, 23]), Learner(world, identified), []
    buckets, count = len(world.rates), world.count
    kinds = [(-1, 0.5), *((liked, 0.5 / count) for liked in range(count))] if world.liked else [(-1, 1.0)]
    slots = bandits.Slots(count, DRAWN)
    for batch in range(world.batches):
        for bucket in range(buckets):
            candidates = learner.candidates(bucket, seed * 100_003 + batch * buckets + bucket)
            for liked, share in kinds:
                visits, rates = round(world.visits * share / buckets), np.array(world.rates[bucket])
                past = bandits.NO_PASTS
                if liked >= 0:
                    past = np.zeros((1, 2, count))
                    past[0, :, liked] = OWN
                    rates[liked] *= LIKED
                request = bandits.Requests(np.zeros(1, np.uint64), past, strength=4.0)
                chances = slot_chances(candidates, slots, request)
                seeds = rng.integers(2**63, size=visits).astype(np.uint64)
                pasts = np.repeat(past, visits, axis=0) if past.size else past
                orders, _ = bandits.fill(candidates, slots, request._replace(seeds=seeds, pasts=pasts))
                learner.learn(bucket, visit(rng, world, orders, rates), chances)
                firsts.append((batch, (orders[:, 0] == np.argmax(rates)).mean()))
        learner.fit()
    believed = np.array([(s + 1) / (n + 2) for n, s in map(learner.evidence, range(buckets))])
    last = [share for batch, share in firsts if batch >= world.batches * 3 // 4]
    return Result(learner.weights, believed, float(np.mean(last)))


SEEDS = range(100, 120)
RUNS = range(100, 150)
POSITIONS = {
    "one bucket": World((RATES,)),
    "two buckets with reversed rates": World((RATES, RATES[::-1])),
    "half of the customers with a favourite": World((RATES,), liked=True),
}
CASCADES = {
    "patience .5": World((RATES[:4],), patience=0.5),
    "patience .88": World((RATES[:4],), patience=0.88),
    "patience .6, rates .5 to .2": World(((0.5, 0.4, 0.3, 0.2),), patience=0.6),
}


def weights_figure(name: str, *, identified: bool = True) -> Figure:
    """Return the mean weights, and the largest mean and mean absolute error of a slot."""
    world = POSITIONS[name]
    weights = np.array([play(world, seed, identified=identified).weights for seed in SEEDS])
    errors = weights / np.array(world.weights) - 1
    text = " ".join(f"{weight:.2f}" for weight in weights.mean(axis=0))
    bias, spread = np.abs(errors.mean(axis=0)).max(), np.abs(errors).mean(axis=0).max()
    source = "from exact chances" if identified else "from sums by slot"
    measured = f"{text}; off by {bias:.1%} at most, a single run by {spread:.1%} on average"
    return f"`position`, {name}: weights {source}", "within 10% of 1 .7 .5 .35 .25 .2" if identified else "", measured


def cascade_figures(name: str, *, identified: bool = True) -> list[Figure]:
    """Return the believed rates over the true ones, and how many runs end with a wrong candidate first."""
    world = CASCADES[name]
    results = [play(world, seed, identified=identified) for seed in RUNS]
    ratios = np.array([result.rates[0] for result in results]).mean(axis=0) / np.array(world.rates[0])
    locked = sum(result.best_first < 0.5 for result in results)
    source = "with the slots' weights" if identified else "without"
    text = " ".join(f"{ratio:.2f}" for ratio in ratios)
    return [
        (f"`cascade`, {name}, {source}: believed rate / true", "within 5%" if identified else "", text),
        ("the same, runs with a wrong candidate first", "0" if identified else "", f"{locked} of {len(RUNS)}"),
    ]


def figures() -> list[Figure]:
    """Return the figures of `make verify`."""
    weights = [weights_figure(name) for name in POSITIONS]
    plain = [weights_figure(name, identified=False) for name in list(POSITIONS)[1:]]
    cascades = [figure for name in CASCADES for figure in cascade_figures(name)]
    return [*weights, *plain, *cascades, *cascade_figures("patience .5", identified=False), *choice_slots.figures()]
