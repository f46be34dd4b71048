"""A decision never fails for what a checkout sends around the facts: what is not understood is left out and named."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.serving import Server, Side
from web.openapi import examples

DECIDE, BATCH = "/v1/personalize/decisions", "/v1/personalize/decisions/batch"
METHODS, REPLAY = "/v1/personalize/methods", "/v1/decisions/{}/replay"
VERSION_RULE = {
    "id": "new-app",
    "name": "New app",
    "when": {"sem_ver": [{"var": "device.app_version"}, ">=", "2.1.0"]},
    "effects": [{"set": {"name": "new_app", "value": True}}],
}


@pytest.fixture(scope="module")
def shop(server: Server) -> Side:
    live, _ = server.sides()
    live.create_examples()
    assert live.client.post("/v1/placements/payment_methods/rules", json=VERSION_RULE).status_code == 201
    return live


@pytest.fixture(scope="module")
def test_side(server: Server) -> Side:
    _, test = server.sides()
    test.create_examples()
    return test


def decide(side: Side, context: Any, **more: Any) -> dict[str, Any]:
    """Return the explained answer; it must be the same when it is replayed."""
    body = json.dumps({"placement": "payment_methods", "context": context, **more})
    answer = side.client.post(f"{DECIDE}?explain=true", content=body)
    assert answer.status_code == 200, answer.text
    explained: dict[str, Any] = answer.json()
    assert explained["fallback"] is False
    assert side.client.post(REPLAY.format(explained["decision_id"])).json()["same"] is True
    return explained


def warned(body: dict[str, Any]) -> dict[str, str]:
    return {warning["field"]: warning["message"] for warning in body["warnings"]}


UNDERSTOOD: list[tuple[dict[str, Any], str, object]] = [
    ({"cart": {"total": 6000.0}}, "cart.total", 6000),
    ({"cart": {"currency": "eur"}}, "cart.currency", "EUR"),
    ({"cart": {"currency": " Eur "}}, "cart.currency", "EUR"),
    ({"geo": {"country": "nl"}}, "geo.country", "NL"),
    ({"geo": {"country": "NLD"}}, "geo.country", "NL"),
    ({"geo": {"country": "deu"}}, "geo.country", "DE"),
    ({"geo": {"country": "UK"}}, "geo.country", "GB"),
    ({"device": {"type": "Mobile"}}, "device.type", "mobile"),
    ({"device": {"app_version": "2.1"}}, "device.app_version", "2.1.0"),
    ({"device": {"app_version": "2"}}, "device.app_version", "2.0.0"),
    ({"device": {"app_version": "v2.1.0"}}, "device.app_version", "2.1.0"),
    ({"device": {"app_version": "2.1.0.1234"}}, "device.app_version", "2.1.0"),
    ({"geo": {"region": "I\u0302le"}}, "geo.region", "\u00cele"),
    ({"risk": {"score": 12}}, "risk.score", 12),
    ({"cart": {"total": 0}}, "cart.total", 0),
]


@pytest.mark.parametrize(("context", "name", "value"), UNDERSTOOD)
def test_unambiguous_values_are_converted(shop: Side, context: dict[str, Any], name: str, value: object):
    body = decide(shop, context)
    assert body["warnings"] == []
    assert body["trace"]["facts"][name] == value
    assert type(body["trace"]["facts"][name]) is type(value)


LEFT_OUT: list[tuple[dict[str, Any], str, str]] = [
    ({"cart": {"total": 620.5}}, "cart.total", "620.5 is not a whole number of minor units"),
    ({"cart": {"total": "620.00"}}, "cart.total", '"620.00" is not a whole number of minor units'),
    ({"cart": {"total": True}}, "cart.total", "true is not a whole number"),
    ({"cart": {"total": 10**19}}, "cart.total", "10000000000000000000 is not a whole number"),
    ({"cart": {"total": "NaN"}}, "cart.total", '"NaN" is not a whole number'),
    ({"cart": {"total": [1]}}, "cart.total", "a list is not a whole number"),
    ({"cart": {"total": {"value": 1}}}, "cart.total", "an object is not a whole number"),
    ({"geo": {"country": 49}}, "geo.country", "49 is not an ISO 3166 country code"),
    ({"geo": {"country": "germany"}}, "geo.country", '"germany" is not an ISO 3166 country code'),
    ({"cart": {"currency": "EURO"}}, "cart.currency", '"EURO" is not an ISO 4217 currency code'),
    ({"device": {"app_version": "newest"}}, "device.app_version", '"newest" is not a semantic version'),
    ({"device": {"app_version": "2.01"}}, "device.app_version", '"2.01" is not a semantic version'),
    ({"customer": {"returning": "true"}}, "customer.returning", '"true" is not true or false'),
    ({"customer": {"segment": "x" * 257}}, "customer.segment", "has 257 characters; at most 256 are read"),
    ({"cart": {"categories": ["a", 5]}}, "cart.categories", "a list is not a list of texts"),
    ({"cart": {"categories": ["a"] * 201}}, "cart.categories", "has over 200 texts"),
    ({"cart": {"totl": 5}}, "cart.totl", "is not a declared fact; did you mean cart.total?"),
    ({"cart": {"id": 1234567890123456789}}, "cart.id", "is not a declared fact"),
    ({"foo": {"bar": 1}}, "foo", "is not a declared fact"),
    ({"cart.total": 5}, "cart.total", 'must be sent in groups, as {"cart": {"total": ...}}'),
    ({"cart": 5}, "cart", "must be an object of facts; got 5"),
    ({"time": {"now": "2026-01-01T00:00:00Z"}}, "time.now", "is filled by the engine"),
    ({"customer": {"id": "c_1"}}, "customer.id", "is filled by the engine"),
    ({"geo": {"region": "a\ud83d"}}, "geo.region", "is not a text"),
]


@pytest.mark.parametrize(("context", "name", "message"), LEFT_OUT)
def test_invalid_values_are_ignored_with_a_warning(shop: Side, context: Any, name: str, message: str):
    body = decide(shop, context)
    assert message in warned(body)[name]
    assert name == "time.now" or name not in body["trace"]["facts"]


def test_disallowed_value_is_kept_with_a_warning(shop: Side):
    body = decide(shop, {"device": {"type": "tv"}})
    assert warned(body)["device.type"] == '"tv" is not one of desktop, mobile, tablet'
    assert body["trace"]["facts"]["device.type"] == "tv"


def test_facts_beyond_200_are_left_out(shop: Side):
    body = decide(shop, {"extra": {f"f{number}": number for number in range(3000)}, "cart": {"total": 5}})
    assert body["trace"]["facts"]["cart.total"] == 5
    assert list(warned(body)) == ["extra"]


BODIES: dict[str, tuple[str, str]] = {
    "a 19-digit id": ('{"placement": "payment_methods", "context": {"x": {"id": 1234567890123456789}}}', "x"),
    "400 digits": ('{"placement": "payment_methods", "context": {"cart": {"total": %s}}}' % ("9" * 400), "cart.total"),
    "beyond a double": ('{"placement": "payment_methods", "context": {"cart": {"total": 1e400}}}', "cart.total"),
    "nested 10,000 deep": (
        '{"placement": "payment_methods", "context": {"cart": {"total": %s}}}' % ("[" * 10_000 + "]" * 10_000),
        "context",
    ),
    "a key twice": ('{"placement": "payment_methods", "context": {"cart": {"total": 1, "total": 2}}}', "total"),
    "an unknown field": ('{"placement": "payment_methods", "customerId": "c"}', "customerId"),
    "a context that is a list": ('{"placement": "payment_methods", "context": []}', "context"),
    "a fraction as customer": ('{"placement": "payment_methods", "customer_id": 1.5}', "customer_id"),
    "a long customer": ('{"placement": "payment_methods", "customer_id": "%s"}' % ("x" * 300), "customer_id"),
    "half a character": ('{"placement": "payment_methods", "customer_id": "\\ud83d"}', "customer_id"),
}


@pytest.mark.parametrize(("body", "field"), BODIES.values(), ids=list(BODIES))
@pytest.mark.parametrize("explain", [True, False])
def test_unusual_bodies_are_answered(shop: Side, test_side: Side, body: str, field: str, explain: bool):
    for side in (shop, test_side):
        answer = side.client.post(DECIDE, params={"explain": explain}, content=body)
        assert answer.status_code == 200, answer.text
        if explain or side is test_side:
            assert field in warned(answer.json())
        else:
            assert "warnings" not in answer.json()


@pytest.mark.parametrize("customer", ["", None])
def test_an_empty_customer_is_a_guest(shop: Side, customer: str | None):
    body = decide(shop, {}, customer_id=customer)
    assert body["warnings"] == []
    assert customer_of(shop, body) is None


def customer_of(side: Side, body: dict[str, Any]) -> str | None:
    engine = side.server.engine
    return side.server.run(engine.logbook.get(side.merchant.id, body["decision_id"])).row.customer


def test_a_numeric_customer_is_the_same_as_its_text(shop: Side):
    ids = (1234567890123456789, "1234567890123456789")
    first, second = (customer_of(shop, decide(shop, {}, customer_id=id)) for id in ids)
    assert first is not None
    assert first == second


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        ("{", 400),
        ('{"placement": "payment_methods", "context": {"cart": {"total": NaN}}}', 400),
        ('{"context": {}}', 400),
        ('{"placement": null}', 400),
        ('{"placement": 5}', 400),
        ('{"placement": "nowhere"}', 404),
        ('{"placement": "payment_methods", "merchant_id": "other"}', 403),
        ("[]", 400),
    ],
)
def test_undecidable_request_is_refused(shop: Side, test_side: Side, body: str, status: int):
    for side in (shop, test_side):
        assert side.client.post(DECIDE, content=body).status_code == status


def test_a_test_key_gets_warnings_and_a_live_key_only_with_explain(shop: Side, test_side: Side):
    odd = {**examples.DECISION, "context": {"cart": {"total": 620.5}}}
    assert "warnings" not in shop.client.post(DECIDE, json=odd).json()
    assert "cart.total" in warned(test_side.client.post(DECIDE, json=odd).json())
    assert test_side.client.post(DECIDE, json=examples.DECISION).json()["warnings"] == []


# --- the short form


def methods(side: Side, query: str) -> dict[str, Any]:
    answer = side.client.get(f"{METHODS}?{query}")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    logged = side.client.get(f"/v1/decisions/{body['decision_id']}", params={"explain": True}).json()
    return {**body, "facts": logged["trace"]["facts"]}


@pytest.mark.parametrize(
    "query", ["amount=129.00", "amount=129,00", "amount=1.290,00", "amount=1e4", "amount=%E2%82%AC5"]
)
def test_an_amount_in_major_units_is_named_and_left_out(test_side: Side, query: str):
    body = methods(test_side, query)
    assert "is not a whole number of minor units" in warned(body)["cart.total"]
    assert "cart.total" not in body["facts"]


def test_query_and_body_agree(test_side: Side):
    body = methods(test_side, "country=NLD&currency=eur&amount=12900&device=Mobile&locale=de_DE&customer_id=")
    assert body["warnings"] == []
    sent = {"geo": {"country": "NLD"}, "cart": {"currency": "eur", "total": 12900.0}}
    sent |= {"device": {"type": "Mobile"}, "customer": {"locale": "de_DE"}}
    facts = decide(test_side, sent)["trace"]["facts"]
    assert {k: v for k, v in facts.items() if k != "time.now"} == {
        k: v for k, v in body["facts"].items() if k != "time.now"
    }
    assert body["facts"]["geo.country"] == "NL"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("country=germany", "geo.country"),
        ("utm_source=mail", "utm_source"),
        ("country=DE&country=NL", "country"),
        ("customer_id=" + "x" * 300, "customer_id"),
        ("device=" + "x" * 300, "device.type"),
    ],
)
def test_unusual_parameters_are_named(test_side: Side, query: str, field: str):
    assert field in warned(methods(test_side, query))


# --- several placements


def test_unknown_placement_does_not_affect_the_others(shop: Side):
    body = {"placements": ["nowhere", "payment_methods", "no such!"], "context": {}}
    answer = shop.client.post(BATCH, json=body)
    assert answer.status_code == 200, answer.text
    first, decided, third = answer.json()["decisions"]
    assert decided["placement"] == "payment_methods"
    assert decided["ranking"]
    assert (first["status"], first["placement"], first["field"]) == (404, "nowhere", "placements/0")
    assert first["type"] == "urn:tap2:problem:not-found"
    assert (third["status"], third["placement"]) == (404, "no such!")


def test_batch_of_unknown_placements_answers_404(shop: Side):
    assert shop.client.post(BATCH, json={"placements": ["nowhere"]}).status_code == 404


# --- counts


def test_ill_formed_facts_are_counted(server: Server):
    live, _ = server.sides()
    live.create_examples()
    for total in (620.5, "x", 5):
        body = {"placement": "payment_methods", "context": {"cart": {"total": total, "totl": 1}}}
        assert live.client.post(DECIDE, json=body).status_code == 200
    server.run(server.engine.faulty_facts.flush())
    server.run(server.engine.faulty_facts.flush())
    faults = server.run(server.engine.uses.fields(live.merchant.id)).faults
    assert {field: counted.times for field, counted in faults.items()} == {"cart.total": 2, "": 3}
    metrics = httpx.get(f"{server.url}/metrics").text
    assert 'tap2_faulty_facts_total{kind="ill_formed"}' in metrics
    assert "totl" not in metrics


def test_a_customers_bucket_needs_no_declared_fact(server: Server):
    live, _ = server.sides()
    live.create_examples()
    rule = {
        "id": "half",
        "name": "Half of the customers",
        "when": {"percent_bucket": [{"var": "customer.id"}, "new-checkout", 0, 50]},
        "effects": [{"set": {"name": "new_checkout", "value": True}}],
    }
    assert live.client.post("/v1/placements/payment_methods/rules", json=rule).status_code == 201
    fired = 0
    for number in range(200):
        body = decide(live, {"customer": {"id": f"plain-{number}"}}, customer_id=f"plain-{number}")
        fired += "half" in body["rules"]
        assert f"plain-{number}" not in json.dumps(body)
    assert 60 < fired < 140
    assert {"rule": "half", "field": "customer.id"} in decide(live, {})["skipped"]
