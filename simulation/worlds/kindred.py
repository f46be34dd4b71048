"""Simulate a world with features whose candidates come and go and belong to kinds with similar weights."""

import numpy as np

from simulation.worlds.specs import KindredSpec
from simulation.worlds.world import Floats, Order, SimulatedVisit


class Kindred:
    """Candidate i of kind k succeeds with probability `sigmoid(w_i @ x)`, w_i being normal around the weights of k.

    Features x begin with 1, the others are standard normal. The weights of kinds are normal with standard deviation
    `spread`, the first around `bias`; those of candidates deviate from them with `own`. At each visit, with
    probability `churn`, a candidate leaves and a new one, of any kind, takes its place.
    """

    slots = 1

    def __init__(self, spec: KindredSpec, rng: np.random.Generator) -> None:
        self.arms, self.size, self.kinds = spec.arms, spec.features + 1, spec.kinds
        self._own, self._churn, self._rng = spec.own, spec.churn, rng
        self._kind_weights = rng.normal(0.0, spec.spread, (spec.kinds, self.size))
        self._kind_weights[:, 0] += spec.bias
        self._kinds = [number % spec.kinds for number in range(spec.arms)]
        self._weights = np.array([self._newcomer(kind) for kind in self._kinds])
        self._uniforms = 0.0

    def visit(self, number: int) -> SimulatedVisit:
        uniform, self._uniforms = self._rng.random(2).tolist()
        features = np.concatenate(([1.0], self._rng.standard_normal(self.size - 1)))
        renewed = self._renew() if uniform < self._churn else ()
        self._rates: Floats = 1 / (1 + np.exp(-self._weights @ features))
        return SimulatedVisit(number, features=features, renewed=renewed, kinds=tuple(self._kinds))

    def _renew(self) -> Order:
        arm, kind = int(self._rng.integers(self.arms)), int(self._rng.integers(self.kinds))
        self._kinds[arm], self._weights[arm] = kind, self._newcomer(kind)
        return (arm,)

    def _newcomer(self, kind: int) -> Floats:
        newcomer: Floats = self._kind_weights[kind] + self._rng.normal(0.0, self._own, self.size)
        return newcomer

    def successes(self, visit: SimulatedVisit, order: Order) -> Order:
        return order if self._uniforms < self._rates[order[0]] else ()

    def regret(self, visit: SimulatedVisit, order: Order) -> float:
        return float(self._rates.max() - self._rates[order[0]])
