"""A world of features: each candidate's rate is logistic in what is known of the visit."""

import numpy as np

from simulation.worlds.world import Floats, Order, Visit


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
        seen = rng.standard_normal((horizon, features))
        self._features = np.column_stack((np.ones(horizon), seen))
        self._rates = 1 / (1 + np.exp(-(biases + seen @ weights.T)))
        self._luck = rng.random(horizon)

    def visit(self, number: int) -> Visit:
        return Visit(number, features=self._features[number])

    def successes(self, visit: Visit, order: Order) -> Order:
        return order if self._luck[visit.number] < self._rates[visit.number, order[0]] else ()

    def regret(self, visit: Visit, order: Order) -> float:
        rates: Floats = self._rates[visit.number]
        return float(rates.max() - rates[order[0]])
