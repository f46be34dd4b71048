"""Simulate a world with features: each candidate's rate is logistic in the features of the visit."""

import numpy as np

from simulation.worlds.world import Floats, Order, SimulatedVisit


class Logistic:
    """Candidate i succeeds with probability `sigmoid(bias_i + w_i @ x)`.

    Features x are standard normal, weights w_i normal with standard deviation `spread`, biases normal around `bias`.
    """

    slots = 1

    def __init__(
        self, arms: int, features: int, bias: float, spread: float, horizon: int, rng: np.random.Generator
    ) -> None:
        self.arms, self.size = arms, features + 1
        weights = rng.normal(0.0, spread, (arms, features))
        biases = rng.normal(bias, spread, arms)
        drawn = rng.standard_normal((horizon, features))
        self._features = np.column_stack((np.ones(horizon), drawn))
        self._rates = 1 / (1 + np.exp(-(biases + drawn @ weights.T)))
        self._uniforms = rng.random(horizon)

    def visit(self, number: int) -> SimulatedVisit:
        return SimulatedVisit(number, features=self._features[number])

    def successes(self, visit: SimulatedVisit, order: Order) -> Order:
        return order if self._uniforms[visit.number] < self._rates[visit.number, order[0]] else ()

    def regret(self, visit: SimulatedVisit, order: Order) -> float:
        rates: Floats = self._rates[visit.number]
        return float(rates.max() - rates[order[0]])
