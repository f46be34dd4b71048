"""Worlds of checkouts that show several candidates, for comparing what a choice model and trials by candidate learn.

A world has groups of visits: who is offered, what is pinned or boosted, and how the customers choose. Orders are drawn
as the kernel draws them: each of the first slots by a race of frozen draws, with a floor, the rest by the posterior
means.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Orders = NDArray[np.intp]
FLOOR, DRAWN = 0.01, 3


class Customers(Protocol):
    """A model of choices from orders (n, L), with NOBODY = -1 after the last candidate: a slot each, or -1."""

    def choose(self, rng: np.random.Generator, orders: Orders) -> Orders: ...

    def value(self, orders: Orders) -> Floats:
        """The expected successes of each order, (n,)."""
        ...


@dataclass(frozen=True)
class Cascade:
    """They look from the top, take the first that pleases, and go on with `patience` after each that does not."""

    accept: tuple[float, ...]
    patience: float = 1.0

    def choose(self, rng: np.random.Generator, orders: Orders) -> Orders:
        take, stay = rng.random(orders.shape) < in_order(orders, self.accept), rng.random(orders.shape) < self.patience
        chosen, present = np.full(len(orders), -1), np.ones(len(orders), bool)
        for slot in range(orders.shape[1]):
            chosen[present & take[:, slot]] = slot
            present &= ~take[:, slot] & stay[:, slot]
        return chosen

    def value(self, orders: Orders) -> Floats:
        value, present, rates = np.zeros(len(orders)), np.ones(len(orders)), in_order(orders, self.accept)
        for slot in range(orders.shape[1]):
            value += present * rates[:, slot]
            present *= (1 - rates[:, slot]) * self.patience
        return value


@dataclass(frozen=True)
class OneOfAll:
    """They compare all, each with its attraction times what its slot is worth, with an outside option."""

    attraction: tuple[float, ...]
    by_slot: tuple[float, ...]
    outside: float

    def shares(self, orders: Orders) -> Floats:
        attractions = in_order(orders, self.attraction) * np.array(self.by_slot)[: orders.shape[1]]
        result: Floats = attractions / (self.outside + attractions.sum(axis=1, keepdims=True))
        return result

    def choose(self, rng: np.random.Generator, orders: Orders) -> Orders:
        shares, u = np.cumsum(self.shares(orders), axis=1), rng.random((len(orders), 1))
        return np.where(u[:, 0] < shares[:, -1], (u > shares).sum(axis=1), -1)

    def value(self, orders: Orders) -> Floats:
        value: Floats = self.shares(orders).sum(axis=1)
        return value


@dataclass(frozen=True)
class Group:
    """Visits of one kind: `share` of all, who is offered, how customers choose, pins slot -> candidate, boosts."""

    share: float
    offered: tuple[int, ...]
    customers: Customers
    pins: dict[int, int] = field(default_factory=dict)
    boosts: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class World:
    """`judged` is the group in which the loss and the wrong first are counted; `wrong` whom a rule would favour."""

    groups: tuple[Group, ...]
    candidates: int
    slots: int
    batches: int
    visits: int
    judged: int = 0
    wrong: int = -1


class Policy(Protocol):
    def scores(self, group: int) -> tuple[NDArray[np.float32], Floats]:
        """Draws (K, M) to be raced, as logarithms, and means (K,)."""
        ...

    def learn(self, batch: Sequence[tuple[int, Orders, Orders]]) -> None:
        """Learn from (group, orders, chosen slots) of a batch."""
        ...


class Outcome(NamedTuple):
    """By batch: the shares with the best and with the wrong candidate first, and the regret of a visit."""

    best: Floats
    wrong: Floats
    lost: Floats


def in_order(orders: Orders, by_candidate: Sequence[float]) -> Floats:
    result: Floats = np.where(orders >= 0, np.array(by_candidate)[np.maximum(orders, 0)], 0.0)
    return result


def rank(rng: np.random.Generator, policy: Policy, number: int, world: World, visits: int) -> Orders:
    """Orders (visits, slots), as the kernel draws them."""
    group = world.groups[number]
    draws, means = policy.scores(number)
    added = np.full(world.candidates, -np.inf)
    added[list(group.offered)] = 0.0
    for candidate_numbers, factor in group.boosts.items():
        added[candidate_numbers] += np.log(factor)
    length = min(world.slots, len(group.offered))
    orders, left = np.full((visits, world.slots), -1, np.intp), np.tile(added, (visits, 1))
    for slot, candidate_numbers in group.pins.items():
        orders[:, slot] = candidate_numbers
        left[:, candidate_numbers] = -np.inf
    for slot in range(length):
        if slot in group.pins:
            continue
        scores = means + left
        if slot < DRAWN:
            scores = draws[:, rng.integers(draws.shape[1], size=visits)].T + left
            scattered = rng.random(visits) < FLOOR
            free = np.isfinite(left[scattered])
            scores[scattered] = np.where(free, rng.random(free.shape), -np.inf)
        orders[:, slot] = scores.argmax(axis=1)
        left[np.arange(visits), orders[:, slot]] = -np.inf
    return orders


def best_order(world: World, group: Group) -> tuple[Orders, float]:
    """The order that earns most; all orders of up to six are tried, of more the greedy one by single values."""
    candidate_numbers = group.offered
    length = min(world.slots, len(candidate_numbers))
    if len(candidate_numbers) <= 6:
        every = np.array(list(permutations(candidate_numbers, length)))
    else:
        single = group.customers.value(np.array(candidate_numbers)[:, None])
        every = np.array(candidate_numbers)[np.argsort(-single)][None, :length]
    orders = np.full((len(every), world.slots), -1)
    orders[:, :length] = every
    values = group.customers.value(orders)
    return orders[values.argmax()], float(values.max())


def play(world: World, make: Callable[[World, int], Policy], seed: int) -> Outcome:
    """Play a world once."""
    rng, policy, rows = np.random.default_rng([seed, 7]), make(world, seed), []
    best, most = best_order(world, world.groups[world.judged])
    sizes = np.round(np.array([group.share for group in world.groups]) * world.visits).astype(int)
    for _ in range(world.batches):
        batch = []
        for number, (group, visits) in enumerate(zip(world.groups, sizes, strict=True)):
            orders = rank(rng, policy, number, world, int(visits))
            batch.append((number, orders, group.customers.choose(rng, orders)))
        orders = batch[world.judged][1]
        value = world.groups[world.judged].customers.value(orders).mean()
        rows.append(((orders[:, 0] == best[0]).mean(), (orders[:, 0] == world.wrong).mean(), most - value))
        policy.learn(batch)
    return Outcome(*np.array(rows).T)
