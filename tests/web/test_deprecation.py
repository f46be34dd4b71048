"""One entry in the table makes headers, marks, a row of the docs and a metric; without one, nothing changes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import httpx
import pytest
from litestar import Litestar, get
from prometheus_client import REGISTRY

from benchmarks.site import reference
from engine.settings import Settings
from tests.web.test_http_api_doc import examples
from web.app import create_app
from web.deprecation.table import DEPRECATED, LEAST_DAYS, Deprecation, listing
from web.http.middleware.deprecation import announced, announcements
from web.http.middleware.direct_routes import DirectRoutes
from web.http.middleware.request_times import RequestTimes
from web.http.middleware.security import SecurityMiddleware
from web.http.request_reading import AnyRequest
from web.http.responses import JsonAnswer
from web.openapi.document import document

DOCS = Path(__file__).parents[2] / "docs"
SINCE, UNTIL = date(2026, 12, 1), date(2027, 6, 1)
METHODS = "/v1/personalize/methods"


def entry(subject: str, successor: str = "") -> Deprecation:
    return Deprecation(subject, "0.2.0", SINCE, UNTIL, "Use something else.", successor)


TABLE = (
    entry("GET /healthz"),
    entry("GET /v1/lists/{name}", "/v2/lists/{name}"),
    entry(f"GET {METHODS}", "/v1/personalize/decisions"),
    entry("GET /v1/lists?cursor"),
    entry("Problem.detail"),
)
HEADERS = {"deprecation": "@1796083200", "sunset": "Tue, 01 Jun 2027 00:00:00 GMT"}
Call = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Litestar:
    """The application with a table; its engine is not open, so most operations answer with an error."""
    return create_app(Settings(data=str(tmp_path_factory.mktemp("deprecated"))), TABLE)


@pytest.fixture(scope="module")
def call(app: Litestar) -> Call:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    def request(path: str, method: str = "GET", served: httpx.ASGITransport = transport) -> httpx.Response:
        async def sent() -> httpx.Response:
            async with httpx.AsyncClient(transport=served, base_url="http://tap2.test") as client:
                return await client.request(method, path)

        return asyncio.run(sent())

    return request


def announcement(answer: httpx.Response) -> dict[str, str]:
    return {name: answer.headers[name] for name in HEADERS if name in answer.headers}


def test_deprecated_operation_sends_its_sunset_date(call: Call):
    answer = call("/healthz")
    assert answer.status_code == 200
    assert announcement(answer) == HEADERS
    assert answer.headers["link"] == '</docs#get-healthz>; rel="deprecation"; type="text/html"'


def test_error_sends_sunset_and_successor_of_its_path(call: Call):
    answer = call("/v1/lists/a%20b")
    assert answer.status_code >= 400
    assert announcement(answer) == HEADERS
    assert answer.headers["link"].endswith(', </v2/lists/a%20b>; rel="successor-version"')


@pytest.mark.parametrize(("path", "method"), [("/v1/lists/a", "DELETE"), ("/v1/lists", "GET"), ("/nothing", "GET")])
def test_other_operations_send_no_deprecation(call: Call, path: str, method: str):
    answer = call(path, method)
    assert announcement(answer) == {}
    assert "link" not in answer.headers


def test_specification_path_sends_deprecation_of_its_operation(call: Call):
    assert announcement(call("/health")) == HEADERS


def test_a_page_of_another_origin_may_read_the_headers(call: Call):
    exposed = call(METHODS).headers["access-control-expose-headers"].split(", ")
    assert {"Deprecation", "Sunset", "Link"} <= set(exposed)


# The busiest routes


@get(METHODS)
async def direct(request: AnyRequest) -> JsonAnswer:
    if request.scope["query_string"]:
        raise ValueError
    return JsonAnswer(b"{}")


def served(table: tuple[Deprecation, ...]) -> httpx.ASGITransport:
    routes = DirectRoutes(Litestar([]), [direct], RequestTimes(), announcements(table))
    return httpx.ASGITransport(SecurityMiddleware(routes, over_tls=False, open_to_browsers={}, read_leniently=()))


@pytest.mark.parametrize(("query", "status"), [("", 200), ("?fails", 500)])
def test_direct_route_sends_deprecation(call: Call, query: str, status: int):
    answer = call(f"{METHODS}{query}", served=served(TABLE))
    assert answer.status_code == status
    assert announcement(answer) == HEADERS
    assert announcement(call(f"{METHODS}{query}", served=served(()))) == {}


def test_other_direct_route_is_unchanged():
    table = announcements(TABLE)
    assert announced(direct.fn, table.get(("GET", METHODS))) is not direct.fn
    assert announced(direct.fn, table.get(("POST", METHODS))) is direct.fn


# The metric


def test_calls_are_counted_by_operation(call: Call):
    def count(operation: str) -> float:
        value = REGISTRY.get_sample_value("tap2_deprecated_calls_total", {"operation": operation})
        assert value is not None
        return value

    before = count("GET /healthz"), count(f"GET {METHODS}")
    call("/healthz")
    call("/health")
    call(METHODS)
    assert (count("GET /healthz"), count(f"GET {METHODS}")) == (before[0] + 2, before[1] + 1)


# The documentation


def test_document_marks_deprecated_operations(app: Litestar):
    api = document(app)
    operation = api["paths"]["/v1/lists/{name}"]["get"]
    [cursor] = [each for each in api["paths"]["/v1/lists"]["get"]["parameters"] if each["name"] == "cursor"]
    field = api["components"]["schemas"]["Problem"]["properties"]["detail"]
    words = "Deprecated since 2026-12-01 (version 0.2.0); works until 2027-06-01 or longer. Use something else."
    for subject in (operation, cursor, field):
        assert (subject["deprecated"], subject["x-sunset"]) == (True, "2027-06-01")
        assert subject["description"].startswith(words)
    assert "deprecated" not in api["paths"]["/v1/lists/{name}"]["put"]


def test_reference_marks_deprecated_operations(app: Litestar, call: Call):
    pages = reference.pages(document(app))
    assert "| `GET /v1/lists/{name}` **deprecated** |" in pages["api/index.md"]
    assert pages["api/index.md"].count("**deprecated**") == 3
    assert re.search(r"id=\"get-lists-name\">.*?<strong>Deprecated</strong>", call("/docs").text, re.DOTALL)
    assert call("/docs").text.count("<strong>Deprecated</strong>") == 3


def unmarked(text: str, table: tuple[Deprecation, ...]) -> list[str]:
    """Return the headings that show a deprecated operation and do not say so."""
    operations = [each.operation for each in table if each.operation]
    patterns = [re.compile(re.sub(r"\{\w+\}", "[^/]+", f"{method} {path}")) for method, path in operations]

    def shows(part: str) -> bool:
        requests = [f"{each.method} {each.path.partition('?')[0]}" for each in examples(part)]
        return any(pattern.fullmatch(request) for pattern in patterns for request in requests)

    parts = re.split(r"^#+ ", text, flags=re.MULTILINE)
    return [part.splitlines()[0] for part in parts if shows(part) and "deprecated" not in part.lower()]


def test_guide_notes_deprecation_beside_examples():
    assert unmarked((DOCS / "http-api.md").read_text(), DEPRECATED) == []
    example = f"```http\nGET {METHODS}?country=DE\n-> 200\n```\n"
    assert unmarked(f"## A\n\n{example}\n## B\n\nDeprecated: use C.\n\n{example}", TABLE) == ["A"]


def test_docs_list_the_same_deprecations_as_the_server():
    [text] = re.findall(r"<!-- deprecated -->\n(.*)\n<!-- /deprecated -->", (DOCS / "errors.md").read_text(), re.DOTALL)
    assert text == listing(DEPRECATED)
    assert "| `GET /healthz` | 2026-12-01 (0.2.0) | 2027-06-01 | Use something else. |" in listing(TABLE)


def test_deprecated_operations_have_a_long_sunset_and_a_successor():
    for each in DEPRECATED:
        assert (each.until - each.since).days >= LEAST_DAYS, each.subject
        assert set(re.findall(r"{(\w+)}", each.successor)) <= set(re.findall(r"{(\w+)}", each.subject)), each.subject
