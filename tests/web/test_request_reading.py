"""Check how bodies and queries are read and refused, without a server."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import msgspec
import pytest
from litestar.datastructures import MultiDict
from litestar.exceptions import ClientException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from msgspec import Meta

from engine.model.documents.availability import Availability
from engine.model.errors import (
    Conflict,
    EngineError,
    FieldProblem,
    Forbidden,
    Invalid,
    NotFound,
    ReviewRequired,
    Stale,
    TooMany,
    Unavailable,
)
from engine.model.placement import Candidate, FieldDocument, Placement
from web.http.lenient_reading import LONGEST_CUSTOMER_ID, LenientReader, customer_text, read_query
from web.http.problem_details import Unauthorized, VersionNeeded, engine_error, invalid, problem_of
from web.http.request_reading import ItemReader, UnreadItem, converted, document_of, loads, query_of, read_body
from web.http.validation_errors import choices, ecma, validation_error


class Report(msgspec.Struct, forbid_unknown_fields=True):
    event_id: Annotated[str, Meta(min_length=1, max_length=8)]
    type: Literal["shown", "converted"] = "shown"
    amount: Annotated[int, Meta(ge=0)] | None = None


class RequestBody(msgspec.Struct):
    placement: str
    customer_id: Annotated[str, Meta(max_length=LONGEST_CUSTOMER_ID)] | int | None = None
    customer_token: str = ""
    context: dict[str, Any] = {}


def request(body: bytes | str = b"", *, pieces: int = 1, query: list[tuple[str, str]] | None = None) -> Any:
    raw = body.encode() if isinstance(body, str) else body
    size = max(1, -(-len(raw) // pieces))
    parts = [raw[start : start + size] for start in range(0, len(raw), size)] or [b""]
    events = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    events[-1]["more_body"] = False

    async def receive() -> Any:
        return events.pop(0)

    async def whole() -> bytes:
        return raw

    return SimpleNamespace(receive=receive, body=whole, query_params=MultiDict(query or []))


def problems(work: Any) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        asyncio.run(work) if asyncio.iscoroutine(work) else work()
    return [(problem.field, problem.message) for problem in caught.value.problems]


# Errors of validation in words


@pytest.mark.parametrize(("document", "kind", "field", "message"), [
    ({}, Candidate, "id", "is required"),
    ({"id": "a", "label": "A", "colour": 1}, Candidate, "colour", "is not a known field"),
    ({"id": "a", "label": "A", "c" * 100: 1}, Candidate, "c" * 60 + "...", "is not a known field"),
    ({"id": 5, "label": "A"}, Candidate, "id", "must be a text, got a whole number"),
    ({"id": "a", "label": ""}, Candidate, "label", "must be a text that is not empty"),
    ({"id": "a", "label": "x" * 121}, Candidate, "label", "must be a text of length <= 120"),
    ({"id": "a", "label": "A", "enabled": "yes"}, Candidate, "enabled", "must be true or false, got a text"),
    ({"id": "a", "label": "A", "fee_percent": 101}, Candidate, "fee_percent", "must be a number <= 100.0"),
    ({"id": "a", "label": "A", "countries": "DE"}, Candidate, "countries", "must be a list, got a text"),
    ({"id": "a", "label": "A", "countries": ["DE", 5]}, Candidate, "countries/1", "must be a text, got a whole number"),
    ({"id": "a", "label": "A", "position": 1.5}, Candidate, "position", "must be a whole number, got a number"),
    ([], Candidate, "body", "must be an object, got a list"),
    ({"name": "a.b", "type": "text"}, FieldDocument, "type", "must be one of boolean, country, currency, date, "
     "datetime, integer, list, location, money, number, string, version"),
    ({"key": "p", "name": "P", "shape": {"type": "circle"}}, Placement, "shape/type", "must be one of one, ranking, "
     "subset"),
    ({"key": "p", "name": "P", "goal": "most"}, Placement, "goal", "must be one of maximise, minimise"),
    ({"key": "p", "name": "P", "policy": {"type": "thompson", "floor": 0.9}}, Placement, "policy/floor",
     "must be a number <= 0.5"),
])  # fmt: skip
def test_a_document_that_does_not_fit_names_the_field(document: Any, kind: Any, field: str, message: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(document, kind)
    problem = validation_error(caught.value, kind)
    assert (problem.field, problem.message) == (field, message)


@pytest.mark.parametrize(("document", "kind", "field"), [
    ({"unavailable": {"ideal": {"reason": "x"}, "card": {}}}, Availability, "unavailable/card/reason"),
    ({"unavailable": {"ideal": {"reason": "x"}, "a b": {"reason": "x"}}}, Availability, "unavailable/a b"),
    ({"unavailable": {"c" * 100: {"reason": "x"}}}, Availability, f"unavailable/{'c' * 60}..."),
    ([{"id": "a", "label": "A"}, {"id": "b", "label": "B", "min_amount": {"EUR": 1, "GBP": "x"}}], list[Candidate],
     "1/min_amount/GBP"),
])  # fmt: skip
def test_problem_in_a_free_object_names_the_key(document: Any, kind: Any, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        converted(document, kind)
    assert caught.value.field == field


def test_many_free_keys_cost_no_time() -> None:
    large = {f"c{number}": {"reason": "x"} for number in range(501)}
    with pytest.raises(Invalid) as caught:
        converted({"unavailable": {**large, "card": {}}}, Availability)
    assert caught.value.field in ("unavailable", "unavailable/reason")


def test_pattern_is_named_in_ecma_262_syntax() -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert({"id": "a b", "label": "A"}, Candidate)
    problem = validation_error(caught.value, Candidate)
    assert problem.field == "id"
    assert problem.message == "must be a text that matches ^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$"
    assert ecma("\\Aab\\Z") == "^ab$"


def test_an_error_never_repeats_the_value() -> None:
    secret = "sk_live_secret"
    for document in ({"id": 1, "label": secret}, {"id": secret + " ", "label": "A"}, {"id": "a", "label": [secret]}):
        with pytest.raises(msgspec.ValidationError) as caught:
            msgspec.convert(document, Candidate)
        assert secret not in validation_error(caught.value, Candidate).message


@pytest.mark.parametrize(("kind", "path", "values"), [
    (Report, ["type"], ["converted", "shown"]),
    (list[Report], ["0", "type"], ["converted", "shown"]),
    (Placement, ["reward"], ["converted", "margin", "revenue", "selected"]),
    (Placement, ["name"], []),
    (Placement, ["nothing"], []),
])  # fmt: skip
def test_choices_of_a_field_come_from_its_schema(kind: Any, path: list[str], values: list[str]) -> None:
    assert choices(kind, path) == values


# Bodies


@pytest.mark.parametrize("pieces", [1, 3, 100])
def test_body_is_joined_from_chunks(pieces: int) -> None:
    assert asyncio.run(read_body(request(b"x" * 100, pieces=pieces), 100)) == b"x" * 100


def test_a_body_that_is_too_large_is_refused() -> None:
    with pytest.raises(RequestEntityTooLarge):
        asyncio.run(read_body(request(b"x" * 101, pieces=3), 100))


def test_disconnect_of_a_client_is_detected() -> None:
    async def gone() -> Any:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientException, match="disconnected"):
        asyncio.run(read_body(SimpleNamespace(receive=gone)))  # type: ignore[arg-type]


def read_items(body: bytes | str) -> Any:
    return asyncio.run(ItemReader(Report, most_items=3, most_bytes=1_000)(request(body)))


def test_one_document_or_a_list_is_read() -> None:
    assert read_items('{"event_id": "a"}') == Report("a")
    assert read_items('[{"event_id": "a"}, {"event_id": "b", "type": "converted"}]') == [
        Report("a"), Report("b", "converted"),
    ]  # fmt: skip


def test_invalid_item_of_a_list_is_answered_separately() -> None:
    first, second, third = read_items('[{"event_id": "a"}, {"event_id": "", "x": 1}, {"event_id": "c"}]')
    assert (first, third) == (Report("a"), Report("c"))
    assert isinstance(second, UnreadItem)
    assert second.problem.field in ("event_id", "x")
    assert (second.value("event_id"), second.value("nothing")) == ("", None)


@pytest.mark.parametrize(("item", "field", "message"), [
    ('{"event_id": "a", "amount": -1}', "amount", "must be a whole number >= 0"),
    ('{"event_id": "a", "type": "seen"}', "type", "must be one of converted, shown"),
    ('{"event_id": "a", "amount": NaN}', "amount", "is not a finite number"),
    ("5", "body", "must be an object, got a whole number"),
])  # fmt: skip
def test_an_items_problem_names_its_field(item: str, field: str, message: str) -> None:
    [unread, read] = read_items(f'[{item}, {{"event_id": "b"}}]')
    assert unread.problem.field == field
    assert unread.problem.message.startswith(message)
    assert read == Report("b")


@pytest.mark.parametrize(("body", "field", "message"), [
    ("", "body", "is not JSON: Expecting value (character 0)"),
    ('{"event_id"', "body", "is not JSON"),
    (b"\xff", "body", "is not UTF-8"),
    ("[" * 200_000, "body", ""),
    ("[]", "body", "must be a list of 1 to 3 items"),
    ('[{"event_id": "a"}, {"event_id": "b"}, {"event_id": "c"}, {"event_id": "d"}]', "body", "must be a list of 1"),
    ("[1, 2]", "body", "must be an object or a list of objects"),
    ("5", "body", "must be an object"),
    ('{"event_id": true}', "event_id", "must be a text"),
])  # fmt: skip
def test_a_body_that_is_no_report_is_refused(body: bytes | str, field: str, message: str) -> None:
    reader = ItemReader(Report, most_items=3, most_bytes=1_000_000)
    [(moment, words), *_] = problems(reader(request(body)))
    assert moment == field
    assert words.startswith(message)


@pytest.mark.parametrize(("body", "field", "message"), [
    ('{"event_id": "a", "event_id": "b"}', "body", "has the key 'event_id' twice"),
    ('{"event_id": "a", "amount": 1e999}', "amount", "is 1e999, beyond what a double can hold"),
    ('{"event_id": "a", "amount": 1.5}', "amount", "must be a whole number or null, got a number"),
])  # fmt: skip
def test_a_document_of_configuration_is_read_strictly(body: str, field: str, message: str) -> None:
    assert problems(document_of(request(body), Report)) == [(field, message)]


def test_a_large_document_is_read_beside_the_event_loop() -> None:
    texts = ["x" * 50] * 2_000
    body = json.dumps(texts)
    assert asyncio.run(document_of(request(body), list[str], most_bytes=10**6)) == texts
    [(field, message)] = problems(document_of(request(body), list[str], most_bytes=1_024))
    assert (field, message) == ("body", "is over 1 KiB, the most that a document may have")


def test_all_problems_of_a_text_are_reported() -> None:
    with pytest.raises(Invalid) as caught:
        loads(b'{"a": NaN, "b": {"c": Infinity}}', most_bytes=1_000)
    assert [problem.field for problem in caught.value.problems] == ["a", "b/c"]


# Queries


class Page(msgspec.Struct, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    placement: str = ""


def test_a_query_is_read_by_its_types() -> None:
    assert query_of(request(query=[("limit", "7"), ("placement", "p")]), Page) == Page(7, "p")
    assert query_of(request(), Page) == Page()


@pytest.mark.parametrize(("query", "field", "message"), [
    ([("limit", "0")], "limit", "must be a whole number >= 1"),
    ([("limit", "many")], "limit", "must be a whole number, got a text"),
    ([("limt", "7")], "limt", "is not a known field"),
    ([("limit", "7"), ("limit", "8")], "limit", "is given more than once"),
    ([("x" * 100, "7"), ("x" * 100, "8")], "x" * 60, "is given more than once"),
])  # fmt: skip
def test_a_query_that_does_not_fit_names_the_parameter(query: Any, field: str, message: str) -> None:
    assert problems(lambda: query_of(request(query=query), Page)) == [(field, message)]


# Requests for decisions


def read_request(body: bytes | str, *, with_warnings: bool = True) -> tuple[RequestBody, list[tuple[str, str]]]:
    data, warnings = asyncio.run(LenientReader(RequestBody)(request(body), with_warnings=with_warnings))
    return data, [(warning.field, warning.message) for warning in warnings]


@pytest.mark.parametrize("with_warnings", [True, False])
def test_a_request_without_mistakes_has_no_warnings(with_warnings: bool) -> None:
    body = '{"placement": "p", "customer_id": "c1", "context": {"cart": {"total": 5}}}'
    assert read_request(body, with_warnings=with_warnings) == (RequestBody("p", "c1", "", {"cart": {"total": 5}}), [])


@pytest.mark.parametrize(("fields", "read", "warning"), [
    ({"customer_id": 7}, {"customer_id": 7}, None),
    ({"customer_id": None}, {}, None),
    ({"customer_id": ["c"]}, {}, ("customer_id", "must be a text; the customer counts as a guest")),
    ({"customer_id": True}, {}, ("customer_id", "must be a text; the customer counts as a guest")),
    ({"customer_id": "c" * (LONGEST_CUSTOMER_ID + 1)}, {}, (
        "customer_id", "has 257 characters; at most 256 are read; the customer counts as a guest",
    )),
    ({"customer_token": 5}, {}, ("customer_token", "must be a text")),
    ({"context": "cart"}, {}, ("context", "must be an object of facts by group")),
    ({"contxt": {}}, {}, ("contxt", "is not a known field; did you mean context?")),
])  # fmt: skip
def test_invalid_value_is_ignored_with_a_warning(fields: Any, read: Any, warning: Any) -> None:
    body = json.dumps({"placement": "p", **fields})
    data, warnings = read_request(body)
    assert data == RequestBody("p", **read)
    assert warnings == ([warning] if warning else [])
    assert read_request(body, with_warnings=False)[0] == data


def test_half_a_surrogate_pair_makes_a_guest() -> None:
    data, [(field, message)] = read_request('{"placement": "p", "customer_id": "\\ud800"}')
    assert (data.customer_id, field) == (None, "customer_id")
    assert message.startswith("has half of a surrogate pair")


def test_last_duplicate_key_is_used_with_a_warning() -> None:
    data, warnings = read_request('{"placement": "a", "placement": "b"}')
    assert (data.placement, warnings) == ("b", [("placement", "is given twice; the last one counts")])


@pytest.mark.parametrize(("body", "field", "message"), [
    ("[]", "body", "must be an object"),
    ("{", "body", "is not JSON"),
    ("{}", "placement", "is required"),
    ('{"placement": null}', "placement", "is required"),
    ('{"placement": 5}', "placement", "must be a text, got a whole number"),
])  # fmt: skip
@pytest.mark.parametrize("with_warnings", [True, False])
def test_a_request_that_names_no_placement_is_refused(body: str, field: str, message: str, with_warnings: bool) -> None:
    [(moment, words)] = problems(LenientReader(RequestBody)(request(body), with_warnings=with_warnings))
    assert moment == field
    assert words.startswith(message)


def test_valid_part_of_a_decision_query_is_read() -> None:
    query = [("customer_id", "a"), ("customer_id", "b"), ("locale", ""), ("contry", "DE")]
    fields, warnings = read_query(request(query=query), ["customer_id", "locale", "country"])
    assert fields == {"customer_id": "b"}
    assert [(warning.field, warning.message) for warning in warnings] == [
        ("contry", "is not a known field; did you mean country?"),
        ("customer_id", "is given more than once; the last one counts"),
    ]


@pytest.mark.parametrize(("sent", "text"), [(None, None), ("", None), ("c1", "c1"), (7, "7"), (0, "0")])
def test_an_empty_customer_is_a_guest(sent: Any, text: str | None) -> None:
    assert customer_text(sent) == text


# Problems as answers


@pytest.mark.parametrize(("error", "status", "kind"), [
    (NotFound("there is no rule “x”", field="id"), 404, "not-found"),
    (Conflict("taken", field="id"), 409, "conflict"),
    (Stale("changed", field="version"), 412, "stale"),
    (VersionNeeded("send it"), 428, "version-needed"),
    (Forbidden("no"), 403, "forbidden"),
    (ReviewRequired("ask"), 403, "review-required"),
    (Unauthorized("no key"), 401, "unauthorized"),
    (Unavailable("away"), 503, "unavailable"),
])  # fmt: skip
def test_an_error_is_a_problem_with_a_stable_type(error: EngineError, status: int, kind: str) -> None:
    answer = engine_error(None, error)  # type: ignore[arg-type]
    document = json.loads(answer.content)
    assert (answer.status_code, document["status"], document["type"]) == (status, status, f"urn:tap2:problem:{kind}")
    assert document["detail"] == error.detail
    assert document.get("field", "") == (error.field or "")


def test_error_has_retry_after_and_www_authenticate() -> None:
    too_many = engine_error(None, TooMany("slow down", retry_after=7))  # type: ignore[arg-type]
    assert (too_many.status_code, too_many.headers["Retry-After"]) == (429, "7")
    assert engine_error(None, Unauthorized("no")).headers["WWW-Authenticate"] == "Bearer"  # type: ignore[arg-type]


def test_every_invalid_field_is_listed_and_the_first_in_the_detail() -> None:
    answer = invalid(FieldProblem("/items/0/name", "is required"), FieldProblem("", "is odd"))
    document = json.loads(answer.content)
    assert document["errors"] == [
        {"field": "items/0/name", "message": "is required"}, {"field": "body", "message": "is odd"},
    ]  # fmt: skip
    assert (document["field"], document["detail"]) == ("items/0/name", "items/0/name: is required")


def test_subclass_has_its_own_problem_type() -> None:
    assert problem_of(ReviewRequired("ask")).type.endswith("review-required")
    assert converted({"event_id": "a"}, Report) == Report("a")
