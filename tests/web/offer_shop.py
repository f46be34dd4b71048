"""A merchant with an offer, the form of a new offer, and requests of its checkout."""

from __future__ import annotations

from typing import Any

import httpx

from tests.serving import Server, Side
from tests.web.people import Person, add_person
from web.openapi import examples

OFFER = examples.OFFER
SPRING_OFFER = {
    **OFFER,
    "texts": {"en": {"title": "10% off", "terms": "Once"}, "de": {"title": "10 % Rabatt"}},
    "code": "SPRING10",
}
CART = {"total": 10_000, "currency": "EUR"}
NEW_OFFER_FORM = {
    "id": "five",
    "label": "Five off",
    "benefit": "fixed_amount",
    "most": "5",
    "budget:spring": "on",
    "title": "5 euros off",
    "terms": "Once",
    "code": "FIVE",
    "min_amount": "20",
    "enabled": "on",
}


def open_offer(server: Server, side: Side) -> Person:
    """Give a merchant the offer `ten`, paid by the budget `spring` of 10.00 EUR; return an admin."""
    created = add_person(server, side)
    for path, document in (
        ("/v1/budgets", {**examples.BUDGET, "amount": 1000}),
        ("/v1/placements", {"key": "offers", "name": "Offers"}),
        ("/v1/placements/offers/candidates", {"id": "ten", "label": "Ten percent", "offer": OFFER}),
    ):
        answer = side.client.post(path, json=document)
        assert answer.status_code == 201, answer.text
    return created


def request_offers(shop: Side, **body: Any) -> dict[str, Any]:
    answer = shop.client.post("/v1/personalize/offers", json={"context": {"cart": CART}} | body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def redeem(shop: Side, hold_id: str, key: str | None = None, **body: Any) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return shop.client.post("/v1/redemptions/redeem", json={"hold_id": hold_id, "cart": CART} | body, headers=headers)
