"""Consent over HTTP: who may say it, signals of browsers, the prompt, and mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.marks import CHANGES_NOTHING
from tests.serving import Side
from web.openapi import examples

PATH = "/v1/personalize/consents"
CUSTOMER = {"customer_id": "anna@example.com"}
DECISIONS = "/v1/personalize/decisions"


@pytest.fixture
def browser(side: Side) -> Iterator[httpx.Client]:
    with side.server.client(side.new_key("publishable")) as client:
        yield client


def say(client: httpx.Client, **fields: Any) -> httpx.Response:
    return client.post(PATH, json={**CUSTOMER, "method": "save", **fields})


def decide(client: httpx.Client, **headers: str) -> dict[str, Any]:
    request = {**examples.DECISION, **CUSTOMER}
    answer = client.post(
        DECISIONS, json=request, headers={name.replace("_", "-"): text for name, text in headers.items()}
    )
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


def test_consent_takes_effect_and_is_in_the_history(side: Side):
    answer = say(side.client, purposes={"personalization": True, "analytics": False}, served_at="/checkout")
    assert answer.status_code == 201
    assert answer.json()["purposes"][:2] == [
        {"purpose": "personalization", "state": "accepted", "allowed": True},
        {"purpose": "analytics", "state": "refused", "allowed": False},
    ]
    assert side.client.post(f"{PATH}/read", json=CUSTOMER).json() == answer.json()
    say(side.client, method="reject")
    page = side.client.post(f"{PATH}/history", json={**CUSTOMER, "limit": 1}).json()
    assert (page["items"][0]["method"], page["next"]) == ("reject", 2)
    rest = side.client.post(f"{PATH}/history", json={**CUSTOMER, "before": 2}).json()
    assert [(item["method"], item["served_at"]) for item in rest["items"]] == [("save", "/checkout")]
    assert decide(side.client)["personalized"] is False


@pytest.mark.parametrize(("name", "value", "refuses"), [
    ("Sec_GPC", "1", True), ("DNT", "1", True), ("dnt", "0", False), ("Sec_GPC", "", False),
])  # fmt: skip
def test_a_browsers_signal_is_a_refusal(side: Side, browser: httpx.Client, name: str, value: str, refuses: bool):
    for client in (side.client, browser):
        answer = decide(client, **{name: value})
        assert answer.get("personalized", True) is not refuses
        logged = side.client.get(f"/v1/decisions/{answer['decision_id']}")
        assert logged.status_code == (404 if refuses else 200)


def test_every_route_respects_the_opt_out_signal(shop: Side):
    header = {"Sec-GPC": "1"}
    batch = shop.client.post(f"{DECISIONS}/batch", json={**examples.BATCH, **CUSTOMER}, headers=header).json()
    methods = shop.client.get("/v1/personalize/methods", params=CUSTOMER, headers=header).json()
    assert (batch["decisions"][0]["personalized"], methods["personalized"]) == (False, False)
    offers = shop.client.post("/v1/personalize/offers", json={**examples.OFFERS, **CUSTOMER}, headers=header).json()
    assert offers["offers"] == []
    assert offers["excluded"] == [{"id": "ten", "reason": "the customer opted out of personalization"}]
    ids = [batch["decisions"][0]["decision_id"], methods["decision_id"], offers["decision_id"]]
    assert {shop.client.get(f"/v1/decisions/{id}").status_code for id in ids} == {404}


def test_a_server_passes_the_refusal_on_in_a_field(side: Side):
    request = {**examples.DECISION, **CUSTOMER, "personalization": False}
    assert side.client.post(DECISIONS, json=request).json()["personalized"] is False
    query = {**CUSTOMER, "personalization": "false"}
    assert side.client.get("/v1/personalize/methods", params=query).json()["personalized"] is False
    wrong = side.client.get("/v1/personalize/methods", params={**query, "personalization": "perhaps"})
    assert (wrong.status_code, wrong.json()["field"]) == (400, "personalization")


def test_a_merchant_may_ignore_signals(side: Side):
    assert side.client.put(f"{PATH}/policy", json={"ignores_signals": True}).status_code == 200
    assert "personalized" not in decide(side.client, Sec_GPC="1")


def test_prompt_is_requested_until_answered_or_dismissed(side: Side, browser: httpx.Client):
    assert "prompt_consent" not in decide(side.client)
    assert side.client.put(f"{PATH}/policy", json={"prompt": True}).json()["prompt"] is True
    assert decide(side.client)["prompt_consent"] is True
    assert side.client.get("/v1/personalize/methods", params=CUSTOMER).json()["prompt_consent"] is True
    assert "prompt_consent" not in decide(browser)
    assert side.client.post(f"{PATH}/read", json=CUSTOMER).json()["prompt"] is True
    assert say(side.client, method="dismiss").json()["prompt"] is False
    assert "prompt_consent" not in decide(side.client)


# Browsers


def test_browser_consents_only_for_its_own_customer(side: Side, browser: httpx.Client):
    token = side.client.post("/v1/personalize/customer-tokens", json=CUSTOMER).json()
    own = {"customer_token": token["customer_token"]}
    assert say(browser, method="reject", **own).status_code == 201
    history = browser.post(f"{PATH}/history", json={**CUSTOMER, **own}).json()["items"]
    assert [(item["source"], item["recorded_by"]) for item in history] == [("customer", "customer")]
    for sent in (CUSTOMER, {"customer_id": "ben", **own}, {**CUSTOMER, "customer_token": "ct_1_00"}):
        answers = [
            browser.post(PATH, json={**sent, "method": "reject"}),
            browser.post(f"{PATH}/read", json=sent),
            browser.post(f"{PATH}/history", json=sent),
        ]
        assert {(answer.status_code, answer.json()["field"]) for answer in answers} == {(403, "customer_token")}
    assert browser.get(f"{PATH}/policy").status_code == 403
    assert browser.put(f"{PATH}/policy", json={}).status_code == 403


# Mistakes


@CHANGES_NOTHING
@pytest.mark.parametrize(("sent", "field"), [
    ({"purposes": {"analytic": True}}, "purposes/analytic"),
    ({"purposes": {"checkout": False}}, "purposes/checkout"),
    ({"purposes": {"analytics": "yes"}}, "purposes"),
    ({"purposes": []}, "purposes"),
    ({"method": "shouted", "purposes": {"analytics": True}}, "method"),
    ({"method": "gpc", "purposes": {"analytics": True}}, "purposes/analytics"),
    ({"purposes": {"analytics": True}, "notice": {"text": "no version"}}, "notice"),
    ({"purposes": {"analytics": True}, "notice": {"version": "1", "text": "x" * 10_001}}, "notice/text"),
    ({"purposes": {"analytics": True}, "occurred_at": "yesterday"}, "occurred_at"),
    ({"purposes": {"analytics": True}, "occurred_at": "2099-01-01T00:00:00Z"}, "occurred_at"),
    ({"purposes": {"analytics": True}, "occurred_at": "2026-02-30T00:00:00Z"}, "occurred_at"),
    ({"purposes": {"analytics": True}, "colour": "red"}, "colour"),
])  # fmt: skip
def test_a_mistake_is_named(side: Side, sent: dict[str, Any], field: str):
    answer = say(side.client, **sent)
    assert answer.status_code == 400, answer.text
    assert answer.json()["field"].startswith(field), answer.text
    assert side.client.post(f"{PATH}/history", json=CUSTOMER).json()["items"] == []


def test_a_policy_about_an_unknown_purpose_is_refused(side: Side):
    answer = side.client.put(f"{PATH}/policy", json={"purposes": {"analytic": {"allowed": False}}})
    assert (answer.status_code, answer.json()["field"]) == (400, "purposes/analytic")
    assert "did you mean analytics?" in answer.text
