"""Worlds of one slot: each candidate succeeds with a rate of its own, which may change."""

from collections.abc import Sequence

import numpy as np

from simulation.worlds.world import Floats, Order, Visit


class Bernoulli:
    """Fixed rates (K,); with several `phases`, each holds for an equal part of the horizon."""

    slots = 1

    def __init__(self, phases: Sequence[Sequence[float]], horizon: int, rng: np.random.Generator) -> None:
        self.arms = len(phases[0])
        self._rates = np.array(phases, np.float64)
        self._length = -(-horizon // len(phases))
        self._luck = rng.random(horizon)

    def visit(self, number: int) -> Visit:
        return Visit(number)

    def successes(self, visit: Visit, order: Order) -> Order:
        return order if self._luck[visit.number] < self._now(visit)[order[0]] else ()

    def regret(self, visit: Visit, order: Order) -> float:
        rates = self._now(visit)
        return float(rates.max() - rates[order[0]])

    def _now(self, visit: Visit) -> Floats:
        rates: Floats = self._rates[visit.number // self._length]
        return rates


class Churning:
    """At each visit, with probability `churn`, one candidate leaves and a new one with a rate of its own takes its
    place: Chapelle and Li, "An empirical evaluation of Thompson sampling" (2011), section 3, table 1."""

    slots = 1

    def __init__(self, arms: int, churn: float, rates: tuple[float, float], rng: np.random.Generator) -> None:
        self.arms = arms
        self._churn, self._beta, self._rng = churn, rates, rng
        self._rates = rng.beta(*rates, arms)
        self._luck = 0.0

    def visit(self, number: int) -> Visit:
        self._luck, leaves = self._rng.random(2).tolist()
        if leaves >= self._churn:
            return Visit(number)
        one = int(self._rng.integers(self.arms))
        self._rates[one] = self._rng.beta(*self._beta)
        return Visit(number, renewed=(one,))

    def successes(self, visit: Visit, order: Order) -> Order:
        return order if self._luck < self._rates[order[0]] else ()

    def regret(self, visit: Visit, order: Order) -> float:
        return float(self._rates.max() - self._rates[order[0]])
