"""Attacks on redemptions by HTTP: in the wrong order, at the same time, without a cart, in another currency."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from engine.clock import now_ms
from tests.serving import Side
from tests.web.offer_shop import redeem, request_offers
from web.openapi import examples


def at_once(calls: Iterable[Callable[[], httpx.Response]]) -> Counter[int]:
    """Return how often each status was answered to requests that were sent at the same time."""
    with ThreadPoolExecutor(16) as pool:
        return Counter(answer.status_code for answer in pool.map(lambda call: call(), list(calls)))


@pytest.fixture(autouse=True)
def books_agree(shop: Side):
    """Whatever a test does: ledger, balances and holds agree, and no cap is exceeded."""
    yield
    verification = shop.server.run(shop.server.engine.budgets.verify(shop.merchant.id))
    assert verification.is_same
    assert not verification.over_cap


def spent_and_held(shop: Side) -> tuple[int, int]:
    [row] = shop.server.run(shop.server.engine.budgets.page(shop.merchant.id, now=now_ms()))
    return row.balance.spent, row.balance.held


def post(shop: Side, path: str, body: Any = None, **headers: str) -> httpx.Response:
    return shop.client.post(f"/v1/redemptions/{path}", json=body, headers=headers)


def test_refunds_at_the_same_time_return_the_discount_once(shop: Side):
    hold_id = request_offers(shop)["offers"][0]["hold_id"]
    redeem(shop, hold_id)
    statuses = at_once([lambda: post(shop, f"{hold_id}/refund", {"amount": 1_000})] * 25)
    assert statuses == {200: 10, 400: 15}
    assert spent_and_held(shop) == (0, 0)


def test_concurrent_redeem_and_release_have_one_effect(shop: Side):
    for _ in range(4):
        hold_id = request_offers(shop)["offers"][0]["hold_id"]
        before, _ = spent_and_held(shop)
        calls = [lambda id=hold_id: redeem(shop, id), lambda id=hold_id: post(shop, f"{id}/release")] * 6
        assert at_once(calls) == {200: 1, 409: 11}
        spent, held = spent_and_held(shop)
        assert (spent - before, held) in ((1_000, 0), (0, 0))


def test_two_holds_on_one_order_take_no_more_than_the_cart(shop: Side):
    holds = [request_offers(shop, customer_id=f"c{number}")["offers"][0]["hold_id"] for number in range(4)]
    cart = {"total": 1_500, "currency": "EUR"}
    at_once([lambda id=id: redeem(shop, id, cart=cart, order_id="o-1") for id in holds])
    assert spent_and_held(shop)[0] <= 1_500


def test_one_key_for_two_kinds_of_requests_is_refused(shop: Side):
    hold_id = request_offers(shop)["offers"][0]["hold_id"]
    assert redeem(shop, hold_id, "key").status_code == 200
    for path, body in ((f"{hold_id}/refund", {"amount": 10_000}), (f"{hold_id}/release", None)):
        answer = post(shop, path, body, **{"Idempotency-Key": "key"})
        assert (answer.status_code, answer.json()["field"]) == (422, "Idempotency-Key")
    assert spent_and_held(shop) == (1_000, 0)


@pytest.mark.parametrize("amount", [-1, 0, 2**53 + 1, 2**63, 1e30, 0.5, "10", None, True])
def test_refund_of_zero_changes_nothing(shop: Side, amount: Any):
    hold_id = request_offers(shop)["offers"][0]["hold_id"]
    redeem(shop, hold_id)
    answer = post(shop, f"{hold_id}/refund", {"amount": amount})
    assert (answer.status_code, answer.json()["field"]) == (400, "amount")
    assert spent_and_held(shop) == (1_000, 0)


def test_a_released_hold_is_neither_redeemed_nor_refunded(shop: Side):
    hold_id = request_offers(shop)["offers"][0]["hold_id"]
    post(shop, f"{hold_id}/release")
    for answer in (
        redeem(shop, hold_id),
        post(shop, f"{hold_id}/refund", {"amount": 1}),
        post(shop, f"{hold_id}/release"),
    ):
        assert (answer.status_code, answer.json()["field"]) == (409, "hold_id")
    assert spent_and_held(shop) == (0, 0)


def test_a_hold_for_an_unknown_cart_is_redeemed_with_the_cart(shop: Side):
    held = post(shop, "hold", {"offer_id": "ten", "context": {"cart": {"currency": "EUR"}}}).json()
    answer = post(shop, "redeem", {"hold_id": held["hold_id"]})
    assert (answer.status_code, answer.json().get("field")) == (400, "cart/total"), answer.text
    assert redeem(shop, held["hold_id"]).json()["discount"] == 1_000


def test_an_offer_in_another_currency_than_its_budget_is_refused(shop: Side):
    document = {"id": "yen", "label": "Yen", "offer": {**examples.OFFER, "currency": "JPY"}}
    answer = shop.client.post("/v1/placements/offers/candidates", json=document)
    assert (answer.status_code, answer.json()["field"]) == (400, "offer/budgets/0")


def test_lower_cap_still_redeems_existing_holds(shop: Side):
    hold_id = request_offers(shop)["offers"][0]["hold_id"]
    shop.client.put(
        "/v1/budgets/spring", json={**examples.BUDGET, "amount": 0}, headers={"If-Match": "*"}
    ).raise_for_status()
    assert request_offers(shop, customer_id="late")["offers"] == []
    assert redeem(shop, hold_id).status_code == 200
    assert post(shop, f"{hold_id}/refund", {"amount": 10_000}).json()["returned"] == 1_000
    assert spent_and_held(shop) == (0, 0)
