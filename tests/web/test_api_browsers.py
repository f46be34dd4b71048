"""A publishable key is public: it reads no customers and rules, and its reports are limited."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from engine.model.timestamps import MINUTE
from tests.serving import Side
from web.http.access import HINTS_A_DAY, HintLimit
from web.openapi import examples

DECISIONS, FEEDBACK = "/v1/personalize/decisions", "/v1/personalize/feedback"
PRIVATE_FIELDS = ("reasons", "rules", "skipped", "history", "trace")


@pytest.fixture
def browser(side: Side) -> Iterator[httpx.Client]:
    with side.server.client(side.new_key("publishable")) as client:
        yield client


def decide(client: httpx.Client, **more: Any) -> dict[str, Any]:
    answer = client.post(DECISIONS, json={**examples.DECISION, **more})
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


def report(client: httpx.Client, **outcome: Any) -> dict[str, Any]:
    answer = client.post(FEEDBACK, json=outcome)
    assert answer.status_code == 202, answer.text
    result: dict[str, Any] = answer.json()["results"][0]
    return result


def hint(decision: dict[str, Any], type: str = "shown", **more: Any) -> dict[str, Any]:
    given = {"event_id": f"{type}-1", "decision_id": decision["decision_id"], "type": type, "token": decision["token"]}
    return {**given, **more}


def past_of(side: Side, customer: str = "alice@example.com") -> None:
    """Six purchases of a customer by PayPal."""
    for number in range(6):
        outcome = {"event_id": f"o{number}", "customer_id": customer, "method_id": "paypal"}
        assert report(side.client, **outcome)["status"] == "recorded"


def test_guessed_customer_id_reveals_nothing(side: Side, browser: httpx.Client):
    past_of(side)
    request = {"customer_id": "alice@example.com"}
    assert "last 6 purchases" in str(decide(side.client, **request))
    answer = decide(browser, **request)
    assert not any(name in str(answer) for name in PRIVATE_FIELDS)
    logged = side.client.get(f"/v1/decisions/{answer['decision_id']}?explain=true").json()
    assert logged["trace"]["history"] == {}


def test_customer_token_is_valid_for_its_customer_and_period(side: Side, browser: httpx.Client):
    past_of(side)
    answer = side.client.post("/v1/personalize/customer-tokens", json={"customer_id": "alice@example.com"})
    assert answer.status_code == 201
    token = answer.json()["customer_token"]

    def history(customer: str, token: str) -> Any:
        decision = decide(browser, customer_id=customer, customer_token=token)
        assert "purchases" not in str(decision)
        return side.client.get(f"/v1/decisions/{decision['decision_id']}?explain=true").json()["trace"]["history"]

    assert set(history("alice@example.com", token)) == {"paypal"}
    assert history("bob@example.com", token) == {}
    over = side.server.engine.tokens.for_customer(side.merchant.id, "alice@example.com", expires=1)
    assert history("alice@example.com", over) == {}
    other, _ = side.server.sides()
    foreign = other.client.post("/v1/personalize/customer-tokens", json={"customer_id": "alice@example.com"})
    assert history("alice@example.com", foreign.json()["customer_token"]) == {}


def test_only_a_server_makes_customer_tokens(browser: httpx.Client):
    assert browser.post("/v1/personalize/customer-tokens", json={"customer_id": "alice"}).status_code == 403


def test_a_browser_gets_no_reasons_and_no_rules(side: Side, browser: httpx.Client):
    context = {"context": {"cart": {"total": 200_000, "currency": "EUR"}, "geo": {"country": "DE"}}}
    full, answer = decide(side.client, **context), decide(browser, **context)
    assert full["rules"] == ["no-invoice-for-large-carts"]
    assert not any(name in str(answer) for name in (*PRIVATE_FIELDS, "no-invoice", "reason"))
    assert {item["id"] for item in answer["excluded"]} == {item["id"] for item in full["excluded"]} == {"ideal"}
    assert answer["values"] == full["values"]
    assert side.client.post(f"/v1/decisions/{answer['decision_id']}/replay").json()["same"]


@pytest.mark.parametrize("path", [DECISIONS, f"{DECISIONS}/batch"])
def test_explanations_are_for_servers(browser: httpx.Client, path: str):
    body = examples.BATCH if path.endswith("batch") else examples.DECISION
    answer = browser.post(f"{path}?explain=true", json=body)
    assert (answer.status_code, answer.json()["field"]) == (403, "explain")


def test_batches_and_methods_give_tokens_too(browser: httpx.Client):
    [decision] = browser.post(f"{DECISIONS}/batch", json=examples.BATCH).json()["decisions"]
    methods = browser.get("/v1/personalize/methods").json()
    for given in (decision, methods):
        assert not any(name in str(given) for name in PRIVATE_FIELDS)
        assert report(browser, **hint(given))["status"] == "recorded"


@pytest.mark.parametrize("type", ["shown", "selected", "abandoned"])
def test_a_browser_reports_hints_with_the_token(browser: httpx.Client, type: str):
    assert report(browser, **hint(decide(browser), type, candidate_id="paypal"))["status"] == "recorded"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"token": "dt_fffffffffff_0123456789abcdef0123456789abcdef"}, "token"),
        ({"token": ""}, "token"),
        ({"token": None}, "token"),
        ({"type": "converted", "amount": 100}, "type"),
        ({"type": "refunded"}, "type"),
        ({"type": "redeemed"}, "type"),
        ({"decision_id": None, "customer_id": "bob", "method_id": "paypal"}, "decision_id"),
    ],
)
def test_other_words_of_a_browser_are_refused(browser: httpx.Client, change: dict[str, Any], named: str):
    outcome = {**hint(decide(browser), candidate_id="paypal"), **change}
    receipt = report(browser, **outcome)
    assert receipt["status"] == "invalid"
    assert receipt["message"].startswith(named)


def test_token_is_valid_for_one_decision_key_and_period(side: Side, browser: httpx.Client):
    decision, other = decide(browser), decide(browser)
    assert report(browser, **{**hint(decision), "token": other["token"]})["status"] == "invalid"
    with side.server.client(side.new_key("publishable")) as second:
        assert report(second, **hint(decision))["status"] == "invalid"
    by_server = decide(side.client)
    assert report(browser, **{**hint(decision), "decision_id": by_server["decision_id"]})["status"] == "invalid"
    tokens, (_, expires, _) = side.server.engine.tokens, decision["token"].split("_")
    assert not tokens.proves_decision(decision["token"], side.merchant.id, "", decision["decision_id"], now=0)
    assert 0 < int(expires, 16) - int(decision["decision_id"][4:16], 16) <= 120 * MINUTE


def test_a_list_answers_a_browser_item_by_item(browser: httpx.Client):
    decision = decide(browser)
    items = [hint(decision), hint(decision, "converted", candidate_id="paypal"), hint(decision, "abandoned")]
    statuses = [item["status"] for item in browser.post(FEEDBACK, json=items).json()["results"]]
    assert statuses == ["recorded", "invalid", "recorded"]


def test_purchase_of_the_shop_is_recorded_despite_browser_reports(side: Side, browser: httpx.Client):
    mine, real = decide(browser), decide(side.client)
    assert report(browser, **hint(mine, event_id="order-5001"))["status"] == "recorded"
    purchase = {"event_id": "order-5001", "type": "converted", "candidate_id": "card", "amount": 5_000}
    assert report(side.client, **purchase, decision_id=real["decision_id"])["status"] == "recorded"
    conflict = report(side.client, **{**purchase, "amount": 6_000}, decision_id=real["decision_id"])
    assert (conflict["status"], conflict["stored"]["amount"]) == ("conflict", 5_000)


def test_purchases_by_browser_need_the_merchants_consent(side: Side, browser: httpx.Client):
    decision = decide(browser)
    accounts = side.server.engine.accounts
    side.server.run(accounts.set_browser_purchases(side.merchant, 10_000, actor_name="tester"))
    bought = {"candidate_id": "paypal", "currency": "EUR"}
    assert report(browser, **hint(decision, "converted", amount=10_001, **bought))["status"] == "invalid"
    assert report(browser, **hint(decision, "converted", amount=10_000, **bought))["status"] == "recorded"
    logged = side.client.get(f"/v1/decisions/{decision['decision_id']}?explain=true").json()
    assert [outcome["source"] for outcome in logged["outcomes"]] == ["browser"]
    side.server.run(accounts.set_browser_purchases(side.merchant, 0, actor_name="tester"))
    assert report(browser, **hint(decide(browser), "converted", amount=1, **bought))["status"] == "invalid"


def test_learning_limits_hints_of_an_address():
    limit = HintLimit()
    assert sum(limit.allows("key", "192.0.2.1") for _ in range(1_000)) == HINTS_A_DAY
    assert sum(limit.allows("key", f"198.51.100.{number}") for number in range(100)) == 100


def test_a_browser_sends_short_lists(browser: httpx.Client):
    decision = decide(browser)
    items = [hint(decision, event_id=f"e{number}") for number in range(52)]
    statuses = [item["status"] for item in browser.post(FEEDBACK, json=items).json()["results"]]
    assert statuses == ["recorded"] * 50 + ["invalid"] * 2
