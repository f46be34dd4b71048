"""Simulate worlds with one slot in which each candidate succeeds at its own rate, which may change."""

from collections.abc import Sequence

import numpy as np

from simulation.worlds.world import Floats, Order, SimulatedVisit


class Bernoulli:
    """Fixed rates (K,); with several `phases`, each holds for an equal part of the horizon."""

    slots = 1

    def __init__(self, phases: Sequence[Sequence[float]], horizon: int, rng: np.random.Generator) -> None:
        self.arms = len(phases[0])
        self._rates = np.array(phases, np.float64)
        self._length = -(-horizon // len(phases))
        self._uniforms = rng.random(horizon)

    def visit(self, number: int) -> SimulatedVisit:
        return SimulatedVisit(number)

    def successes(self, visit: SimulatedVisit, order: Order) -> Order:
        return order if self._uniforms[visit.number] < self._current_rates(visit)[order[0]] else ()

    def regret(self, visit: SimulatedVisit, order: Order) -> float:
        rates = self._current_rates(visit)
        return float(rates.max() - rates[order[0]])

    def _current_rates(self, visit: SimulatedVisit) -> Floats:
        rates: Floats = self._rates[visit.number // self._length]
        return rates


class Churning:
    """A candidate leaves with probability `churn` at each visit and is replaced by one with a new rate.

    Chapelle and Li, "An empirical evaluation of Thompson sampling" (2011), section 3, table 1.
    """

    slots = 1

    def __init__(self, arms: int, churn: float, rates: tuple[float, float], rng: np.random.Generator) -> None:
        self.arms = arms
        self._churn, self._beta, self._rng = churn, rates, rng
        self._rates = rng.beta(*rates, arms)
        self._uniforms = 0.0

    def visit(self, number: int) -> SimulatedVisit:
        self._uniforms, uniform = self._rng.random(2).tolist()
        if uniform >= self._churn:
            return SimulatedVisit(number)
        arm = int(self._rng.integers(self.arms))
        self._rates[arm] = self._rng.beta(*self._beta)
        return SimulatedVisit(number, renewed=(arm,))

    def successes(self, visit: SimulatedVisit, order: Order) -> Order:
        return order if self._uniforms < self._rates[order[0]] else ()

    def regret(self, visit: SimulatedVisit, order: Order) -> float:
        return float(self._rates.max() - self._rates[order[0]])
