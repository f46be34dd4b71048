"""OFREP 0.3.0: flags are placements, with the errors of the protocol and the walls of decisions."""

from __future__ import annotations

from typing import Any

import httpx
import jsonschema_rs
import pytest

from engine.model.timestamps import MINUTE
from tests.serving import Server, Side
from web.api.openfeature import evaluations
from web.openapi import examples

FLAGS = "/ofrep/v1/evaluate/flags"
METHODS = f"{FLAGS}/payment_methods"
CONTEXT: dict[str, Any] = examples.EVALUATION["context"]
SHOW_CVV = {
    "id": "code-for-large-carts",
    "name": "Code for large carts",
    "when": {">": [{"var": "cart.total"}, 10_000]},
    "effects": [{"set": {"name": "show_cvv", "value": True}}],
}
STEPS = [{"id": "a", "label": "A"}, {"id": "b", "label": "B"}]
PRIVATE_FIELDS = ("propensity", "beliefs_version", "experiment", "no-invoice", "code-for-large-carts")


@pytest.fixture(scope="module")
def merchant(server: Server) -> Side:
    """A merchant with the examples, a placement of one candidate and a fixed one; tests only read it."""
    side = server.sides()[0]
    side.create_examples()
    banner = {"key": "banner", "name": "Banner", "shape": {"type": "one"}}
    made = [
        side.client.post("/v1/placements/payment_methods/rules", json=SHOW_CVV),
        side.client.post("/v1/placements", json=banner),
        side.client.post("/v1/placements/banner/candidates", json={"id": "winter", "label": "Winter"}),
        side.client.post("/v1/placements", json={"key": "steps", "name": "Steps", "policy": {"type": "fixed"}}),
        side.client.post(
            "/v1/placements/steps/candidates", json=[{"id": "a", "label": "A"}, {"id": "b", "label": "B"}]
        ),
        side.client.post("/v1/placements/steps/rules", json={**SHOW_CVV, "effects": [{"exclude": ["b"]}]}),
        side.client.post("/v1/placements", json={"key": "empty", "name": "Empty", "shape": {"type": "one"}}),
    ]
    assert all(answer.status_code == 201 for answer in made), [answer.text for answer in made]
    return side


@pytest.fixture(scope="module")
def page(merchant: Side) -> httpx.Client:
    return merchant.server.client(merchant.new_key("publishable"))


def evaluate(client: httpx.Client, key: str, **context: Any) -> dict[str, Any]:
    answer = client.post(f"{FLAGS}/{key}", json={"context": {**CONTEXT, **context}})
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


def logged(side: Side, flag: dict[str, Any]) -> dict[str, Any]:
    answer = side.client.get(f"/v1/decisions/{flag['metadata']['decision_id']}?explain=true")
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


def decisions(side: Side) -> int:
    page = side.client.get("/v1/decisions", params={"limit": 200}).json()
    return len(page["items"])


def test_a_ranking_is_an_object_and_its_decision_is_logged(merchant: Side):
    flag = evaluate(merchant.client, "payment_methods")
    decision = logged(merchant, flag)
    ids = [ranked["id"] for ranked in decision["ranking"]]
    assert flag["value"] == {"ranking": ids, "values": {"show_cvv": True}}
    assert (flag["variant"], flag["metadata"]["ranking"]) == (ids[0], ",".join(ids))
    assert flag["metadata"]["propensity"] == decision["propensity"]
    assert all(isinstance(value, str | int | float | bool) for value in flag["metadata"].values())
    assert merchant.client.post(f"/v1/decisions/{flag['metadata']['decision_id']}/replay").json()["same"]


def test_the_targeting_key_is_the_customer(merchant: Side):
    for number in range(6):
        outcome = {"event_id": f"p{number}", "customer_id": "ofrep-anna", "method_id": "paypal"}
        assert merchant.client.post("/v1/personalize/feedback", json=outcome).status_code == 202
    history = logged(merchant, evaluate(merchant.client, "payment_methods", targetingKey="ofrep-anna"))
    assert set(history["trace"]["history"]) == {"paypal"}


def test_one_candidate_is_a_text(merchant: Side):
    flag = evaluate(merchant.client, "banner")
    assert (flag["value"], flag["variant"]) == ("winter", "winter")


def test_a_value_of_rules_is_a_flag_of_its_type(merchant: Side):
    flag = evaluate(merchant.client, "payment_methods~show_cvv")
    assert (flag["key"], flag["value"], flag["variant"]) == ("payment_methods~show_cvv", True, "true")


@pytest.mark.parametrize(
    ("key", "cart"), [("payment_methods~show_cvv", {"total": 5}), ("payment_methods~no_such", {}), ("empty", {})]
)
def test_empty_answer_uses_the_applications_default(merchant: Side, key: str, cart: dict[str, Any]):
    flag = evaluate(merchant.client, key, cart=cart)
    assert "value" not in flag
    assert (flag["key"], flag["variant"]) == (key, "none")


def test_reasons_explain_the_answer(merchant: Side, page: httpx.Client):
    def reason(client: httpx.Client, key: str, total: int) -> str:
        return str(evaluate(client, key, cart={"total": total, "currency": "EUR"})["reason"])

    assert reason(merchant.client, "payment_methods", 500) == "SPLIT"
    assert reason(merchant.client, "steps", 500) == "STATIC"
    assert reason(merchant.client, "steps", 50_000) == "TARGETING_MATCH"
    assert reason(page, "steps", 500) == reason(page, "steps", 50_000) == "UNKNOWN"
    assert reason(page, "payment_methods", 500) == "SPLIT"


def test_a_fallback_has_the_reason_default(merchant: Side, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(merchant.server.engine.decider, "_answer", fail)
    flag = evaluate(merchant.client, "payment_methods")
    assert (flag["reason"], flag["metadata"]["fallback"]) == ("DEFAULT", True)
    answer = merchant.client.post(FLAGS, json=examples.EVALUATIONS)
    assert answer.status_code == 200
    assert "etag" not in answer.headers, "the next question may get a better answer"


def test_page_gets_a_token_but_no_rules(merchant: Side, page: httpx.Client):
    answer = page.post(FLAGS, json={"context": {**CONTEXT, "flags": ["payment_methods", "steps"]}})
    assert not any(word in answer.text for word in PRIVATE_FIELDS)
    flag = answer.json()["flags"][0]
    hint = {"event_id": "ofrep", "decision_id": flag["metadata"]["decision_id"], "type": "shown"}
    reported = page.post("/v1/personalize/feedback", json={**hint, "token": flag["metadata"]["token"]}).json()
    assert reported["results"][0]["status"] == "recorded"


def test_page_requires_a_customer_token(merchant: Side, page: httpx.Client):
    outcome = {"event_id": "carl", "customer_id": "ofrep-carl", "method_id": "card"}
    assert merchant.client.post("/v1/personalize/feedback", json=outcome).status_code == 202
    proof = merchant.client.post("/v1/personalize/customer-tokens", json={"customer_id": "ofrep-carl"}).json()
    guessed = evaluate(page, "payment_methods", targetingKey="ofrep-carl")
    proven = evaluate(page, "payment_methods", targetingKey="ofrep-carl", customer_token=proof["customer_token"])
    assert logged(merchant, guessed)["trace"]["history"] == {}
    assert set(logged(merchant, proven)["trace"]["history"]) == {"card"}


@pytest.mark.parametrize("refusal", [{"sec-gpc": "1"}, {"dnt": "1"}, {}])
def test_opted_out_customer_is_not_stored(merchant: Side, refusal: dict[str, str]):
    before = decisions(merchant)
    context = {**CONTEXT, "flags": "payment_methods", **({} if refusal else {"personalization": False})}
    answer = merchant.client.post(FLAGS, json={"context": context}, headers=refusal)
    assert answer.json()["flags"][0]["metadata"]["personalized"] is False
    assert "etag" not in answer.headers
    assert decisions(merchant) == before


def test_only_named_flags_are_evaluated(merchant: Side):
    before = decisions(merchant)
    named = {"context": {**CONTEXT, "flags": "payment_methods~show_cvv, banner ,nothing,banner"}}
    flags = merchant.client.post(FLAGS, json=named).json()["flags"]
    assert [flag["key"] for flag in flags] == ["payment_methods", "payment_methods~show_cvv", "banner"]
    assert flags[0]["metadata"]["decision_id"] == flags[1]["metadata"]["decision_id"]
    assert decisions(merchant) == before + 2


def test_same_request_is_not_decided_again(merchant: Side):
    first = merchant.client.post(FLAGS, json=examples.EVALUATIONS)
    before = decisions(merchant)
    for tag in (first.headers["etag"], f'"other", W/{first.headers["etag"]}'):
        again = merchant.client.post(FLAGS, json=examples.EVALUATIONS, headers={"if-none-match": tag})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert decisions(merchant) == before


def test_different_request_is_decided(merchant: Side, page: httpx.Client, monkeypatch: pytest.MonkeyPatch):
    tag = {"if-none-match": merchant.client.post(FLAGS, json=examples.EVALUATIONS).headers["etag"]}
    context = examples.EVALUATIONS["context"]
    others = [{"targetingKey": "c_124"}, {"cart": {"total": 1}}, {"flags": "payment_methods,banner"}]
    for other in others:
        assert merchant.client.post(FLAGS, json={"context": {**context, **other}}, headers=tag).status_code == 200
    assert page.post(FLAGS, json=examples.EVALUATIONS, headers=tag).status_code == 200, "another key"
    assert merchant.client.post(FLAGS, json=examples.EVALUATIONS, headers={**tag, "dnt": "1"}).status_code == 200
    for forged in ("*", '"ea_ffffffffffff_00"', "ea_", '"dt_1_2"'):
        answer = merchant.client.post(FLAGS, json=examples.EVALUATIONS, headers={"if-none-match": forged})
        assert answer.status_code == 200
    now = evaluations.now_ms()
    monkeypatch.setattr(evaluations, "now_ms", lambda: now + 61 * MINUTE)
    assert merchant.client.post(FLAGS, json=examples.EVALUATIONS, headers=tag).status_code == 200, "the window ended"


def test_changed_plan_changes_the_etag(side: Side):
    tag = {"if-none-match": side.client.post(FLAGS, json=examples.EVALUATIONS).headers["etag"]}
    assert side.client.post("/v1/placements/payment_methods/rules", json=SHOW_CVV).status_code == 201
    assert side.client.post(FLAGS, json=examples.EVALUATIONS, headers=tag).status_code == 200


BAD = [
    (b"", "PARSE_ERROR"),
    (b'{"context":', "PARSE_ERROR"),
    (b"[]", "PARSE_ERROR"),
    (b'{"context": 5}', "INVALID_CONTEXT"),
    (b'{"context": {"targetingKey": ["c"]}}', "INVALID_CONTEXT"),
    (b'{"context": {"targetingKey": "\\ud800"}}', "INVALID_CONTEXT"),
    (b'{"context": {"targetingKey": "%s"}}' % (b"c" * 257), "INVALID_CONTEXT"),
    (b'{"context": {"personalization": "no"}}', "INVALID_CONTEXT"),
    (b'{"context": {"flags": 5}}', "INVALID_CONTEXT"),
    (b'{"context": {"customer_token": "ct_1"}}', "TARGETING_KEY_MISSING"),
]
FAILURE = {
    "type": "object",
    "required": ["errorCode", "errorDetails"],
    "properties": {"errorCode": {"enum": ["PARSE_ERROR", "INVALID_CONTEXT", "TARGETING_KEY_MISSING"]}},
    "additionalProperties": {"type": "string"},
}


@pytest.mark.parametrize(("body", "code"), BAD)
def test_invalid_body_has_a_protocol_error_code(merchant: Side, body: bytes, code: str):
    for path in (METHODS, FLAGS):
        answer = merchant.client.post(path, content=body)
        assert (answer.status_code, answer.json()["errorCode"]) == (400, code)
        assert answer.headers["content-type"] == "application/json"
        jsonschema_rs.validate(FAILURE, answer.json())
        assert answer.json().get("key") == ("payment_methods" if path == METHODS else None)


@pytest.mark.parametrize("flags", [None, "", [], ",".join("abcdefghijk")])
def test_several_flags_must_be_named(merchant: Side, flags: Any):
    answer = merchant.client.post(FLAGS, json={"context": {"flags": flags}})
    assert (answer.status_code, answer.json()["errorCode"]) == (400, "INVALID_CONTEXT")
    assert answer.json()["errorDetails"].startswith("flags: ")


@pytest.mark.parametrize("key", ["nothing", "nothing~show_cvv", "~", "%ff", "%F0%9F%98%80"])
def test_a_placement_that_does_not_exist_is_no_flag(merchant: Side, key: str):
    answer = merchant.client.post(f"{FLAGS}/{key}", json={})
    assert (answer.status_code, answer.json()["errorCode"]) == (404, "FLAG_NOT_FOUND")
    assert answer.headers["content-type"] == "application/json"


def test_the_key_may_stand_in_x_api_key(merchant: Side):
    with merchant.server.client() as client:
        assert client.post(METHODS, json={}, headers={"x-api-key": merchant.key}).status_code == 200
        for headers in ({"x-api-key": "sk_live_no"}, {"authorization": merchant.key}, {}):
            assert client.post(METHODS, json={}, headers=headers).status_code == 401
        assert client.get("/v1/lists", headers={"x-api-key": merchant.key}).status_code == 401


@pytest.mark.parametrize("path", [FLAGS, METHODS, f"{FLAGS}/nothing"])
def test_pages_of_any_origin_may_evaluate(merchant: Side, page: httpx.Client, path: str):
    origin = {"origin": "https://shop.example"}
    preflight = {**origin, "access-control-request-method": "POST"}
    may = httpx.options(merchant.server.url + path, headers=preflight)
    assert (may.status_code, may.headers["access-control-allow-methods"]) == (204, "POST")
    assert {"authorization", "content-type", "if-none-match", "x-api-key"} == set(
        may.headers["access-control-allow-headers"].split(", ")
    )
    answer = page.post(path, json=examples.EVALUATIONS, headers=origin)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "ETag" in answer.headers["access-control-expose-headers"]


def test_test_keys_get_warnings(server: Server):
    _, test = server.sides()
    test.create_examples()
    assert "cart.totl" in evaluate(test.client, "payment_methods", cart={"totl": 5})["metadata"]["warnings"]
    assert "warnings" not in evaluate(test.client, "payment_methods")["metadata"]
