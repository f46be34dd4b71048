"""A world of features whose candidates come and go, and are of kinds that have much in common."""

import numpy as np

from simulation.worlds.world import Floats, Order, Visit


class Kindred:
    """Candidate i of kind k succeeds with probability `sigmoid(w_i @ x)`, w_i being normal around the weights of k.

    Features x begin with 1, the others are standard normal. The weights of kinds are normal with standard deviation
    `spread`, the first around `bias`; those of candidates deviate from them with `own`. At each visit, with
    probability `churn`, a candidate leaves and a new one, of any kind, takes its place.
    """

    slots = 1

    def __init__(
        self,
        arms: int,
        features: int,
        kinds: int,
        *,
        bias: float,
        spread: float,
        own: float,
        churn: float,
        rng: np.random.Generator,
    ) -> None:
        self.arms, self.size, self.kinds = arms, features + 1, kinds
        self._own, self._churn, self._rng = own, churn, rng
        self._of_kinds = rng.normal(0.0, spread, (kinds, self.size))
        self._of_kinds[:, 0] += bias
        self._kinds = [number % kinds for number in range(arms)]
        self._weights = np.array([self._newcomer(kind) for kind in self._kinds])
        self._luck = 0.0

    def visit(self, number: int) -> Visit:
        leaves, self._luck = self._rng.random(2).tolist()
        features = np.concatenate(([1.0], self._rng.standard_normal(self.size - 1)))
        renewed = self._renew() if leaves < self._churn else ()
        self._rates: Floats = 1 / (1 + np.exp(-self._weights @ features))
        return Visit(number, features=features, renewed=renewed, kinds=tuple(self._kinds))

    def _renew(self) -> Order:
        one, kind = int(self._rng.integers(self.arms)), int(self._rng.integers(self.kinds))
        self._kinds[one], self._weights[one] = kind, self._newcomer(kind)
        return (one,)

    def _newcomer(self, kind: int) -> Floats:
        newcomer: Floats = self._of_kinds[kind] + self._rng.normal(0.0, self._own, self.size)
        return newcomer

    def successes(self, visit: Visit, order: Order) -> Order:
        return order if self._luck < self._rates[order[0]] else ()

    def regret(self, visit: Visit, order: Order) -> float:
        return float(self._rates.max() - self._rates[order[0]])
