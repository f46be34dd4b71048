"""What an offer takes off a cart. Pure, in whole minor units, never more than the cart or the offer's maximum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from engine.model.documents.offer import FixedAmount, FreeShipping, Offer, Percentage
from rules.language.values import read_currency


class Cart(NamedTuple):
    """The amounts that a discount depends on; None is unknown."""

    total: int | None = None
    currency: str | None = None
    shipping: int | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Cart:
        """Return the cart that facts describe."""
        total, shipping = values.get("cart.total"), values.get("cart.shipping")
        return cls(
            total if type(total) is int else None,
            read_currency(values.get("cart.currency")),
            shipping if type(shipping) is int else None,
        )


def discount(offer: Offer, cart: Cart) -> int:
    """Return what the offer takes off; the most that it may be where the cart does not say enough."""
    match offer.benefit:
        case Percentage(percent, maximum):
            # Hundredths of a percent are whole numbers, so no share is off by a rounding error.
            share = maximum if cart.total is None else max(cart.total, 0) * round(percent * 100) // 10_000
            return min(share, maximum)
        case FixedAmount(amount):
            return amount if cart.total is None else min(amount, max(cart.total, 0))
        case FreeShipping(maximum):
            return maximum if cart.shipping is None else min(max(cart.shipping, 0), maximum)
