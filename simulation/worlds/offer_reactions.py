"""Simulate how the demo's shoppers react to an offer. Pure. The chances are guesses, different enough to be seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from numpy.random import Generator

from simulation.worlds.shoppers import COUNTRIES, CheckoutVisit, ShopperAction

SHIPPING = 490
"""What shipping costs on every cart, in minor units."""
SMALLEST_CART = 3_000
"""The shop asks for offers for carts of at least this amount."""
BARGAIN_HUNTERS = 0.4
KEENNESS = {True: 1.5, False: 0.5}
"""What the chances of bargain hunters, and of others, are multiplied by."""


class OfferTaste(NamedTuple):
    """The chances that an offer keeps a customer who would leave, and that those who buy anyway use it."""

    keeps: float
    used_anyway: float


TASTES: Mapping[str, OfferTaste] = {
    "ten-percent": OfferTaste(0.8, 0.12),
    "free-shipping": OfferTaste(0.25, 0.15),
    # A gift to customers who would have bought without it.
    "five-off": OfferTaste(0.03, 0.3),
}


class OfferReaction(NamedTuple):
    """The shopper's actions at the checkout, and whether they redeem the offer."""

    actions: Sequence[ShopperAction]
    redeems: bool


def sees_offers(visit: CheckoutVisit) -> bool:
    """Return whether the shop asks for offers: it has some in euros, for customers who are logged in."""
    is_large = visit.total >= SMALLEST_CART and COUNTRIES[visit.shopper.country].currency == "EUR"
    return is_large and visit.shopper.customer_id is not None


def cart_paid(visit: CheckoutVisit) -> dict[str, Any]:
    """Return the cart as the shop sends it when an offer is redeemed."""
    return {"total": visit.total, "currency": COUNTRIES[visit.shopper.country].currency, "shipping": SHIPPING}


def offer_context(visit: CheckoutVisit) -> dict[str, Any]:
    """Return the context that the shop sends when it asks for offers."""
    return visit.context | {"cart": cart_paid(visit) | {"items": visit.items}}


def react_to_offer(
    offer: str | None, visit: CheckoutVisit, react: Callable[[], list[ShopperAction]], random: Generator
) -> OfferReaction:
    """Return what a shopper does who sees an offer, or none; `react` draws what they do at the checkout without it.

    A shopper who would leave and is kept by the offer goes through the checkout once more.
    """
    actions = react()
    if offer is None:
        return OfferReaction(actions, redeems=False)
    taste, keenness = TASTES.get(offer, OfferTaste(0.0, 0.0)), KEENNESS[is_bargain_hunter(visit)]
    if actions[-1].type == "converted":
        return OfferReaction(actions, bool(random.random() < taste.used_anyway * keenness))
    if random.random() >= taste.keeps * keenness:
        return OfferReaction(actions, redeems=False)
    actions = [*actions[:-1], *react()[1:]]
    return OfferReaction(actions, actions[-1].type == "converted")


def is_bargain_hunter(visit: CheckoutVisit) -> bool:
    """Return whether the shopper looks for offers; a customer always does, or never."""
    # A digit of the seed that the favourite payment method hardly depends on.
    return visit.shopper.seed * 997 % 1 < BARGAIN_HUNTERS
