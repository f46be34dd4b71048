"""The demo merchant as plain data, which `make run` shows.

Fees are round figures near public price lists; they are no provider's offer.
"""

from __future__ import annotations

from typing import Any

from engine.model.placement import Candidate, Placement, Ranking, RuleDocument, Thompson

SLUG = "demo"
NAME = "Demo Shop (simulated)"
COUNTRY, CURRENCY, LOCALE, TIMEZONE = "DE", "EUR", "en-GB", "Europe/Berlin"
USER_EMAIL = "demo@tap2.example"
COLLEAGUE_EMAIL, COLLEAGUE_NAME = "mia@tap2.example", "Mia Berg"

PLACEMENT = Placement(
    key="payment_methods",
    name="Payment methods",
    shape=Ranking(),
    policy=Thompson(floor=0.01, drawn=3, history=True),
    reward="converted",
    buckets=("geo.country",),
    window_minutes=30,
)

EURO = ("DE", "NL", "FR", "BE")

METHODS = (
    Candidate(
        id="card", type="card", label="Card", position=1, currencies=("EUR", "GBP"),
        fee_percent=1.5, fee_fixed=25,
    ),
    Candidate(
        id="paypal", type="paypal", label="PayPal", position=2, currencies=("EUR", "GBP"),
        max_amount=1_000_000, fee_percent=2.5, fee_fixed=35,
    ),
    Candidate(
        id="klarna", type="klarna", label="Klarna", position=3, countries=(*EURO, "GB"),
        currencies=("EUR", "GBP"), min_amount=1_000, max_amount=250_000, fee_percent=3.0, fee_fixed=35,
    ),
    Candidate(
        id="sepa_debit", type="sepa_debit", label="SEPA direct debit", position=4, countries=EURO,
        currencies=("EUR",), max_amount=100_000, fee_fixed=35,
    ),
    Candidate(
        id="ideal", type="ideal", label="iDEAL", position=5, countries=("NL",), currencies=("EUR",),
        fee_fixed=29,
    ),
    Candidate(
        id="bancontact", type="bancontact", label="Bancontact", position=6, countries=("BE",),
        currencies=("EUR",), fee_percent=1.4, fee_fixed=25,
    ),
    Candidate(
        id="apple_pay", type="apple_pay", label="Apple Pay", position=7, currencies=("EUR", "GBP"),
        fee_percent=1.5, fee_fixed=25,
    ),
    Candidate(
        id="google_pay", type="google_pay", label="Google Pay", position=8, currencies=("EUR", "GBP"),
        fee_percent=1.5, fee_fixed=25,
    ),
)  # fmt: skip


def _var(name: str) -> dict[str, Any]:
    return {"var": name}


RULES = (
    RuleDocument(
        id="apple-pay-on-apple-devices",
        name="Hide Apple Pay where there is no Apple device",
        priority=100,
        when={"!": {"in": [_var("device.os"), ["ios", "macos"]]}},
        effects=({"exclude": ["apple_pay"]},),
        notes="The browser would refuse it, so a place in the list would be wasted.",
    ),
    RuleDocument(
        id="google-pay-not-on-iphones",
        name="Hide Google Pay on Apple devices",
        priority=90,
        when={"in": [_var("device.os"), ["ios", "macos"]]},
        effects=({"exclude": ["google_pay"]},),
    ),
    RuleDocument(
        id="no-pay-later-above-500",
        name="No pay-later for carts above 500",
        priority=80,
        when={">": [_var("cart.total"), {"EUR": 50_000, "GBP": 43_000}]},
        effects=({"exclude": ["klarna"]},),
        notes="Agreed with finance: the loss on large orders was not worth the sales.",
    ),
    RuleDocument(
        id="direct-debit-for-known-customers",
        name="Direct debit above 150 only for returning customers",
        priority=70,
        when={
            "and": [
                {"==": [_var("customer.returning"), False]},
                {">": [_var("cart.total"), {"EUR": 15_000, "GBP": 13_000}]},
            ]
        },
        effects=({"exclude": ["sepa_debit"]},),
    ),
    RuleDocument(
        id="risky-orders-pay-at-once",
        name="Risky orders pay at once, and with the security code",
        priority=60,
        when={">=": [_var("risk.score"), 80]},
        effects=(
            {"exclude": ["klarna", "sepa_debit"]},
            {"set": {"name": "show_cvv", "value": True}},
        ),
    ),
    RuleDocument(
        id="local-method-in-the-netherlands",
        name="A head start for iDEAL in the Netherlands",
        priority=20,
        when={"==": [_var("geo.country"), "NL"]},
        effects=({"boost": {"candidates": ["ideal"], "factor": 1.2}},),
        notes="A boost, not a pin: another method may still overtake it.",
    ),
    RuleDocument(
        id="bancontact-first-on-belgian-phones",
        name="Bancontact first on phones in Belgium",
        priority=10,
        when={"and": [{"==": [_var("geo.country"), "BE"]}, {"==": [_var("device.type"), "mobile"]}]},
        effects=({"pin": {"candidate": "bancontact", "slot": 1}},),
    ),
)
