"""A simulated shop whose customers react to offers: what they redeem depends on who they are, the cart and the past.

The world was described before anything was measured in it, and not changed since. Shares and prices are guesses.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from engine.model.documents.offer import Benefit, FixedAmount, FreeShipping, Percentage

Floats = NDArray[np.float64]

DAYS, VISITS_A_DAY, CUSTOMERS = 28, 450, 3_000
MARGIN = 0.35
SHIPPING, FREE_FROM = 490, 8_000
"""Smaller carts pay shipping, in minor units."""
CATEGORIES = ("beauty", "fashion", "home")

OFFERS: dict[str, tuple[Benefit, int]] = {
    "fashion-15": (Percentage(percent=15, maximum=2_000), 3_000),
    "ten-percent": (Percentage(percent=10, maximum=1_500), 4_000),
    "five-off": (FixedAmount(amount=500), 5_000),
    "free-shipping": (FreeShipping(maximum=590), 0),
    "three-in-app": (FixedAmount(amount=300), 0),
}
"""What each offer takes off, and from which cart on. The first is for fashion alone, the last for phones."""

LIKED: dict[str, float] = {"free-shipping": 0.6, "three-in-app": 0.2}
"""Offers that are liked more than their amount explains: free shipping as a thing that costs nothing."""
KEPT = 0.5
"""The chance that an offer makes somebody buy who would use it and would not have bought without it."""


class ShopVisit(NamedTuple):
    """A visit to the cart: `customer` is a number, `use` to `kept` are uniform numbers that decide what happens."""

    time: int
    customer: int
    device: str
    category: str
    total: int
    coupons: int
    use: float
    buys: bool
    kept: float

    @property
    def shipping(self) -> int:
        return SHIPPING if self.total < FREE_FROM else 0

    @property
    def facts(self) -> dict[str, Any]:
        """Return what the shop knows and sends."""
        return {
            "cart.total": self.total,
            "cart.currency": "EUR",
            "cart.shipping": self.shipping,
            "cart.category": self.category,
            "device.type": self.device,
            "customer.coupons": self.coupons,
        }


class ShopResult(NamedTuple):
    """The outcome of a shown offer: if it was redeemed, and if the customer bought."""

    redeemed: bool
    bought: bool


class OfferShop:
    """Four weeks of visits. Half of a customer's motives are latent, but visible in redemptions."""

    def __init__(self, random: Generator) -> None:
        self._proneness = random.normal(-1.6, 1.2, CUSTOMERS)
        # How often somebody used coupons before says something of how prone to offers they are.
        self._coupons = random.poisson(4 / (1 + np.exp(-self._proneness)))
        self._tastes = random.normal(0.0, 0.6, (CUSTOMERS, len(OFFERS)))
        self._redeemed = np.zeros((CUSTOMERS, len(OFFERS)), np.int64)
        self.visits = self._visits(random)

    def show(self, visit: ShopVisit, offer: str, discount: int) -> ShopResult:
        """Return what a customer does who is shown an offer that takes `discount` off."""
        number = list(OFFERS).index(offer)
        appeal = self._proneness[visit.customer] + self._tastes[visit.customer, number] + LIKED.get(offer, 0.0)
        appeal += 1.1 * np.log(discount / 500) - 0.2 * np.log(visit.total / 5_500)
        # A customer who liked an offer likes it again.
        appeal += 0.5 * min(self._redeemed[visit.customer, number], 2)
        uses = visit.use < 1 / (1 + np.exp(-appeal))
        bought = bool(visit.buys or (uses and visit.kept < KEPT))
        redeemed = bool(uses and bought)
        self._redeemed[visit.customer, number] += redeemed
        return ShopResult(redeemed, bought)

    def _visits(self, random: Generator) -> list[ShopVisit]:
        count = DAYS * VISITS_A_DAY
        often = random.gamma(1.0, 1.0, CUSTOMERS)
        customers = random.choice(CUSTOMERS, count, p=often / often.sum())
        times = np.sort(random.integers(0, DAYS * 86_400_000, count))
        on_phone = random.random(CUSTOMERS) < 0.6
        # Most customers keep to their device.
        phones = on_phone[customers] ^ (random.random(count) < 0.15)
        categories = random.choice(CATEGORIES, count, p=(0.25, 0.4, 0.35))
        totals = np.clip(np.exp(random.normal(np.log(5_500), 0.7, count)), 500, 100_000).astype(np.int64)
        eager = random.normal(0.4, 1.0, CUSTOMERS)
        buys = random.random(count) < 1 / (1 + np.exp(-eager[customers]))
        use, kept = random.random((2, count))
        return [
            ShopVisit(
                int(times[row]),
                int(customers[row]),
                "mobile" if phones[row] else "desktop",
                str(categories[row]),
                int(totals[row]),
                int(self._coupons[customers[row]]),
                float(use[row]),
                bool(buys[row]),
                float(kept[row]),
            )
            for row in range(count)
        ]
