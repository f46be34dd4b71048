"""The API is compatible with the last release, or has another version."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from benchmarks.api_changes import breaking, released, without_words
from engine.settings import Settings
from web.app import create_app
from web.deprecation.table import Deprecation
from web.openapi.deprecation_marks import mark
from web.openapi.document import document

Json = dict[str, Any]
OR_NULL = {"anyOf": [{"type": "string"}, {"type": "null"}]}
A_DAY = date(2027, 6, 1)
DECISION = "POST /v1/personalize/decisions"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Json:
    folder: Path = tmp_path_factory.mktemp("served")
    result: Json = without_words(document(create_app(Settings(data=str(folder)))))
    return result


def test_clients_of_the_last_release_still_work(served: Json):
    old = released()
    if old["info"]["version"] == served["info"]["version"]:
        today = datetime.now(UTC).date()
        assert breaking(old, served, today) == [], "raise the version in web/openapi/document.py, or change it back"


def operation(api: Json, path: str = "/v1/personalize/decisions", method: str = "post") -> Json:
    result: Json = api["paths"][path][method]
    return result


def schema(api: Json, name: str) -> Json:
    result: Json = api["components"]["schemas"][name]
    return result


BREAKS: dict[str, tuple[Callable[[Json], Any], str]] = {
    "a path": (lambda api: api["paths"].pop("/v1/personalize/methods"), "GET /v1/personalize/methods: is gone"),
    "an operation": (lambda api: api["paths"]["/v1/lists"].pop("post"), "POST /v1/lists: is gone"),
    "a key": (
        lambda api: operation(api).update(security=[{"secretKey": []}]),
        f"{DECISION}: allows fewer kinds of keys",
    ),
    "a status": (lambda api: operation(api)["responses"].pop("200"), f"{DECISION}: 200 is no longer answered"),
    "a header": (
        lambda api: operation(api)["responses"]["429"]["headers"].pop("Retry-After"),
        f"{DECISION}: 429: the header Retry-After is gone",
    ),
    "a media type": (
        lambda api: operation(api)["responses"]["200"]["content"].pop("application/json"),
        f"{DECISION}: 200: application/json is gone",
    ),
    "a field of an answer": (
        lambda api: schema(api, "Problem")["properties"].pop("detail"),
        "400/detail: is gone",
    ),
    "a field of one kind of answer": (
        lambda api: schema(api, "ExplainedDecision")["properties"].pop("ranking"),
        f"{DECISION}: 200/ranking: is gone",
    ),
    "a field that may be missing": (
        lambda api: schema(api, "Problem")["required"].remove("status"),
        "400/status: may be missing",
    ),
    "a field of another type": (
        lambda api: schema(api, "Problem")["properties"]["status"].update(type="string"),
        "400/status: was integer and is string",
    ),
    "a field that may be null": (
        lambda api: schema(api, "Problem")["properties"].update(
            title={"anyOf": [{"type": "string"}, {"type": "null"}]}
        ),
        "400/title: may also be null",
    ),
    "a required field": (
        lambda api: schema(api, "DecisionRequest")["required"].append("customer_id"),
        "body/customer_id: became required",
    ),
    "a field of a request": (
        lambda api: schema(api, "DecisionRequest")["properties"].pop("merchant_id"),
        "body/merchant_id: is gone",
    ),
    "a shorter text": (
        lambda api: schema(api, "DecisionRequest")["properties"]["placement"].update(maxLength=10),
        "body/placement: maxLength is 10 and was not limited",
    ),
    "a pattern": (
        lambda api: schema(api, "DecisionRequest")["properties"]["placement"].update(pattern="^a$"),
        "body/placement: pattern is new or another one",
    ),
    "null in a request": (
        lambda api: schema(api, "DecisionRequest")["properties"].update(customer_id={"type": ["string", "integer"]}),
        "body/customer_id: no longer takes null",
    ),
    "other fields": (
        lambda api: schema(api, "DecisionRequest").update(additionalProperties=False),
        "body: other fields are refused",
    ),
    "a required parameter": (
        lambda api: operation(api)["parameters"][0].update(required=True),
        f"{DECISION}: the parameter explain became required",
    ),
    "a parameter": (
        lambda api: operation(api)["parameters"].clear(),
        f"{DECISION}: the parameter explain is gone",
    ),
    "a body": (
        lambda api: operation(api, "/v1/lists", "get").update(
            requestBody={"required": True, "content": operation(api)["requestBody"]["content"]}
        ),
        "GET /v1/lists: a body became required",
    ),
    "a value of an enumeration": (
        lambda api: schema(api, "NewKey")["properties"]["kind"]["enum"].remove("secret"),
        "POST /v1/keys: body/kind: no longer takes secret",
    ),
}


@pytest.mark.parametrize("change", BREAKS)
def test_breaking_change_is_found(served: Json, change: str):
    changed = copy.deepcopy(served)
    apply, problem = BREAKS[change]
    apply(changed)
    assert any(line.endswith(problem) for line in breaking(served, changed, A_DAY))


HARMLESS: dict[str, Callable[[Json], Any]] = {
    "a path": lambda api: api["paths"].update({"/v2": api["paths"]["/v1/lists"]}),
    "a field of an answer": lambda api: schema(api, "Problem")["properties"].update(help={"type": "string"}),
    "a field of a request": lambda api: schema(api, "DecisionRequest")["properties"].update(hint={"type": "string"}),
    "a field that no longer is required": lambda api: schema(api, "DecisionRequest")["required"].clear(),
    "a parameter": lambda api: operation(api)["parameters"].append(
        {"in": "query", "name": "page", "schema": {"type": "integer"}}
    ),
    "an error": lambda api: operation(api)["responses"].update({"418": operation(api)["responses"]["404"]}),
    "another kind of key": lambda api: operation(api, "/v1/lists", "get").update(security=operation(api)["security"]),
    "a longer list": lambda api: schema(api, "BatchRequest")["properties"]["placements"].update(maxItems=20),
    "null in a request": lambda api: schema(api, "DecisionRequest")["properties"].update(
        personalization={"anyOf": [{"type": "boolean"}, {"type": "null"}]}
    ),
}


@pytest.mark.parametrize("change", HARMLESS)
def test_addition_is_compatible(served: Json, change: str):
    changed = copy.deepcopy(served)
    HARMLESS[change](changed)
    assert changed != served
    assert breaking(served, changed, A_DAY) == []


DEPRECATED = {
    "GET /v1/personalize/methods": BREAKS["a path"],
    f"{DECISION}?explain": BREAKS["a parameter"],
    "Problem.detail": BREAKS["a field of an answer"],
    "DecisionRequest.merchant_id": BREAKS["a field of a request"],
}


@pytest.mark.parametrize("subject", DEPRECATED)
def test_deprecated_operation_can_be_removed_after_its_sunset(served: Json, subject: str):
    old, changed = copy.deepcopy(served), copy.deepcopy(served)
    mark(old, [Deprecation(subject, "0.2.0", date(2026, 12, 1), until=A_DAY, instead="Nothing.")])
    remove, problem = DEPRECATED[subject]
    remove(changed)
    assert any(line.endswith(problem) for line in breaking(old, changed, A_DAY - timedelta(days=1)))
    assert breaking(old, changed, A_DAY) == []


def test_deprecation_is_compatible(served: Json):
    marked = copy.deepcopy(served)
    mark(marked, [Deprecation(each, "0.2.0", A_DAY, A_DAY, "Nothing.") for each in DEPRECATED])
    assert breaking(served, marked, A_DAY) == []


def test_only_documented_operations_can_be_deprecated(served: Json):
    for subject in ("GET /v1/nothing", "GET /v1/personalize/methods?nothing", "Problem.nothing"):
        with pytest.raises(KeyError, match="nothing"):
            mark(copy.deepcopy(served), [Deprecation(subject, "0.2.0", A_DAY, A_DAY, "Nothing.")])
