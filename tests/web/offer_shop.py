"""A merchant with one offer, and the form of another one."""

from __future__ import annotations

from tests.serving import Server, Side
from tests.web.people import Person, person_of
from web.openapi import examples

OFFER = examples.OFFER
NEW = {
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
    created = person_of(server, side)
    for path, document in (
        ("/v1/budgets", {**examples.BUDGET, "amount": 1000}),
        ("/v1/placements", {"key": "offers", "name": "Offers"}),
        ("/v1/placements/offers/candidates", {"id": "ten", "label": "Ten percent", "offer": OFFER}),
    ):
        answer = side.client.post(path, json=document)
        assert answer.status_code == 201, answer.text
    return created
