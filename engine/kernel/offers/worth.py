"""What offers are worth: the margin that a redeemed order leaves, less the discount at the price of its budgets. Pure.

The price of a paced budget is learned (`bandits.pacing`) and kept with the beliefs. Any other budget has the price 0.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.kernel.bounds import Bounds
from engine.kernel.offers.quote import Cart
from engine.kernel.plan import Plan
from engine.kernel.value import LARGEST_AMOUNT

Floats = NDArray[np.float64]
Prices = Mapping[str, float]

AT_NO_PRICE = "takes off more than the order brings in"
AT_THIS_PRICE = "brings in too little for what it costs, at the present price of its budgets"


def values_of(plan: Plan, cart: Cart, prices: Prices, numbers: ArrayLike, typical: Floats | None = None) -> Floats:
    """Return what a success of some candidates (E,) is worth, in minor units: the margin less what an offer costs.

    Where the cart's total is not known, it is `typical` (E,), or that of the placement.
    """
    rows = np.asarray(numbers, np.int64)
    percents, fixed = plan.fees
    amounts: Floats | float = float(plan.placement.typical_amount) if typical is None else typical
    if cart.total is not None and 0 <= cart.total <= LARGEST_AMOUNT:
        amounts = float(cart.total)
    costs = np.zeros(len(plan.ids))
    costs[plan.offer_numbers] = plan.offer_table.factors(prices) * plan.offer_table.amounts(cart)
    fees = amounts * percents[rows] / 100 + fixed[rows]
    values: Floats = amounts * plan.placement.margin_percent / 100 - fees - costs[rows]
    return values


def offer_weights(bounds: Bounds, values: Floats, eligible: tuple[int, ...]) -> Floats:
    """Return values (E,) of the eligible candidates times boosts, as weights (1, E)."""
    weights = values[None].copy()
    for number, boost in bounds.boosts.items():
        if number in eligible:
            index = eligible.index(number)
            # A boost above 1 must also help a candidate that loses money.
            weights[0, index] *= boost if weights[0, index] >= 0 else 1 / boost
    return weights


def worthless(plan: Plan, cart: Cart, prices: Prices) -> dict[str, str]:
    """Return the offers that are worth no more than none, each with its reason; none where the cart is not known.

    How likely an offer is redeemed does not matter: what loses at each redemption is never better than no offer.
    """
    if not plan.weighs_offers or cart.total is None:
        return {}
    ids, numbers = plan.offer_table.ids, plan.offer_numbers
    lost = np.flatnonzero(values_of(plan, cart, prices, numbers) <= 0).tolist()
    free = values_of(plan, cart, {}, numbers) if lost else ()
    return {ids[row]: AT_NO_PRICE if free[row] <= 0 else AT_THIS_PRICE for row in lost}
