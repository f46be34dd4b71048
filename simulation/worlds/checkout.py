"""Use the demo's shoppers as a world: they look down the payment methods in the order shown, and pay or leave."""

import numpy as np

from simulation.worlds import shoppers
from simulation.worlds.world import Order, SimulatedVisit

METHODS = tuple(sorted({method for country in shoppers.COUNTRIES.values() for method in country.methods}))


class Checkout:
    """A visit every `seconds` of the shoppers' time; cells are countries.

    The best order is the best for the individual shopper, whose taste is hidden: learning by country can come close to
    it, but cannot reach it. Regret counts the expected sales of the first attempt to pay. A declined shopper may try
    again, which is part of the outcomes but not of the regret.
    """

    def __init__(self, seconds: float, seed: int) -> None:
        self.arms = self.slots = len(METHODS)
        self._seconds, self._seed = seconds, seed
        self._world = shoppers.ShopperWorld(np.random.default_rng([seed, 0]))
        self._paid_shares = 1 - np.array([shoppers.declined(method) for method in METHODS])

    def visit(self, number: int) -> SimulatedVisit:
        self._shopper = self._world.visit(number * self._seconds)
        self._accepts = np.array([self._shopper.acceptance.get(method, 0.0) for method in METHODS])
        return SimulatedVisit(number, cell=self._shopper.shopper.country)

    def successes(self, visit: SimulatedVisit, order: Order) -> Order:
        rng = np.random.default_rng([self._seed, 1, visit.number])
        last = shoppers.react(self._shopper, [METHODS[arm] for arm in order], rng)[-1]
        return () if last.method is None else (METHODS.index(last.method),)

    def regret(self, visit: SimulatedVisit, order: Order) -> float:
        # Sort by sales per patience spent; exchanging two neighbours proves that this order is the best.
        costs = 1 - (1 - self._accepts) * shoppers.PATIENCE
        best = np.argsort(-self._accepts * self._paid_shares / costs)
        return self._sells(tuple(best.tolist())) - self._sells(order)

    def _sells(self, order: Order) -> float:
        accepts, paid = self._accepts[list(order)], self._paid_shares[list(order)]
        goes_on = (1 - accepts) * shoppers.PATIENCE
        reached = np.concatenate(([1.0], goes_on[:-1].cumprod()))
        return float(reached @ (accepts * paid))
