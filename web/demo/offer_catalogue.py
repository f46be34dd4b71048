"""The demo merchant's offers and budgets as plain data."""

from __future__ import annotations

from engine.model.documents.offer import (
    FixedAmount,
    FreeShipping,
    Offer,
    OfferBudget,
    OfferText,
    Pacing,
    Percentage,
)
from engine.model.placement import Candidate, Contextual, FieldDocument, Holdback, Placement, RuleDocument, Subset
from engine.model.timestamps import DAY, rfc3339

CAMPAIGN_DAYS = 40
CURRENCY = "EUR"
POOL, POOL_SIZE, POOL_PREFIX = "five-off", 2_000, "FIVE-"

SHIPPING = FieldDocument(name="cart.shipping", type="money", label="Shipping costs", examples=(490,))

PLACEMENT = Placement(
    key="offers",
    name="Offers",
    shape=Subset(1),
    policy=Contextual(features=("device.type", "cart.total"), floor=0.05, drawn=1),
    reward="selected",
    credit="first",
    holdback=Holdback(share=0.25),
    window_minutes=60,
)

OFFERS = (
    Candidate(
        id="ten-percent",
        label="10% off larger carts",
        position=1,
        min_amount=6_000,
        offer=Offer(
            currency=CURRENCY,
            benefit=Percentage(percent=10, maximum=1_500),
            budgets=("loyalty",),
            code="THANKYOU10",
            texts={
                "en": OfferText("10% off your order", "For orders from EUR 60.00. At most EUR 15.00 off."),
                "de": OfferText("10 % Rabatt auf Ihre Bestellung", "Ab 60 EUR Bestellwert. Höchstens 15 EUR Rabatt."),
                "fr": OfferText("10 % de remise sur votre commande", "Dès 60 EUR d'achat. 15 EUR de remise au plus."),
                "nl": OfferText("10% korting op je bestelling", "Vanaf 60 EUR. Ten hoogste 15 EUR korting."),
            },
        ),
    ),
    Candidate(
        id="free-shipping",
        label="Free shipping",
        position=2,
        offer=Offer(
            currency=CURRENCY,
            benefit=FreeShipping(maximum=590),
            budgets=("shipping",),
            texts={
                "en": OfferText("Free shipping today", "Standard delivery within the EU."),
                "de": OfferText("Heute versandkostenfrei", "Standardversand innerhalb der EU."),
                "fr": OfferText("Livraison offerte aujourd'hui", "Livraison standard dans l'UE."),
                "nl": OfferText("Vandaag gratis verzending", "Standaardlevering binnen de EU."),
            },
        ),
    ),
    Candidate(
        id=POOL,
        label="EUR 5 off on phones",
        position=3,
        min_amount=3_000,
        offer=Offer(
            currency=CURRENCY,
            benefit=FixedAmount(amount=500),
            budgets=("loyalty", "phones"),
            codes="pool",
            texts={
                "en": OfferText("EUR 5.00 off", "On phones, for orders from EUR 30.00. Not with other offers."),
                "de": OfferText("5 EUR Rabatt", "Am Handy, ab 30 EUR Bestellwert. Nicht mit anderen Angeboten."),
            },
            stackable=False,
        ),
    ),
)

RULES = (
    RuleDocument(
        id="five-off-on-phones-only",
        name="EUR 5 off on phones only",
        priority=10,
        when={"!=": [{"var": "device.type"}, "mobile"]},
        effects=({"exclude": [POOL]},),
        notes="Meant to move customers to the phone shop.",
    ),
)


def budgets(now: int) -> tuple[OfferBudget, ...]:
    """Return the budgets of a campaign that begins now (epoch ms)."""
    pacing = Pacing(starts_at=rfc3339(now), ends_at=rfc3339(now + CAMPAIGN_DAYS * DAY))
    return (
        OfferBudget(id="loyalty", name="Loyalty campaign", currency=CURRENCY, amount=600_000, pacing=pacing),
        OfferBudget(id="phones", name="Move to the phone shop", currency=CURRENCY, amount=60_000),
        OfferBudget(id="shipping", name="Free shipping per day", currency=CURRENCY, amount=20_000, period="day"),
    )
