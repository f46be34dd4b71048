"""The statement on algorithmic prices: it is there where personal data could move the offers, and only there."""

from __future__ import annotations

from tests.serving import Side
from tests.web.offer_shop import CART, redeem, request_offers


def test_answer_discloses_the_use_of_personal_data(shop: Side):
    """Thompson sampling knows the customer's past; a rule may read what the shop says of the customer."""
    assert request_offers(shop)["disclosure"] is None
    assert request_offers(shop, customer_id="anna")["disclosure"] is None
    segment = {"context": {"cart": CART, "customer": {"segment": "gold"}}}
    assert request_offers(shop, **segment)["disclosure"] is None
    rule = {
        "id": "no-silver",
        "name": "Not for silver",
        "when": {"==": [{"var": "customer.segment"}, "silver"]},
        "effects": [{"exclude": ["ten"]}],
    }
    assert shop.client.post("/v1/placements/offers/rules", json=rule).status_code == 201
    assert "YOUR PERSONAL DATA" in request_offers(shop, **segment)["disclosure"]
    assert request_offers(shop)["disclosure"] is None
    silver = {"context": {"cart": CART, "customer": {"segment": "silver"}}}
    assert (request_offers(shop, **silver)["offers"], request_offers(shop, **silver)["disclosure"]) == ([], None)


def test_the_customers_past_is_personal_data(shop: Side):
    shown = request_offers(shop, customer_id="anna")
    redeem(shop, shown["offers"][0]["hold_id"])
    purchase = {"event_id": "p-1", "decision_id": shown["decision_id"], "type": "converted", "candidate_id": "ten"}
    shop.client.post("/v1/personalize/feedback", json=purchase).raise_for_status()
    again = request_offers(shop, customer_id="anna", context={"cart": {"total": 20_000, "currency": "EUR"}})
    assert "YOUR PERSONAL DATA" in again["disclosure"]
