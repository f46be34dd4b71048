"""Codes of offers by HTTP: pools are filled, each customer gets another code."""

from __future__ import annotations

from typing import Any

import pytest

from tests.serving import Side
from tests.web.offer_shop import CART, SPRING_OFFER, redeem, request_offers

CODES = "/v1/placements/offers/candidates/ten/codes"


@pytest.fixture
def pool(shop: Side) -> Side:
    """The shop with two codes in a pool instead of one for everybody."""
    document = {"id": "ten", "label": "Ten", "offer": {**SPRING_OFFER, "code": "", "codes": "pool"}}
    path = "/v1/placements/offers/candidates/ten"
    assert shop.client.put(path, json=document, headers={"if-match": "*"}).status_code == 200
    assert shop.client.post(CODES, json={"codes": ["code-1", "CODE-2"]}).json() == {"added": 2, "repeated": 0}
    return shop


def test_each_customer_is_shown_another_code(pool: Side):
    [first], [second] = (request_offers(pool)["offers"] for _ in range(2))
    assert [first["discount_code"], second["discount_code"]] == ["CODE-1", "CODE-2"]
    none = request_offers(pool)
    assert (none["offers"], none["excluded"]) == ([], [{"id": "ten", "reason": "codes used up"}])
    redeemed = redeem(pool, first["hold_id"], "k").json()
    assert redeemed["code"] == "CODE-1"
    assert redeem(pool, first["hold_id"], "k").json() == redeemed
    listed = pool.client.get(CODES, params={"state": "used"}).json()
    assert listed == {
        "free": 0,
        "held": 1,
        "used": 1,
        "items": [{"code": "CODE-1", "state": "used", "hold_id": first["hold_id"]}],
        "next": None,
    }
    request = {"code": "code-1", "context": {"cart": CART}}
    assert pool.client.post("/v1/redemptions/validate", json=request).json()["reason"] == "the code was used"
    assert pool.client.post("/v1/redemptions/hold", json=request).status_code == 409


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 400, "codes"),
        ({"codes": ["CODE-3"], "generate": 1}, 400, "codes"),
        ({"codes": []}, 400, "codes"),
        ({"codes": ["a b"]}, 400, "codes/0"),
        ({"generate": 0}, 400, "generate"),
        ({"generate": 10**9}, 400, "generate"),
        ({"generate": 1, "prefix": "?"}, 400, "prefix"),
    ],
)
def test_invalid_code_is_refused_with_its_field(pool: Side, body: dict[str, Any], status: int, field: str):
    answer = pool.client.post(CODES, json=body)
    assert (answer.status_code, answer.json()["field"]) == (status, field)
    assert pool.client.get(CODES).json()["free"] == 2


def test_codes_are_paginated_and_unused_codes_are_deleted(pool: Side):
    first = pool.client.get(CODES, params={"limit": 1}).json()
    rest = pool.client.get(CODES, params={"limit": 1, "cursor": first["next"]}).json()
    assert [page["items"][0]["code"] for page in (first, rest)] == ["CODE-1", "CODE-2"]
    assert pool.client.delete(CODES).json() == {"removed": 2}
    assert pool.client.post("/v1/placements/offers/candidates/none/codes", json={"generate": 1}).status_code == 404


OFFERS = "/v1/placements/offers/candidates"
VALIDATE = "/v1/redemptions/validate"


def offer(code: str, **fields: Any) -> dict[str, Any]:
    return {"id": "other", "label": "Other", "offer": {**SPRING_OFFER, "code": code, **fields}}


@pytest.mark.parametrize("typed", ["SPRING10", "spring10", " Spring10 ", "SPRING10\n", "\u00a0spring10"])
def test_a_fixed_code_is_read_as_people_paste_it(shop: Side, typed: str):
    answer = shop.client.post(VALIDATE, json={"code": typed, "context": {"cart": CART}})
    assert (answer.status_code, answer.json()["valid"]) == (200, True)


def test_one_code_leads_to_one_offer_at_a_time(shop: Side):
    refused = shop.client.post(OFFERS, json=offer("spring10"))
    assert (refused.status_code, refused.json()["field"]) == (400, "offer/code")
    assert "leads to the offer “ten” at the same time" in refused.json()["detail"]
    assert shop.client.post(OFFERS, json={**offer("spring10"), "enabled": False}).status_code == 201


def test_a_code_may_return_in_another_season(shop: Side):
    ended = {"id": "ten", "label": "Ten", "offer": {**SPRING_OFFER, "ends_at": "2020-03-01T00:00:00Z"}}
    assert shop.client.put(f"{OFFERS}/ten", json=ended, headers={"if-match": "*"}).status_code == 200
    assert shop.client.post(OFFERS, json=offer("SPRING10", starts_at="2020-03-01T00:00:00Z")).status_code == 201
    answer = shop.client.post(VALIDATE, json={"code": "spring10", "context": {"cart": CART}}).json()
    assert (answer["offer_id"], answer["valid"]) == ("other", True)


@pytest.mark.parametrize("percent", [1e-9, 0.009, 33.333])
def test_a_tiny_percentage_is_refused(shop: Side, percent: float):
    benefit = {"type": "percentage", "percent": percent, "maximum": 2000}
    answer = shop.client.post(OFFERS, json=offer("OTHER", benefit=benefit))
    assert (answer.status_code, answer.json()["field"]) == (400, "offer/benefit/percent")


def test_orders_without_an_id_are_not_one_order(shop: Side):
    holds = [shop.client.post("/v1/redemptions/hold", json={"offer_id": "ten", "context": {"cart": CART}}).json()]
    holds += [shop.client.post("/v1/redemptions/hold", json={"offer_id": "ten", "context": {"cart": CART}}).json()]
    redeemed = [redeem(shop, hold["hold_id"], order_id=" ").json() for hold in holds]
    assert [hold["order_id"] for hold in redeemed] == ["", ""]
