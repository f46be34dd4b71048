"""The OpenAPI document is complete and correct, and its page loads nothing from other hosts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema_rs
import pytest

from benchmarks.checks.api import fuzz
from tests.serving import Server, Side
from web.http.problem_details import KINDS, TITLES

PROBLEM = {"$ref": "#/components/schemas/Problem"}


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


@pytest.mark.long
def test_generated_calls_find_no_fault(server: Server, side: Side):
    result = fuzz(server, side, cases=200)
    assert result.failures == {}
    assert result.server_errors == 0
    assert result.cases >= 200
    assert result.operations == len(list(operations(server.openapi)))


def arrays(node: Any) -> Iterator[dict[str, Any]]:
    """Yield the schemas of all arrays."""
    if isinstance(node, dict):
        if node.get("type") == "array":
            yield node
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from arrays(child)


def test_every_array_has_items(server: Server):
    schemas = list(arrays(server.openapi))
    assert any("prefixItems" in schema for schema in schemas)
    assert all(isinstance(schema.get("items"), dict) for schema in schemas), "client generators refuse other arrays"


def test_every_operation_is_described(server: Server):
    names = []
    for name, operation in operations(server.openapi):
        assert operation["summary"], name
        assert operation["tags"], name
        assert all(item["description"] for item in operation.get("parameters", [])), name
        assert all(item["description"] for item in operation["responses"].values()), name
        names.append(operation["operationId"])
    assert len(set(names)) == len(names)


def test_every_error_is_a_problem(server: Server):
    for name, operation in operations(server.openapi):
        # OpenFeature's protocol has errors of its own.
        own = ("400", "404") if operation["tags"] == ["OpenFeature"] else ()
        for status, answer in operation["responses"].items():
            if int(status) >= 400 and status not in own:
                assert answer["content"] == {"application/problem+json": {"schema": PROBLEM}}, (name, status)


def test_every_kind_of_problem_is_documented_somewhere(server: Server):
    documented = {int(status) for _, operation in operations(server.openapi) for status in operation["responses"]}
    assert {status for status, _, _ in KINDS.values()} <= documented
    assert set(TITLES) <= documented


def test_examples_fit_their_schemas(server: Server):
    document = server.openapi
    tried = 0
    for name, operation in operations(document):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            schema = {**content["schema"], "components": document["components"]}
            jsonschema_rs.validate(schema, content["example"])
            assert content["example"], name
            tried += 1
    assert tried >= 15


def test_patterns_are_portable(server: Server):
    assert "\\A" not in str(server.openapi)
    assert "\\Z" not in str(server.openapi)


@pytest.mark.parametrize("media", ["application/problem+json"])
def test_a_problem_looks_as_documented(side: Side, media: str):
    document = side.server.openapi
    schema = {**PROBLEM, "components": document["components"]}
    answers = [
        side.client.get("/v1/lists/none"),
        side.client.get("/v1/nothing"),
        side.client.patch("/v1/lists"),
        side.client.post("/v1/lists", json={}),
        side.client.put("/v1/lists/none", json={}),
        side.client.post("/v1/keys", content=b"x" * 70_000),
        httpx.get(f"{side.server.url}/v1/lists"),
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 405, 400, 428, 413, 401]
    for answer in answers:
        problem = answer.json()
        assert answer.headers["content-type"] == media
        jsonschema_rs.validate(schema, problem)
        assert problem["status"] == answer.status_code
        assert re.fullmatch(r"urn:tap2:problem:[a-z-]+", problem["type"])
        assert problem["title"]


def test_the_document_is_served(server: Server):
    answer = httpx.get(f"{server.url}/docs/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == json.loads(json.dumps(server.openapi))
    assert answer.json()["openapi"].startswith("3.1")


def test_the_page_shows_every_operation_and_schema(server: Server):
    page = httpx.get(f"{server.url}/docs").text
    for _, operation in operations(server.openapi):
        assert f'id="{operation["operationId"]}"' in page
    for name in server.openapi["components"]["schemas"]:
        assert f'id="schema-{name}"' in page
    targets = set(re.findall(r'href="#([^"]+)"', page))
    assert targets <= set(re.findall(r'id="([^"]+)"', page))


def test_page_loads_no_external_resources_and_no_scripts(server: Server):
    answer = httpx.get(f"{server.url}/docs")
    assert "<script" not in answer.text
    assert "style=" not in answer.text
    loaded = re.findall(r'(?:src|href)="([^"#][^"]*)"', answer.text)
    assert all(address.startswith("/docs/") for address in loaded)
    for address in loaded:
        assert httpx.get(server.url + address).status_code == 200
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'")
    assert "unsafe" not in policy


def test_generators_of_types_meet_open_objects_and_no_defaults(server: Server):
    schemas = list(_schemas(server.openapi["components"]["schemas"]))
    objects = [schema for schema in schemas if schema.get("type") == "object"]
    assert objects
    assert all("properties" in schema or "additionalProperties" in schema for schema in objects)
    assert not any("default" in schema and "type" in schema for schema in schemas)
    decision = server.openapi["components"]["schemas"]["DecisionRequest"]
    assert decision["properties"]["personalization"]["description"].endswith("Default: `true`.")


def _schemas(node: Any) -> Iterator[dict[str, Any]]:
    """Yield every object inside a document."""
    if isinstance(node, dict):
        yield node
    for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _schemas(value)
