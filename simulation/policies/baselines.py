"""Implement the policies to compare with: a fixed order, a random order, textbook Thompson sampling, and KL-UCB."""

from collections.abc import Sequence

import numpy as np

from simulation.worlds.world import Floats, Order, SimulatedVisit, VisitOutcome


class FixedPolicy:
    def __init__(self, order: Sequence[int], slots: int) -> None:
        self._order = tuple(order)[:slots]

    def decide(self, visit: SimulatedVisit) -> Order:
        return self._order

    def learn(self, outcome: VisitOutcome) -> None:
        pass


class UniformPolicy:
    """Chooses every order with the same probability."""

    def __init__(self, arms: int, slots: int, rng: np.random.Generator) -> None:
        self._arms, self._slots, self._rng = arms, slots, rng

    def decide(self, visit: SimulatedVisit) -> Order:
        return tuple(self._rng.permutation(self._arms)[: self._slots].tolist())

    def learn(self, outcome: VisitOutcome) -> None:
        pass


class TextbookPolicy:
    """Thompson sampling with a draw from each Beta posterior, flat at first, at every visit; updated by every outcome.

    Thompson (1933); Chapelle and Li (2011), algorithm 2. With several slots, the highest draws in their order; the arms
    down to the lowest success were tried, or all of them without a success (CascadeTS, Cheung et al., 2019).
    """

    def __init__(self, arms: int, slots: int, rng: np.random.Generator) -> None:
        self._slots, self._rng = slots, rng
        self._wins, self._losses = np.ones(arms), np.ones(arms)

    def decide(self, visit: SimulatedVisit) -> Order:
        for arm in visit.renewed:
            self._wins[arm] = self._losses[arm] = 1.0
        draws: Floats = self._rng.beta(self._wins, self._losses)
        if self._slots == 1:
            return (int(draws.argmax()),)
        return tuple((-draws).argsort()[: self._slots].tolist())

    def learn(self, outcome: VisitOutcome) -> None:
        for arm in examined(outcome):
            if arm in outcome.successes:
                self._wins[arm] += 1
            else:
                self._losses[arm] += 1


class KlUcbPolicy:
    """The highest upper confidence bounds in their order: KL-UCB (Garivier and Cappé, 2011) with log t + 3 log log t.

    With several slots CascadeKL-UCB (Kveton et al., 2015), which counts trials as `Textbook` does.
    """

    def __init__(self, arms: int, slots: int) -> None:
        self._slots = slots
        self._trials, self._successes = np.zeros(arms), np.zeros(arms)

    def decide(self, visit: SimulatedVisit) -> Order:
        for arm in visit.renewed:
            self._trials[arm] = self._successes[arm] = 0.0
        bounds = np.where(self._trials > 0, self._bounds(visit.number + 1), np.inf)
        return tuple((-bounds).argsort(kind="stable")[: self._slots].tolist())

    def learn(self, outcome: VisitOutcome) -> None:
        for arm in examined(outcome):
            self._trials[arm] += 1
            self._successes[arm] += arm in outcome.successes

    def _bounds(self, t: int) -> Floats:
        """Return the greatest rate q of each arm with trials * KL(mean, q) below the bound, by bisection."""
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
    """Return the Kullback-Leibler divergence of Bernoulli(p) from Bernoulli(q)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        won = np.where(p > 0, p * np.log(p / q), 0.0)
        lost = np.where(p < 1, (1 - p) * np.log((1 - p) / (1 - q)), 0.0)
    return won + lost


def examined(outcome: VisitOutcome) -> Order:
    """Return the arms seen under the cascade model: down to the lowest success, or all of them without a success."""
    depth = max((outcome.order.index(arm) for arm in outcome.successes), default=len(outcome.order) - 1)
    return outcome.order[: depth + 1]
