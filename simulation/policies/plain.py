"""Policies to compare with: a fixed order, chance, and Thompson sampling as the textbooks have it."""

from collections.abc import Sequence

import numpy as np

from simulation.worlds.world import Floats, Order, Told, Visit


class Fixed:
    def __init__(self, order: Sequence[int], slots: int) -> None:
        self._order = tuple(order)[:slots]

    def decide(self, visit: Visit) -> Order:
        return self._order

    def learn(self, told: Told) -> None:
        pass


class Uniform:
    """Every order is as likely as any other."""

    def __init__(self, arms: int, slots: int, rng: np.random.Generator) -> None:
        self._arms, self._slots, self._rng = arms, slots, rng

    def decide(self, visit: Visit) -> Order:
        return tuple(self._rng.permutation(self._arms)[: self._slots].tolist())

    def learn(self, told: Told) -> None:
        pass


class Textbook:
    """A draw from each Beta posterior, flat at first, at every visit; an update for every outcome that is told.

    Thompson (1933); Chapelle and Li (2011), algorithm 2. With several slots the highest draws in their order; whoever
    stands down to the lowest success was tried, or everyone without a success (CascadeTS, Cheung et al., 2019).
    """

    def __init__(self, arms: int, slots: int, rng: np.random.Generator) -> None:
        self._slots, self._rng = slots, rng
        self._wins, self._losses = np.ones(arms), np.ones(arms)

    def decide(self, visit: Visit) -> Order:
        for one in visit.renewed:
            self._wins[one] = self._losses[one] = 1.0
        draws: Floats = self._rng.beta(self._wins, self._losses)
        if self._slots == 1:
            return (int(draws.argmax()),)
        return tuple((-draws).argsort()[: self._slots].tolist())

    def learn(self, told: Told) -> None:
        for one in seen(told):
            if one in told.successes:
                self._wins[one] += 1
            else:
                self._losses[one] += 1


class KlUcb:
    """The highest upper bounds in their order: KL-UCB (Garivier and Cappé, 2011) with log t + 3 log log t.

    With several slots CascadeKL-UCB (Kveton et al., 2015), which counts as the textbook's Thompson sampling does.
    """

    def __init__(self, arms: int, slots: int) -> None:
        self._slots = slots
        self._trials, self._successes = np.zeros(arms), np.zeros(arms)

    def decide(self, visit: Visit) -> Order:
        for one in visit.renewed:
            self._trials[one] = self._successes[one] = 0.0
        bounds = np.where(self._trials > 0, self._bounds(visit.number + 1), np.inf)
        return tuple((-bounds).argsort(kind="stable")[: self._slots].tolist())

    def learn(self, told: Told) -> None:
        for one in seen(told):
            self._trials[one] += 1
            self._successes[one] += one in told.successes

    def _bounds(self, t: int) -> Floats:
        """The greatest rate q of each arm with trials * KL(mean, q) below the bound, by halving."""
        tried = np.maximum(self._trials, 1.0)
        means = self._successes / tried
        allowed = (np.log(t) + 3 * np.log(max(np.log(t), 1.0))) / tried
        low, high = means, np.ones_like(means)
        for _ in range(20):
            middle = (low + high) / 2
            inside = _divergence(means, middle) <= allowed
            low, high = np.where(inside, middle, low), np.where(inside, high, middle)
        return low


def _divergence(p: Floats, q: Floats) -> Floats:
    """Kullback and Leibler's, of Bernoulli(p) from Bernoulli(q)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        won = np.where(p > 0, p * np.log(p / q), 0.0)
        lost = np.where(p < 1, (1 - p) * np.log((1 - p) / (1 - q)), 0.0)
    return won + lost


def seen(told: Told) -> Order:
    """Who was seen under the cascade model: down to the lowest success, or everyone without one."""
    depth = max((told.order.index(one) for one in told.successes), default=len(told.order) - 1)
    return told.order[: depth + 1]
