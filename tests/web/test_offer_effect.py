"""The incremental effect of an offer in words."""

from __future__ import annotations

from babel import Locale

from engine.offers.incrementality import ExtraAmount, OfferEffect, OfferEffects
from web.admin.offers.offer_effect import view_of
from web.format import NOTHING, Show

SHOW = Show(locale=Locale("en"), timezone="UTC", now=0)


def view(effect: OfferEffect | None, *, needed: float | None = 0.08):
    result = OfferEffects(30, 0.1, 0.1, needed, [effect] if effect else [])
    return view_of("Ten percent", "/offers/ten", result, effect, SHOW, "EUR")


def test_an_offer_that_subsidises_is_shown_as_losing_money():
    effect = OfferEffect(
        "ten",
        1_000,
        100,
        "loses",
        ExtraAmount(2.0, -10.0, 14.0),
        ExtraAmount(-20_000.0, -30_000.0, -10_000.0),
        25_000,
        (12_500.0, 1_786.0, None),
    )
    shown = view(effect)
    assert (shown.verdict, shown.verdict_kind) == ("Loses money", "bad")
    assert shown.customers == "1,000 customers saw it, 100 would have"
    assert shown.orders == "2 (-10 to 14)"
    assert shown.margin == "-€200.00 (-€300.00 to -€100.00)"
    assert shown.cost_per_order == "€125.00 (at least €17.86)"
    assert shown.advice == "Hold back 8.0% of customers to see a change of orders by 10% within 30 days."


def test_offer_without_exposures_has_dashes():
    shown = view(None, needed=None)
    assert (shown.verdict, shown.orders, shown.margin, shown.cost_per_order) == ("Too few orders", *[NOTHING] * 3)
    assert "no holdback shows" in shown.advice


def test_offer_without_additional_orders_has_no_cost_per_order():
    amount = ExtraAmount(-1.0, -2.0, -0.5)
    shown = view(OfferEffect("ten", 10, 10, "unclear", amount, amount, 100, (None, None, None)))
    assert shown.cost_per_order == "not known, no order was added"
