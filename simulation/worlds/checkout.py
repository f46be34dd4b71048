"""The demo's shoppers as a world: they look at all payment methods in the order shown, and pay or leave."""

import numpy as np

from simulation.worlds import shoppers
from simulation.worlds.world import Order, Visit

METHODS = tuple(sorted({method for country in shoppers.COUNTRIES.values() for method in country.methods}))


class Checkout:
    """A visit each `seconds` of the shoppers' time; cells are countries.

    The best order is the best for this very shopper, whose taste nobody knows: what the shopper's country teaches can
    get near it, but not there. Regret counts what the first attempt to pay is expected to sell; a shopper who was
    declined may try again, which outcomes show and regret does not.
    """

    def __init__(self, seconds: float, seed: int) -> None:
        self.arms = self.slots = len(METHODS)
        self._seconds, self._seed = seconds, seed
        self._world = shoppers.World(np.random.default_rng([seed, 0]))
        self._paid = 1 - np.array([shoppers.declined(method) for method in METHODS])

    def visit(self, number: int) -> Visit:
        self._shopper = self._world.visit(number * self._seconds)
        self._accepts = np.array([self._shopper.acceptance.get(method, 0.0) for method in METHODS])
        return Visit(number, cell=self._shopper.shopper.country)

    def successes(self, visit: Visit, order: Order) -> Order:
        luck = np.random.default_rng([self._seed, 1, visit.number])
        last = shoppers.react(self._shopper, [METHODS[one] for one in order], luck)[-1]
        return () if last.method is None else (METHODS.index(last.method),)

    def regret(self, visit: Visit, order: Order) -> float:
        # Whoever sells most for the patience it costs goes first: exchange two neighbours to see it.
        costs = 1 - (1 - self._accepts) * shoppers.PATIENCE
        best = np.argsort(-self._accepts * self._paid / costs)
        return self._sells(tuple(best.tolist())) - self._sells(order)

    def _sells(self, order: Order) -> float:
        accepts, paid = self._accepts[list(order)], self._paid[list(order)]
        goes_on = (1 - accepts) * shoppers.PATIENCE
        reached = np.concatenate(([1.0], goes_on[:-1].cumprod()))
        return float(reached @ (accepts * paid))
