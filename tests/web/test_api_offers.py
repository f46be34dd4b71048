"""Offers by HTTP: show, hold, redeem, refund; every refusal names its field, and leaves the ledger alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.marks import CHANGES_NOTHING
from tests.serving import Server, Side
from tests.web.offer_shop import CART, SPRING_OFFER, redeem, request_offers
from web.openapi import examples


def balance(shop: Side) -> tuple[int, int]:
    answer = shop.client.get("/v1/budgets/spring/balance").json()
    assert answer["left"] == 5000 - answer["held"] - answer["spent"]
    return answer["held"], answer["spent"]


def test_shown_offer_has_the_customers_benefit(shop: Side):
    context = {"cart": CART, "customer": {"locale": "de-AT"}}
    [offer] = request_offers(shop, customer_id="anna", context=context)["offers"]
    assert (offer["title"], offer["terms"], offer["discount_code"]) == ("10 % Rabatt", "", "SPRING10")
    assert offer["discount"] == {"amount": 1000, "currency": "EUR"}
    assert offer["hold_id"].startswith("hold_")
    assert offer["expires_at"]
    assert balance(shop) == (1000, 0)


def test_query_parameters_and_body_give_the_same_offers(shop: Side):
    query = {"customer_id": "anna", "currency": "EUR", "amount": 10_000, "locale": "fr"}
    first = shop.client.get("/v1/personalize/offers", params=query)
    assert first.headers["cache-control"] == "no-store"
    [offer] = first.json()["offers"]
    assert offer["title"] == "10% off"
    assert request_offers(shop, customer_id="anna")["offers"][0]["hold_id"] == offer["hold_id"]
    assert balance(shop) == (1000, 0)


def test_looking_gives_no_hold(shop: Side):
    [offer] = request_offers(shop, hold=False)["offers"]
    assert (offer["hold_id"], offer["expires_at"]) == (None, None)
    assert balance(shop) == (0, 0)


ODD_BODIES = [
    {"customer_id": 4711},
    {"customer_id": ""},
    {"customer_id": "x" * 300},
    {"context": {"cart": {**CART, "totl": 5}, "odd\u0000key": {"a": 1}}},
    {"context": {"cart": {**CART, "total": 10_000.0, "currency": "eur"}, "geo": {"country": "DEU"}}},
    {"context": {"cart": CART, "device": "phone"}},
    {"unknown": True},
]


@pytest.mark.parametrize("body", ODD_BODIES, ids=str)
def test_unusual_fields_do_not_remove_offers(shop: Side, body: dict[str, Any]):
    assert [offer["id"] for offer in request_offers(shop, **body)["offers"]] == ["ten"]


@pytest.mark.parametrize(
    "more", ["locale=%00", "amount=10000&amount=10000", "colour=red", "country=%ED%A0%80", "device="]
)
def test_unusual_parameters_do_not_remove_offers(shop: Side, more: str):
    answer = shop.client.get(f"/v1/personalize/offers?currency=EUR&amount=10000&{more}")
    assert answer.status_code == 200, answer.text
    assert [offer["id"] for offer in answer.json()["offers"]] == ["ten"]


def test_ambiguous_hold_parameter_is_refused(shop: Side):
    for answer in (
        shop.client.get("/v1/personalize/offers?currency=EUR&amount=10000&hold=banana"),
        shop.client.post("/v1/personalize/offers", json={"context": {"cart": CART}, "hold": "banana"}),
    ):
        assert (answer.status_code, answer.json()["field"]) == (400, "hold")
    assert balance(shop) == (0, 0)


def test_customer_who_opted_out_gets_no_offer(shop: Side):
    query = {"customer_id": "anna", "currency": "EUR", "amount": 10_000, "personalization": "false"}
    for answer in (
        request_offers(shop, customer_id="anna", personalization=False),
        request_offers(shop, customer_id="anna", personalization=False, hold=False),
        shop.client.get("/v1/personalize/offers", params=query).json(),
    ):
        assert answer["offers"] == []
        assert answer["excluded"] == [{"id": "ten", "reason": "the customer opted out of personalization"}]
    assert balance(shop) == (0, 0)
    for answer in (
        shop.client.get("/v1/personalize/offers", params=query | {"personalization": "perhaps"}),
        shop.client.post("/v1/personalize/offers", json={"personalization": "no"}),
    ):
        assert (answer.status_code, answer.json()["field"]) == (400, "personalization")


def test_offer_shows_if_it_is_combinable(shop: Side):
    assert request_offers(shop)["offers"][0]["stackable"] is True


def test_test_key_gets_warnings_of_ignored_fields(server: Server):
    _, side = server.sides()
    side.client.post("/v1/placements", json={"key": "offers", "name": "Offers", "shape": {"type": "subset"}})
    answer = request_offers(side, context={"cart": {"totl": 5}}, colour="red")
    assert {warning["field"] for warning in answer["warnings"]} == {"colour", "cart.totl"}
    live, _ = server.sides()
    live.client.post("/v1/placements", json={"key": "offers", "name": "Offers", "shape": {"type": "subset"}})
    assert "warnings" not in request_offers(live, context={"cart": {"totl": 5}})


def test_offers_count_against_the_limit_of_decisions(shop: Side):
    policy = shop.client.get("/v1/personalize/offers").headers["ratelimit-policy"]
    assert policy.startswith('"decisions"')


def test_a_browser_is_shown_no_offers(shop: Side):
    browser = {"Authorization": f"Bearer {shop.new_key()}"}
    assert shop.client.post("/v1/personalize/offers", json={}, headers=browser).status_code == 403


def test_exhausted_budget_excludes_its_offer_with_a_reason(shop: Side):
    for _ in range(5):
        assert len(request_offers(shop)["offers"]) == 1
    answer = request_offers(shop)
    assert (answer["offers"], answer["fallback"]) == ([], False)
    assert answer["excluded"] == [{"id": "ten", "reason": "budget “spring” has too little left"}]


def test_redeem_and_refund_move_the_budget(shop: Side):
    hold_id = request_offers(shop)["offers"][0]["hold_id"]
    redeemed = redeem(shop, hold_id, cart={"total": 8000, "currency": "EUR"}, order_id="o-1").json()
    assert (redeemed["state"], redeemed["discount"], redeemed["held"], redeemed["order_id"]) == (
        "redeemed",
        800,
        0,
        "o-1",
    )
    assert balance(shop) == (0, 800)
    refunded = shop.client.post(f"/v1/redemptions/{hold_id}/refund", json={"amount": 2000}).json()
    assert refunded["returned"] == 200
    assert balance(shop) == (0, 600)
    entries = shop.client.get("/v1/ledger", params={"budget": "spring"}).json()["items"]
    assert [(row["kind"], row["amount"]) for row in reversed(entries)] == [
        ("hold", 1000),
        ("commit", 800),
        ("release", 200),
        ("refund", 200),
    ]
    assert shop.client.get(f"/v1/redemptions/{hold_id}").json() == refunded


def test_a_failed_payment_gives_the_money_back(shop: Side):
    hold_id = request_offers(shop)["offers"][0]["hold_id"]
    assert shop.client.post(f"/v1/redemptions/{hold_id}/release").json()["state"] == "released"
    assert balance(shop) == (0, 0)
    assert shop.client.post(f"/v1/redemptions/{hold_id}/release").status_code == 409


def test_a_code_is_validated_held_and_redeemed(shop: Side):
    request = {"code": "spring10", "context": {"cart": CART}}
    assert shop.client.post("/v1/redemptions/validate", json=request).json() == {
        "offer_id": "ten",
        "valid": True,
        "reason": "",
        "discount": {"amount": 1000, "currency": "EUR"},
    }
    held = shop.client.post("/v1/redemptions/hold", json=request)
    assert (held.status_code, held.json()["held"], held.json()["decision_id"]) == (201, 1000, None)
    assert redeem(shop, held.json()["hold_id"]).json()["discount"] == 1000


def test_rules_about_the_past_hold_for_codes(shop: Side):
    bought = {
        "event_id": "order-1",
        "type": "converted",
        "decision_id": request_offers(shop, customer_id="anna")["decision_id"],
    }
    assert shop.client.post("/v1/personalize/feedback", json={**bought, "candidate_id": "ten"}).status_code == 202
    past = {">=": [{"var": "history.purchases"}, 1]}
    rule = {"id": "welcome", "name": "First purchase only", "when": past, "effects": [{"exclude": ["ten"]}]}
    assert shop.client.post("/v1/placements/offers/rules", json=rule).status_code == 201
    request = {"code": "spring10", "context": {"cart": CART}}
    for customer, valid in (("anna", False), ("ben", True)):
        quoted = shop.client.post("/v1/redemptions/validate", json={**request, "customer_id": customer}).json()
        assert (customer, quoted["valid"]) == (customer, valid)
    held = shop.client.post("/v1/redemptions/hold", json={**request, "customer_id": "anna"})
    assert (held.status_code, held.json()["field"]) == (409, "offer_id")


def test_the_ledger_comes_in_pages(shop: Side):
    for _ in range(3):
        request_offers(shop)
    first = shop.client.get("/v1/ledger", params={"limit": 2}).json()
    rest = shop.client.get("/v1/ledger", params={"limit": 2, "cursor": first["next"]}).json()
    assert (len(first["items"]), len(rest["items"]), rest["next"]) == (2, 1, None)
    assert len({row["id"] for row in (*first["items"], *rest["items"])}) == 3
    assert shop.client.get("/v1/ledger", params={"cursor": "x"}).json()["field"] == "cursor"


# Idempotency


def test_repeated_idempotency_key_has_a_single_effect(shop: Side):
    hold_id = request_offers(shop)["offers"][0]["hold_id"]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: redeem(shop, hold_id, "order-1"), range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert balance(shop) == (0, 1000)


def test_a_key_with_another_request_is_refused(shop: Side):
    first, second = (request_offers(shop)["offers"][0]["hold_id"] for _ in range(2))
    assert redeem(shop, first, "order-1").status_code == 200
    answer = redeem(shop, second, "order-1")
    assert (answer.status_code, answer.json()["field"]) == (422, "Idempotency-Key")
    assert balance(shop) == (1000, 1000)


def test_invalid_idempotency_key_is_refused(shop: Side):
    hold_id = request_offers(shop)["offers"][0]["hold_id"]
    answer = redeem(shop, hold_id, "x" * 256)
    assert (answer.status_code, answer.json()["field"]) == (400, "Idempotency-Key")


def test_two_different_idempotency_keys_are_refused(shop: Side):
    hold_id, body = request_offers(shop)["offers"][0]["hold_id"], {"cart": {"total": 10_000, "currency": "EUR"}}
    headers = [("Idempotency-Key", "order-1"), ("Idempotency-Key", "order-2")]
    answer = shop.client.post("/v1/redemptions/redeem", json={"hold_id": hold_id} | body, headers=headers)
    assert (answer.status_code, answer.json()["field"]) == (400, "Idempotency-Key")
    answer = shop.client.post("/v1/redemptions/redeem", json={"hold_id": hold_id} | body, headers=headers[:1] * 2)
    assert answer.status_code == 200


def test_the_last_unit_is_redeemed_once(shop: Side):
    hold_id = request_offers(shop)["offers"][0]["hold_id"]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: redeem(shop, hold_id), range(50)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] + [409] * 49
    assert balance(shop) == (0, 1000)


# Refusals


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("redeem", {"hold_id": "hold_none"}, 404, "hold_id"),
        ("redeem", {"hold_id": "$hold", "cart": {"total": -1}}, 400, "cart/total"),
        ("redeem", {"hold_id": "$hold", "cart": {"total": 2**53 + 1}}, 400, "cart/total"),
        ("redeem", {"hold_id": "$hold", "cart": {"total": 1.5}}, 400, "cart/total"),
        ("redeem", {"hold_id": "$hold", "cart": {"total": 10, "currency": "USD"}}, 409, "cart/currency"),
        ("redeem", {}, 400, "hold_id"),
        ("$hold/refund", {"amount": 1}, 409, "hold_id"),
        ("$hold/refund", {"amount": 0}, 400, "amount"),
        ("hold_none/release", None, 404, "hold_id"),
        ("validate", {"offer_id": "none"}, 404, "offer_id"),
        ("validate", {"code": "NONE"}, 404, "code"),
        ("validate", {}, 404, "offer_id"),
        ("hold", {"offer_id": "ten", "code": "OTHER"}, 404, "code"),
        ("hold", {"offer_id": "ten", "context": {"cart": {"total": 5, "currency": "EUR"}}}, 409, "offer_id"),
        ("hold", {"offer_id": "ten", "context": {"cart": {"total": 900, "currency": "USD"}}}, 409, "offer_id"),
    ],
)
def test_refusal_names_the_field_and_changes_nothing(shop: Side, path: str, body: Any, status: int, field: str):
    hold_id = request_offers(shop)["offers"][0]["hold_id"]
    before = shop.client.get("/v1/ledger").json()
    if body and body.get("hold_id") == "$hold":
        body = {**body, "hold_id": hold_id}
    answer = shop.client.post(f"/v1/redemptions/{path.replace('$hold', hold_id)}", json=body)
    assert (answer.status_code, answer.json()["field"]) == (status, field), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert shop.client.get("/v1/ledger").json() == before


@CHANGES_NOTHING
@pytest.mark.parametrize("path", ["validate", "hold"])
@pytest.mark.parametrize(
    ("cart", "field"),
    [
        ({"total": -1}, "total"),
        ({"total": 1.5}, "total"),
        ({"total": "100"}, "total"),
        ({"total": True}, "total"),
        ({"total": [5]}, "total"),
        ({"total": 100, "currency": "EURO"}, "currency"),
        ({"total": 100, "currency": 978}, "currency"),
        (5, ""),
    ],
    ids=str,
)
def test_a_cart_that_cannot_be_read_is_never_held(shop: Side, path: str, cart: Any, field: str):
    """Without the fact, a decision would reserve the maximum cost of the offer."""
    answer = shop.client.post(f"/v1/redemptions/{path}", json={"offer_id": "ten", "context": {"cart": cart}})
    assert (answer.status_code, answer.json()["field"]) == (400, f"context/cart/{field}".rstrip("/"))
    assert answer.headers["content-type"] == "application/problem+json"
    assert balance(shop) == (0, 0)


def test_cart_without_a_total_reserves_the_maximum(shop: Side):
    held = shop.client.post("/v1/redemptions/hold", json={"offer_id": "ten", "context": {"cart": {"total": None}}})
    assert (held.status_code, held.json()["held"]) == (201, 2000)


def test_a_free_order_leaves_nothing_to_refund(shop: Side):
    hold_id = request_offers(shop)["offers"][0]["hold_id"]
    assert redeem(shop, hold_id, cart={"total": 0}).json()["discount"] == 0
    answer = shop.client.post(f"/v1/redemptions/{hold_id}/refund", json={"amount": 1})
    assert (answer.status_code, answer.json()["field"]) == (400, "amount")
    assert "nothing is left" in answer.json()["detail"]


def test_an_order_is_refunded_at_most_once(shop: Side):
    hold_id = request_offers(shop)["offers"][0]["hold_id"]
    redeem(shop, hold_id)
    refund = f"/v1/redemptions/{hold_id}/refund"
    assert shop.client.post(refund, json={"amount": 10_000}).json()["returned"] == 1000
    again = shop.client.post(refund, json={"amount": 1})
    assert (again.status_code, again.json()["field"]) == (400, "amount")
    assert balance(shop) == (0, 0)


def test_an_offer_without_a_maximum_cannot_be_saved(shop: Side):
    for benefit in ({"type": "percentage", "percent": 10}, {"type": "free_shipping"}):
        document = {"id": "odd", "label": "Odd", "offer": {**SPRING_OFFER, "benefit": benefit}}
        answer = shop.client.post("/v1/placements/offers/candidates", json=document)
        assert (answer.status_code, answer.json()["field"]) == (400, "offer/benefit/maximum")


def test_merchant_without_offers_gets_a_message(side: Side):
    assert side.client.get("/v1/personalize/offers").status_code == 404


# Predictions and effects


def test_scores_predict_each_offer_without_a_hold(shop: Side):
    body = {"customer_id": "anna", "context": {"cart": CART}}
    answer = shop.client.post("/v1/personalize/offers/scores", json=body)
    assert answer.status_code == 200, answer.text
    [score] = answer.json()["scores"]
    assert (score["id"], score["discount"], score["first_chance"]) == ("ten", 1_000, 1.0)
    assert score["expected"] == pytest.approx(score["success"] * score["success_value"])
    assert balance(shop) == (0, 0)


def test_scores_name_excluded_offers(shop: Side):
    body = {"context": {"cart": {"total": 5, "currency": "EUR"}}}
    answer = shop.client.post("/v1/personalize/offers/scores", json=body).json()
    assert (answer["scores"], [each["id"] for each in answer["excluded"]]) == ([], ["ten"])


@CHANGES_NOTHING
@pytest.mark.parametrize(
    ("method", "path", "body", "status", "field"),
    [
        ("POST", "/v1/personalize/offers/scores", {"placement": "none"}, 404, "placement"),
        ("POST", "/v1/personalize/offers/scores", {"hold": True}, 400, "hold"),
        ("GET", "/v1/personalize/offers/effects?placement=none", None, 404, "placement"),
        ("GET", "/v1/personalize/offers/effects?days=0", None, 400, "days"),
        ("GET", "/v1/personalize/offers/effects?lift=-1", None, 400, "lift"),
    ],
)
def test_invalid_score_request_names_its_field(shop: Side, method: str, path: str, body: Any, status: int, field: str):
    answer = shop.client.request(method, path, json=body)
    assert (answer.status_code, answer.json()["field"]) == (status, field)


def test_effects_list_every_offer(shop: Side):
    request_offers(shop, customer_id="anna")
    answer = shop.client.get("/v1/personalize/offers/effects", params={"days": 7, "lift": 0.2})
    assert answer.status_code == 200, answer.text
    effects = answer.json()
    assert (effects["days"], effects["lift"], effects["share"], effects["needed_share"]) == (7, 0.2, 0, None)
    [effect] = effects["effects"]
    assert (effect["offer"], effect["verdict"], effect["extra_orders"]) == ("ten", "too_few", None)
    assert effect["cost_per_order"] == [None, None, None]


def test_a_paced_budget_is_kept_as_it_was_sent(shop: Side):
    pacing = {"starts_at": "2026-12-01T00:00:00Z", "ends_at": "2026-12-24T00:00:00Z"}
    budget = {**examples.BUDGET, "id": "paced", "amount": 5000, "pacing": pacing}
    assert shop.client.post("/v1/budgets", json=budget).status_code == 201
    assert shop.client.get("/v1/budgets/paced").json()["pacing"] == pacing
    assert shop.client.post("/v1/budgets", json={**budget, "id": "daily", "period": "day"}).status_code == 201
    wrong = {**budget, "id": "wrong", "scope": "customer"}
    answer = shop.client.post("/v1/budgets", json=wrong)
    assert (answer.status_code, answer.json()["field"]) == (400, "pacing")
