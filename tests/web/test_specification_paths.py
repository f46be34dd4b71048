"""Every path that the specification names is answered: by an operation of the API, or with 501 and what to use."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from web.specification.paths import PREFERENCES, SPECIFIED, described

DOCS = Path(__file__).parents[2] / "docs" / "specification.md"
ANSWERED = [each for each in SPECIFIED if each.target]
OTHERS = [each for each in SPECIFIED if not each.target]


@pytest.fixture(scope="module")
def reader(server):
    """A merchant with the examples, which no test of this file changes."""
    side = server.sides()[0]
    side.create_examples()
    return side


def path_of(each):
    return re.sub(":[A-Za-z]+", "anna", each.path)


def body_of(side, each):
    """Return a body that the operation accepts."""
    if "feedback" in each.target:
        decision = side.client.post("/v1/personalize/decisions", json={"placement": "payment_methods"}).json()
        return {"decision_id": decision["decision_id"], "type": "shown", "event_id": f"e{hash(each.path)}"}
    return {"placement": "payment_methods"} if "decisions" in each.target else {"customer_id": "anna"}


@pytest.mark.parametrize("each", ANSWERED, ids=lambda each: f"{each.method} {each.path}")
def test_a_path_is_answered_by_its_operation(shop, each):
    query = {}
    if each.method in ("GET", "DELETE") and "health" not in each.path and ":customer" not in each.path:
        query = {"customer_id": "anna"}
    if "metrics" in each.target:
        query = {}
    json = None if each.method in ("GET", "DELETE") else body_of(shop, each)
    answer = shop.client.request(each.method, path_of(each), params=query, json=json)
    assert answer.status_code in (200, 201, 202), answer.text


@pytest.mark.parametrize("each", OTHERS, ids=lambda each: f"{each.method} {each.path}")
def test_other_paths_name_their_replacement(reader, each):
    answer = reader.client.request(each.method, path_of(each))
    assert answer.status_code == 501
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == each.instead


def test_a_customer_in_a_path_is_the_customer(shop):
    path = "/api/v1/preferences/anna%2Fb%3Fc"
    assert shop.client.put(path, json={"language": "de"}).status_code == 200
    assert shop.client.get(path).json()["preferences"]["language"] == "de"
    read = shop.client.post(PREFERENCES, json={"customer_id": "anna/b?c"})
    assert read.json()["preferences"]["language"] == "de"


def test_the_customer_of_the_path_wins_over_the_body(shop):
    shop.client.put("/api/v1/preferences/carl", json={"customer_id": "dora", "theme": "dark"})
    assert shop.client.get("/api/v1/preferences/carl").json()["preferences"]["theme"] == "dark"
    assert shop.client.get("/api/v1/preferences/dora").json()["preferences"]["theme"] is None


@pytest.mark.parametrize("body", ["[]", "{", "7", '{"language": 5}'])
def test_a_wrong_body_is_refused_as_by_the_operation(reader, body):
    assert reader.client.put("/api/v1/preferences/anna", content=body).status_code == 400


def test_a_path_needs_a_key_as_its_operation_does(reader):
    answer = reader.client.get("/api/v1/preferences/anna", headers={"authorization": "Bearer nothing"})
    assert answer.status_code == 401


@pytest.mark.parametrize("path", ["/api/v1/preferences/", "/api/v1/preferences/a/b", "/api/v1/nothing", "/healt"])
def test_other_paths_stay_unknown(shop, path):
    assert shop.client.get(path).status_code == 404


def test_the_page_of_the_documentation_lists_every_path():
    text = DOCS.read_text()
    assert [line for line in text.splitlines() if line.startswith("| GET") or re.match(r"\| [A-Z]{3,6} \|", line)] == [
        described(each) for each in SPECIFIED
    ]
    assert f"{len(ANSWERED)} of {len(SPECIFIED)}" in text


def test_a_body_that_is_too_long_is_refused_as_by_the_operation(shop):
    long = b'{"language": "' + b"x" * 2_000_000 + b'"}'
    assert shop.client.put("/api/v1/preferences/anna", content=long).status_code == 413
    assert shop.client.get("/healthz").status_code == 200


def test_a_body_in_chunks_arrives_whole(shop):
    def chunks():
        yield b'{"language"'
        yield b': "fr"}'

    assert shop.client.put("/api/v1/preferences/chunks", content=chunks()).status_code == 200
    answer = shop.client.get("/api/v1/preferences/chunks")
    assert answer.json()["preferences"]["language"] == "fr"


def test_a_body_may_be_left_out(shop):
    shop.client.put("/api/v1/preferences/emil", json={"theme": "dark"})
    assert shop.client.post("/api/v1/preferences/emil/reset").status_code == 200
    assert shop.client.get("/api/v1/preferences/emil").json()["preferences"]["theme"] is None


def test_parameters_of_the_query_stay(shop):
    answer = shop.client.get("/personalization/preferences", params={"customer_id": "anna", "nothing": "1"})
    assert answer.status_code == 400
    assert "nothing" in answer.text


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/api/v1/preferences/anna"), ("PUT", "/payment_profile")])
def test_another_method_of_a_specified_path_is_not_answered(shop, method, path):
    assert shop.client.request(method, path).status_code in (404, 405)


def test_head_is_answered_as_get_without_a_body(shop):
    answer = shop.client.head("/health")
    assert (answer.status_code, answer.content) == (200, b"")


def test_answers_have_the_headers_of_all_answers(shop):
    for path in ("/health", "/payment_profile"):
        answer = shop.client.request("GET" if path == "/health" else "POST", path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"


def test_answers_have_the_remaining_quota_of_the_operation(shop):
    for path in ("/api/v1/personalization/recommendations", "/v1/personalize/decisions"):
        answer = shop.client.post(path, json={"placement": "payment_methods"})
        assert "ratelimit" in answer.headers, path


def test_tenants_read_their_own_customers(shop, server):
    shop.client.put("/api/v1/preferences/shared", json={"theme": "dark"})
    other, _ = server.sides()
    assert other.client.get("/api/v1/preferences/shared").json()["preferences"]["theme"] is None
