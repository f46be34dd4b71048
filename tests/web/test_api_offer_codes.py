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
