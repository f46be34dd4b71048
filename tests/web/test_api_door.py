"""Hostile requests end in a problem that says why, and every answer carries what protects browsers."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from engine.settings import Settings
from tests.marks import CHANGES_NOTHING
from tests.serving import Server, Side, serving
from web.openapi import examples

DECIDE, FEEDBACK = "/v1/personalize/decisions", "/v1/personalize/feedback"
BATCH, METHODS = "/v1/personalize/decisions/batch", "/v1/personalize/methods"
LISTS, RULES = "/v1/lists", "/v1/placements/payment_methods/rules"


def with_context(value: str) -> bytes:
    """A decision whose cart total is a piece of JSON text."""
    return b'{"placement": "payment_methods", "context": {"cart": {"total": %s}}}' % value.encode()


DEEP = "[" * 10_000 + "]" * 10_000
HOSTILE = {
    "nothing": b"",
    "a blank": b" ",
    "no JSON": b"placement=payment_methods",
    "half of it": b'{"placement": "payment_meth',
    "invalid UTF-8": b'{"placement": "\xff\xfe"}',
    "UTF-16": '{"placement": "payment_methods"}'.encode("utf-16"),
    "NaN": with_context("NaN"),
    "Infinity": with_context("-Infinity"),
    "10^400": with_context("1e400"),
    "400 digits": with_context("9" * 400),
    "depth 10,000": with_context(DEEP),
    "only depth": DEEP.encode(),
    "open forever": b'{"a":' * 10_000,
    "a lone surrogate": with_context('"\\ud800"'),
    "null": b"null",
    "true": b"true",
    "a list": b"[1, 2]",
}


FACTS_LEFT_OUT = ("10^400", "400 digits", "depth 10,000", "a lone surrogate")
"""JSON all the same, so that a decision leaves out only what it cannot read: see test_api_lenient.py."""


@CHANGES_NOTHING
@pytest.mark.parametrize("path", [DECIDE, BATCH, FEEDBACK, LISTS, RULES, "/v1/placements", "/v1/keys"])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bodies_are_refused_with_a_field(side: Side, path: str, name: str):
    if path == DECIDE and name in FACTS_LEFT_OUT:
        pytest.skip("a decision is answered")
    body = HOSTILE[name]
    answer = side.client.post(path, content=body)
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["field"], answer.text
    assert len(answer.content) < 4000


ODD_BUT_FINE = {
    "depth 40": with_context("[" * 40 + "]" * 40),
    "NUL": with_context('"a\\u0000b"'),
    "15 digits": with_context("9" * 15),
    "a list for a number": with_context("[1, 2]"),
    "an object for a number": with_context('{"a": {"b": 1}}'),
    "a pair of surrogates": with_context('"\\ud83d\\ude00"'),
    "a long text": with_context(json.dumps("x" * 50_000)),
}


@CHANGES_NOTHING
@pytest.mark.parametrize("body", ODD_BUT_FINE.values(), ids=list(ODD_BUT_FINE))
def test_a_fact_of_the_wrong_type_is_only_unknown(side: Side, body: bytes):
    answer = side.client.post(f"{DECIDE}?explain=true", content=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["fallback"] is False
    replayed = side.client.post(f"/v1/decisions/{answer.json()['decision_id']}/replay")
    assert replayed.json()["same"] is True


STRICT = {
    "a key twice": (b'{"name": "a", "values": [], "name": "b"}', "body"),
    "a key twice inside": (b'{"name": "a", "values": [{"x": 1, "x": 2}]}', "values/0"),
    "NUL": (b'{"name": "a", "values": ["b\\u0000"]}', "values/0"),
    "a surrogate": (b'{"name": "a", "values": ["ok", "\\udfff"]}', "values/1"),
    "a large integer": (b'{"name": "a", "values": [99999999999999999999]}', "values/0"),
}


@CHANGES_NOTHING
@pytest.mark.parametrize(("body", "field"), STRICT.values(), ids=list(STRICT))
def test_configuration_is_read_strictly(side: Side, body: bytes, field: str):
    answer = side.client.post(LISTS, content=body)
    assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert side.client.get(f"{LISTS}/a").status_code == 404


@CHANGES_NOTHING
@pytest.mark.parametrize("query", ["customer_id=%00", "currency=d%00&device=%00&locale=a%00b", "%00=1", "amount=1%00"])
def test_query_with_invalid_facts_is_answered(side: Side, query: str):
    answer = side.client.get(f"{METHODS}?{query}")
    assert (answer.status_code, answer.json()["fallback"]) == (200, False)


@pytest.mark.parametrize(
    "outcome",
    [
        {"decision_id": "dec_\0"},
        {"decision_id": "x" * 65},
        {"event_id": "a b"},
        {"event_id": "\0"},
        {"occurred_at": "yesterday"},
        {"occurred_at": "0001-01-01T00:00:00+23:59"},
        {"occurred_at": "9999-12-31T23:59:59-23:59"},
        {"occurred_at": "2026-01-01T00:00:00"},
        {"amount": -1},
        {"amount": 2**53 + 1},
        {"currency": "euro"},
        {"candidate_id": "no such\n"},
        {"type": "loved"},
        {"mood": "good"},
    ],
)
def test_invalid_outcome_names_its_field_and_is_not_stored(side: Side, outcome: dict[str, Any]):
    good = {"event_id": "good", "customer_id": "c", "method_id": "card"}
    bad = {**examples.OUTCOME, **outcome}
    (name,) = outcome
    answer = side.client.post(FEEDBACK, json=bad)
    assert (answer.status_code, answer.json()["field"]) == (400, name), answer.text
    answer = side.client.post(FEEDBACK, json=[good, bad])
    assert [result["status"] for result in answer.json()["results"]] == ["recorded", "invalid"]
    assert answer.json()["results"][1]["message"].startswith(f"{name}: ")


def test_an_outcome_sent_again_counts_once(side: Side):
    outcome = {**examples.OUTCOME, "decision_id": side.decide()["decision_id"], "candidate_id": "card"}
    statuses = [side.client.post(FEEDBACK, json=outcome).json()["results"][0]["status"] for _ in range(3)]
    twice = side.client.post(FEEDBACK, json=[{**outcome, "event_id": "other"}] * 2).json()["results"]
    assert statuses == ["recorded", "duplicate", "duplicate"]
    assert [item["status"] for item in twice] == ["recorded", "duplicate"]
    seen = side.client.get(f"/v1/decisions/{outcome['decision_id']}", params={"explain": True}).json()["outcomes"]
    assert sorted(item["event_id"] for item in seen) == sorted([outcome["event_id"], "other"])


@CHANGES_NOTHING
@pytest.mark.parametrize("path", [DECIDE, BATCH, "/v1/keys"])
def test_a_body_over_64_kib_is_too_large(side: Side, path: str):
    big = json.dumps({**examples.DECISION, "customer_id": "x" * 70_000})
    assert side.client.post(path, content=big).status_code == 413

    def pieces() -> Any:
        yield from (big[moment : moment + 9000].encode() for moment in range(0, len(big), 9000))

    answer = side.client.post(path, content=pieces())
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:tap2:problem:too-large")


@CHANGES_NOTHING
@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data", "", "application/x-msgpack"])
def test_the_content_type_does_not_matter(side: Side, kind: str):
    headers = {"content-type": kind}
    assert side.client.post(DECIDE, content=json.dumps(examples.DECISION), headers=headers).status_code == 200
    assert side.client.post(DECIDE, content=b"\x81\xa1a", headers=headers).status_code == 400


@CHANGES_NOTHING
@pytest.mark.parametrize(
    "address",
    [
        "/v1/lists/%00",
        "/v1/decisions/a%00b",
        "/v1/audit?subject=a%00",
        "/%00",
        "/docs?%00",
    ],
)
def test_nul_in_an_address_is_refused(side: Side, address: str):
    answer = side.client.get(address)
    assert answer.status_code == 400
    assert "NUL" in answer.json()["detail"]


@CHANGES_NOTHING
@pytest.mark.parametrize("part", ["%ff", "%ed%a0%80", "%F0%9F%98%80", "..%2f", "a" * 5000, "%25", "'", "%22%3E"])
def test_invalid_addresses_cause_only_client_errors(side: Side, part: str):
    for method in ("GET", "PUT", "DELETE", "POST", "PATCH", "HEAD", "OPTIONS"):
        for address in (
            f"/v1/lists/{part}",
            f"/v1/decisions/{part}/replay",
            f"{METHODS}?customer_id={part}",
            f"/{part}",
        ):
            answer = side.client.request(method, address, headers={"if-match": "*"})
            assert answer.status_code < 500, (method, address)


@CHANGES_NOTHING
def test_every_path_answers_head_and_options(server: Server, side: Side):
    for path in server.openapi["paths"]:
        address = path.format(
            placement="payment_methods", id="1", name="x", version=1, event="1", key="x", client_key="x"
        )
        for method in ("HEAD", "OPTIONS"):
            answer = side.client.request(method, address)
            assert answer.status_code < 500
            assert answer.content == b""


@CHANGES_NOTHING
def test_unsupported_method_is_refused_with_the_allowed_methods(side: Side):
    answer = side.client.patch(LISTS, json={})
    assert (answer.status_code, answer.json()["type"]) == (405, "urn:tap2:problem:method-not-allowed")
    assert {"GET", "POST"} <= set(answer.headers["allow"].replace(" ", "").split(","))


PROTECTED = {"x-content-type-options": "nosniff", "x-frame-options": "DENY"}


@CHANGES_NOTHING
@pytest.mark.parametrize(
    "path",
    [
        "/healthz",
        "/v1/lists",
        "/v1/nothing",
        "/docs",
        "/docs/openapi.json",
        "/admin/login",
        "/%00",
        "/",
        "/nothing",
        "/admin/live/rules",
        "/static/nothing.css",
        "/static/../web/app.py",
    ],
)
def test_every_answer_protects_browsers(side: Side, path: str):
    headers = side.client.get(path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["cache-control"]
    assert {name: headers.get(name) for name in PROTECTED} == PROTECTED
    assert headers["referrer-policy"] in ("no-referrer", "same-origin")
    assert "strict-transport-security" not in headers
    assert len(headers.get_list("x-content-type-options")) == 1


def test_tls_answers_send_strict_transport_security(tmp_path_factory: pytest.TempPathFactory):
    settings = Settings(data=str(tmp_path_factory.mktemp("tls")), secure_cookies=True)
    with serving(settings) as server, server.client() as client:
        for path in ("/healthz", "/nothing"):
            assert client.get(path).headers["strict-transport-security"].startswith("max-age=")


ORIGIN = {"origin": "https://shop.example"}


@CHANGES_NOTHING
@pytest.mark.parametrize(("method", "path"), [("POST", DECIDE), ("POST", BATCH), ("POST", FEEDBACK), ("GET", METHODS)])
def test_pages_of_any_origin_may_decide_and_report(side: Side, method: str, path: str):
    preflight = {**ORIGIN, "access-control-request-method": method, "access-control-request-headers": "authorization"}
    may = httpx.options(side.server.url + path, headers=preflight)
    assert may.status_code == 204
    assert may.headers["access-control-allow-origin"] == "*"
    assert method in may.headers["access-control-allow-methods"]
    assert {"authorization", "content-type"} <= set(may.headers["access-control-allow-headers"].split(", "))
    assert "access-control-allow-credentials" not in may.headers
    body = {DECIDE: examples.DECISION, BATCH: examples.BATCH, FEEDBACK: examples.OUTCOME}.get(path)
    with side.server.client(side.new_key("publishable")) as client:
        good = client.request(method, path, json=body, headers=ORIGIN)
    refused = httpx.request(method, side.server.url + path, json=body, headers=ORIGIN)
    assert (good.is_success, refused.status_code) == (True, 401)
    for answer in (good, refused):
        assert answer.headers["access-control-allow-origin"] == "*"


def test_pages_of_other_origins_may_not_configure(side: Side):
    preflight = {**ORIGIN, "access-control-request-method": "POST"}
    for path in (LISTS, "/v1/keys", "/v1/decisions", "/admin/login"):
        assert "access-control-allow-origin" not in httpx.options(side.server.url + path, headers=preflight).headers
        assert "access-control-allow-origin" not in side.client.get(path, headers=ORIGIN).headers
