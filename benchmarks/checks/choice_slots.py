"""Check what a choice model learns of slots where customers have favourites that it knows wrongly.

A part of `python -m benchmarks.verify positions`. tests/bandits/ runs a small version.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

import bandits
from bandits.choice.identified import contradicting_effects
from bandits.choice.model import DEFAULT_PRIOR, ChoiceModel, ChoicePrior
from bandits.choice.observations import ChoiceObservation, aggregate
from bandits.choice.utilities import make_utilities, own_offsets
from bandits.drawing.slots import hashes_of
from bandits.evidence.positions import Floats, Impressions, choice_effects, position_sums, slot_chances

Figure = tuple[str, str, str]
ATTRACTIONS = np.array([5.0, 4.0, 0.5, 0.3, 0.2])
SLOTS = np.array([1.0, 0.7, 0.5, 0.4, 0.3])
OUTSIDE, COUNT, FLOOR = 1.5, 5, 0.01
IDS = tuple(f"c{number}" for number in range(COUNT))
SEEDS = range(100, 120)


class World(NamedTuple):
    """Half of the customers take their favourite `liked` times as often, and `own` of their choices show it."""

    liked: float
    own: float
    batches: int = 40
    visits: int = 1_000


class Learned(NamedTuple):
    """The effects of slots, relative to the first, and the share of batches that used chances."""

    slots: Floats
    identified: float


WORLDS = {
    "no favourites": World(1.0, 0.0),
    "favourites taken 5 times as often, after one choice": World(5.0, 1.0),
    "favourites taken 5 times as often, after five choices": World(5.0, 5.0),
    "favourites taken 20 times as often, after one choice": World(20.0, 1.0),
}


class _Run:
    def __init__(self, world: World, seed: int, *, identifies: bool) -> None:
        self.world, self.identifies, self.seed = world, identifies, seed
        self.rng, self.model, self.prior = np.random.default_rng([seed, 29]), ChoiceModel.nothing(), DEFAULT_PRIOR
        self.sums = np.zeros((4 * COUNT, COUNT - 1, 8))

    def batch(self, number: int) -> None:
        """Show orders to customers of each kind, and learn what they choose."""
        belief, seen = self.model.belief(self.prior, IDS), []
        for liked in range(-1, COUNT):
            visits = self.world.visits // 2 // (1 if liked < 0 else COUNT)
            stratum, own = ("new", np.zeros(COUNT)) if liked < 0 else ("past", self.world.own * (np.eye(COUNT)[liked]))
            offsets = own_offsets(belief.utilities(IDS, stratum), own) if own.any() else own
            utilities = make_utilities(IDS, belief, stratum, seed=self.seed * 1_009 + number)
            draws = np.exp(utilities.draws)[None]
            candidates = bandits.Candidates(draws, np.exp(utilities.means)[None], hashes_of(IDS), FLOOR)
            seeds = self.rng.integers(2**63, size=visits).astype(np.uint64)
            requests = bandits.Requests(seeds, weights=np.exp(offsets)[None])
            slots = bandits.Slots(COUNT, 3)
            orders, _ = bandits.fill(candidates, slots, requests)
            chosen = self.choose(orders, liked)
            self.count(orders, chosen, liked, slot_chances(candidates, slots, requests))
            for order, slot in zip(orders.tolist(), chosen.tolist(), strict=True):
                names = tuple(IDS[index] for index in order)
                added = tuple(np.round(offsets[order], 3).tolist()) if own.any() else ()
                seen.append(ChoiceObservation(names, stratum, () if slot < 0 else (slot,), 1.0, added))
        if self.identifies and number:
            effects = choice_effects(self.sums)
            self.prior = ChoicePrior(identified=contradicting_effects(self.model.belief(candidates=IDS), *effects))
        self.model = self.model.after(aggregate(seen), expected=self.prior)

    def choose(self, orders: Floats, liked: int) -> Floats:
        """Return the slot that each customer chooses, or -1."""
        attractions = ATTRACTIONS.copy()
        if liked >= 0:
            attractions[liked] *= self.world.liked
        attractions_by_slot = attractions[orders] * SLOTS
        shares = np.cumsum(attractions_by_slot / (OUTSIDE + attractions_by_slot.sum(axis=1, keepdims=True)), axis=1)
        luck = self.rng.random((len(orders), 1))
        return np.where(luck[:, 0] < shares[:, -1], (luck > shares).sum(axis=1), -1)

    def count(self, orders: Floats, chosen: Floats, liked: int, chances: Floats) -> None:
        """Add the impressions of those who chose the candidate or nothing, in cells by favourite."""
        slots = np.broadcast_to(np.arange(COUNT), orders.shape)
        won = chosen[:, None] == slots
        counts = won | (chosen < 0)[:, None]
        cells = orders + COUNT * (2 * (liked >= 0) + (orders == liked))
        rows = Impressions(cells[counts], slots[counts], won[counts].astype(float), chances[orders[counts]])
        self.sums += position_sums(rows, 4 * COUNT)


def play(world: World, seed: int, *, identifies: bool = True) -> Learned:
    """Play a world once."""
    run, identified = _Run(world, seed, identifies=identifies), []
    for number in range(world.batches):
        run.batch(number)
        identified.append(bool(run.prior.identified))
    belief = run.model.belief(run.prior, IDS)
    return Learned(np.exp(belief.mean[: COUNT - 1]), float(np.mean(identified)))


def figures() -> list[Figure]:
    """Return the figures of `make verify`."""
    rows = []
    for name, world in WORLDS.items():
        for identifies in (True, False):
            results = [play(world, seed, identifies=identifies) for seed in SEEDS]
            logs = np.log([result.slots for result in results]).mean(axis=0)
            share = np.mean([result.identified for result in results])
            goal = "within 10% of .7 .5 .4 .3" if identifies else ""
            source = f"chances overrule in {share:.0%} of batches" if identifies else "learned from choices alone"
            rows.append((f"`choice`, {name}: {source}", goal, " ".join(f"{value:.2f}" for value in np.exp(logs))))
    return rows
