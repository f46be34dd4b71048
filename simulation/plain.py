"""Policies to compare with: a fixed order, chance, and Thompson sampling as the textbooks have it."""

from collections.abc import Sequence

import numpy as np

from simulation.world import Floats, Order, Told, Visit


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


def seen(told: Told) -> Order:
    """Who was seen under the cascade model: down to the lowest success, or everyone without one."""
    depth = max((told.order.index(one) for one in told.successes), default=len(told.order) - 1)
    return told.order[: depth + 1]
