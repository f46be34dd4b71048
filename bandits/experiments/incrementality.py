"""What an offer adds: customers who saw it beside held-back customers who would have seen it. Pure.

Both groups are drawn by the same rules and the same chances, and only one sees the offer, so their difference is its
effect: ghost ads (Johnson, Lewis and Nubbemeyer, 2017). A unit is a customer, with everything bought from the first
time on, so purchases of the same customer may depend on each other in any way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bandits.experiments.comparison import DifferenceInterval, welch
from bandits.experiments.moments import Moments, mean_of
from bandits.experiments.normal import normal_quantile

Floats = NDArray[np.float64]

LEAST_ORDERS = 10
"""Fewer orders in a group do not tell how much they vary."""

OfferVerdict = Literal["gains", "loses", "unclear", "too_few"]


@dataclass(frozen=True, slots=True, eq=False)
class CustomerTotals:
    """The purchases of n customers: `orders` (n,), and `margins` (n,) in minor units, less their discounts."""

    orders: Floats
    margins: Floats

    @property
    def size(self) -> int:
        return len(self.orders)


@dataclass(frozen=True, slots=True)
class IncrementalEffect:
    """The effect of an offer on each customer who saw it: extra orders, and extra margin in minor units.

    `cost_per_order` is what discounts cost for each extra order, with the ends of its interval; None where it has no
    end, because there may be no extra order.
    """

    orders: DifferenceInterval
    margin: DifferenceInterval
    cost: float
    cost_per_order: tuple[float | None, float | None, float | None]
    verdict: OfferVerdict


def incremental_effect(held_back: CustomerTotals, shown: CustomerTotals, *, cost: float) -> IncrementalEffect | None:
    """Compare customers who saw an offer with held-back ones; `cost` is the mean discount of a customer who saw it.

    Return None for fewer than two customers in a group.
    """
    if min(held_back.size, shown.size) < 2:
        return None
    orders = _difference(held_back.orders, shown.orders)
    margin = _difference(held_back.margins, shown.margins)
    verdict: OfferVerdict = "unclear"
    if min(held_back.orders.sum(), shown.orders.sum()) < LEAST_ORDERS:
        verdict = "too_few"
    elif margin.low > 0 or margin.high < 0:
        verdict = "gains" if margin.low > 0 else "loses"
    value, low, high = (cost / extra if extra > 0 else None for extra in (orders.value, orders.high, orders.low))
    return IncrementalEffect(orders, margin, cost, (value, low, high), verdict)


def _difference(held_back: Floats, shown: Floats) -> DifferenceInterval:
    return welch(mean_of(Moments.of(held_back)), mean_of(Moments.of(shown)))


def holdback_share(base: float, extra: float, customers: float, *, power: float = 0.8) -> float | None:
    """Return the least share of customers to hold back, so that `extra` orders a customer are seen; None if too few.

    `base` is the share of customers who order without offers, `customers` the number who would see the offer in all.
    """
    after = min(1.0, base + extra)
    variance = (base * (1 - base) + after * (1 - after)) / 2
    drift = normal_quantile(0.975) + normal_quantile(power)
    # Both groups' variances add up to variance / (customers * share * (1 - share)).
    needed = variance * (drift / extra) ** 2 / customers
    return None if needed > 0.25 else (1 - math.sqrt(1 - 4 * needed)) / 2
