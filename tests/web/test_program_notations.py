"""Requests as programs write them: 5000.0, `eur`, ids that are numbers or missing, byte order marks, spare slashes."""

from __future__ import annotations

import gzip
import json
import unicodedata
from typing import Any

import httpx
import pytest

from tests.serving import Server, Side
from tests.web.conftest import with_offer
from web.http.lenient_reading import customer_text

DECIDE, FEEDBACK, PREFERENCES = "/v1/personalize/decisions", "/v1/personalize/feedback", "/v1/personalize/preferences"
ORIGIN = {"origin": "https://shop.example"}
DECISION = {"placement": "payment_methods", "customer_id": "c_1"}


@pytest.fixture(scope="module")
def seller(server: Server) -> Side:
    live, _ = server.sides()
    live.create_examples()
    return with_offer(live)


def detail(answer: httpx.Response) -> str:
    assert answer.status_code == 400, answer.text
    return str(answer.json()["detail"])


def outcomes(seller: Side, decision_id: str) -> list[dict[str, Any]]:
    return list(seller.client.get(f"/v1/decisions/{decision_id}?explain=true").json()["outcomes"])


@pytest.mark.parametrize("path", [DECIDE, f"{DECIDE}/", "/v1//personalize/decisions", f"{DECIDE}//"])
def test_spare_slashes_cost_a_page_no_answer(server: Server, seller: Side, path: str):
    with server.client(seller.new_key()) as page:
        answer = page.post(path, json={"placement": "payment_methods"}, headers=ORIGIN)
        preflight = page.options(path, headers={**ORIGIN, "access-control-request-method": "POST"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")
    assert preflight.headers["access-control-allow-methods"] == "POST"


def test_other_paths_are_open_to_no_page(seller: Side):
    answer = seller.client.get("/v1/placements/", headers=ORIGIN)
    assert (answer.status_code, "access-control-allow-origin" in answer.headers) == (200, False)


def test_a_byte_order_mark_costs_no_answer_and_no_outcome(seller: Side):
    sent = {"placement": "payment_methods"}
    answer = seller.client.post(DECIDE, content="\ufeff" + json.dumps(sent))
    assert answer.status_code == 200, answer.text
    report = {"event_id": "bom", "decision_id": answer.json()["decision_id"], "type": "shown"}
    assert seller.client.post(FEEDBACK, content="\ufeff" + json.dumps(report)).status_code == 202
    created = {"name": "with-mark", "values": ["a"]}
    assert seller.client.post("/v1/lists", content="\ufeff" + json.dumps(created)).status_code == 201


@pytest.mark.parametrize("path", [DECIDE, FEEDBACK, "/v1/lists"])
def test_a_compressed_body_is_named(seller: Side, path: str):
    body = gzip.compress(json.dumps(DECISION).encode())
    assert "is compressed: send it as it is" in detail(seller.client.post(path, content=body))


@pytest.mark.parametrize(("amount", "currency"), [(12_900.0, "EUR"), (12_900, "eur"), (12_900.0, " Eur ")])
def test_an_outcome_counts_however_its_money_is_written(seller: Side, amount: object, currency: str):
    decision = seller.client.post(DECIDE, json=DECISION).json()["decision_id"]
    event = {"event_id": f"of-{decision}", "decision_id": decision, "type": "converted", "candidate_id": "card"}
    report = {**event, "amount": amount, "currency": currency}
    assert seller.client.post(FEEDBACK, json=report).json()["results"][0]["status"] == "recorded"
    assert [(item["amount"], item["currency"]) for item in outcomes(seller, decision)] == [(12_900, "EUR")]
    again = {**event, "amount": 12_900, "currency": "EUR"}
    assert seller.client.post(FEEDBACK, json=[again]).json()["results"][0]["status"] == "duplicate"


@pytest.mark.parametrize("amount", [129.5, "12900", True, float("nan")])
def test_an_amount_with_several_meanings_is_refused(seller: Side, amount: object):
    report = {"event_id": "odd", "decision_id": "dec_x", "type": "converted", "candidate_id": "card", "amount": amount}
    answer = seller.client.post(FEEDBACK, content=json.dumps([report]))
    assert answer.json()["results"][0]["message"].startswith("amount: ")


def test_a_redemption_reads_money_like_a_decision(seller: Side):
    request = {"offer_id": "ten", "context": {"cart": {"total": 5000.0, "currency": "eur"}}}
    hold = seller.client.post("/v1/redemptions/hold", json=request).json()
    bodies = [
        {"hold_id": hold["hold_id"], "cart": {"total": 5000.0, "currency": "eur"}, "order_id": 4711},
        {"hold_id": hold["hold_id"], "cart": {"total": 5000, "currency": "EUR"}, "order_id": "4711"},
    ]
    key = {"Idempotency-Key": "notation"}
    redeemed = [seller.client.post("/v1/redemptions/redeem", json=body, headers=key) for body in bodies]
    assert [answer.status_code for answer in redeemed] == [200, 200], redeemed[1].text
    assert redeemed[0].json() == redeemed[1].json()
    refund = seller.client.post(f"/v1/redemptions/{hold['hold_id']}/refund", json={"amount": 2500.0})
    assert refund.json()["returned"] == 250


@pytest.mark.parametrize(
    ("sent", "stored"),
    [("de_DE", "de-DE"), ("DE-de", "de-DE"), ("zh-hant-tw", "zh-Hant-TW"), ("de_AT.UTF-8", "de-AT"), ("DE", "de")],
)
def test_one_language_is_stored_as_one_tag(seller: Side, sent: str, stored: str):
    changed = seller.client.put(PREFERENCES, json={"customer_id": "speaker", "language": sent})
    assert changed.json()["preferences"]["language"] == stored
    defaults = seller.client.put(f"{PREFERENCES}/defaults", json={"language": sent, "currency": "eur"})
    assert (defaults.json()["language"], defaults.json()["currency"]) == (stored, "EUR")


def test_the_prompt_speaks_the_language_of_a_java_locale(seller: Side):
    body = {"customer_id": "speaker", "language": "de_DE"}
    assert seller.client.post("/v1/personalize/consents/prompt", json=body).json()["language"] == "de"


def test_spaces_and_unicode_forms_make_no_other_customer(seller: Side):
    name = "José"
    seller.client.put(PREFERENCES, json={"customer_id": name, "theme": "dark"})
    for written in (unicodedata.normalize("NFD", name), f" {name}", f"{name}\t"):
        read = seller.client.post(PREFERENCES, json={"customer_id": written}).json()
        assert read["preferences"]["theme"] == "dark", written
    number = seller.client.put(PREFERENCES, json={"customer_id": 17, "theme": "light"})
    assert number.json()["version"] == 1
    assert seller.client.post(PREFERENCES, json={"customer_id": "17"}).json()["version"] == 1


@pytest.mark.parametrize("blank", ["", " ", "\u00a0\t"])
def test_a_blank_id_is_refused(seller: Side, blank: str):
    for path in ("customers/erase", "customers/export", "preferences/reset", "consents/read", "customer-tokens"):
        answer = seller.client.post(f"/v1/personalize/{path}", json={"customer_id": blank})
        assert detail(answer).startswith("customer_id: must ")
    purchase = {"event_id": "nobody", "customer_id": blank, "method_id": "card"}
    assert "customer_id" in detail(seller.client.post(FEEDBACK, json=purchase))


@pytest.mark.parametrize("missing", ["", "  ", "undefined", "null", "None", "NaN", "[object Object]", None])
def test_the_text_of_a_missing_id_is_a_guest(missing: str | None):
    assert customer_text(missing) is None


def test_a_missing_id_is_named(seller: Side):
    answer = seller.client.post(f"{DECIDE}?explain=true", json={**DECISION, "customer_id": "undefined"}).json()
    [warning] = answer["warnings"]
    assert warning["field"] == "customer_id"
    assert "the customer counts as a guest" in warning["message"]


@pytest.mark.parametrize(("sent", "personal"), [("false", False), (0, False), ("0", False), ("true", True), (1, True)])
def test_a_refusal_counts_however_it_is_written(seller: Side, sent: object, personal: bool):
    answer = seller.client.post(DECIDE, json={**DECISION, "personalization": sent, "merchant_id": ""})
    assert answer.status_code == 200, answer.text
    assert answer.json().get("personalized", True) is personal


@pytest.mark.parametrize(("signal", "personal"), [("1", False), ("1, 1", False), ("0, 1", False), ("0", True)])
def test_a_signal_that_a_proxy_joined_is_obeyed(seller: Side, signal: str, personal: bool):
    answer = seller.client.post(DECIDE, json=DECISION, headers={"Sec-GPC": signal})
    assert answer.json().get("personalized", True) is personal


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"notifications": {"fax": True}}, "notifications/fax: must be one of email, in_app, push, sms"),
        ({"currency": "euro"}, 'currency: must be an ISO 4217 currency code in capitals, such as "EUR"'),
    ],
)
def test_an_error_says_what_is_right(seller: Side, change: dict[str, Any], message: str):
    assert detail(seller.client.put(PREFERENCES, json={"customer_id": "wrong", **change})) == message


def test_a_moment_is_named_in_words(seller: Side):
    report = {"event_id": "a", "decision_id": "dec_x", "type": "shown", "occurred_at": "20.11.2026"}
    assert detail(seller.client.post(FEEDBACK, json=report)).startswith("occurred_at: must be a moment with its offset")
