"""Check how the page of the API names types, and how facts of a decision are shown to people."""

from __future__ import annotations

from typing import Any

import pytest

from rules import Field, Vocabulary
from web.admin.log.explanation import capitalised, clause_of, fact_of
from web.admin.shell.json_text import excerpt, line_of, pretty
from web.format import Show, viewer_locale
from web.openapi import pages
from web.openapi.operation import Answer, Operation, reference
from web.openapi.pages import kind, meaning, names

ERROR = {"$ref": "#/components/schemas/Problem"}


@pytest.mark.parametrize(("schema", "words"), [
    ({"type": "integer"}, "integer"),
    ({"type": "string", "format": "date-time"}, "date-time"),
    (ERROR, "Problem"),
    ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "integer or null"),
    ({"anyOf": [ERROR, {"type": "array", "items": ERROR}]}, "Problem or list of Problem"),
    ({"enum": ["shown", "selected"]}, "shown, selected"),
    ({"enum": [1, None]}, "1, None"),
    ({"type": "array", "items": {"type": "string"}}, "list of string"),
    ({"type": "array", "items": {"type": "array", "items": {"type": "number"}}}, "list of list of number"),
    ({"type": "array"}, "list"),
    ({"type": "array", "items": {}}, "list"),
    ({}, "anything"),
])  # fmt: skip
def test_a_schema_is_named_in_words(schema: Any, words: str) -> None:
    assert kind(schema) == words


@pytest.mark.parametrize(("schema", "html"), [
    (ERROR, '<a href="#schema-Problem">Problem</a>'),
    ({"type": "array", "items": ERROR}, 'list of <a href="#schema-Problem">Problem</a>'),
    ({"anyOf": [{"type": "null"}, ERROR]}, 'null or <a href="#schema-Problem">Problem</a>'),
    ({"enum": ["<b>"]}, "&lt;b&gt;"),
    ({"type": "integer"}, "integer"),
])  # fmt: skip
def test_a_schema_that_is_named_is_linked(schema: Any, html: str) -> None:
    assert str(names(schema)) == html


@pytest.mark.parametrize(("schema", "text"), [
    ({"description": "The id."}, "The id."),
    ({"anyOf": [{"type": "null"}, {"description": "An amount."}]}, "An amount."),
    ({"anyOf": [{"type": "null"}]}, ""),
    ({}, ""),
])  # fmt: skip
def test_a_field_is_described_by_itself_or_its_type(schema: Any, text: str) -> None:
    assert meaning(schema) == text


def test_examples_are_indented_and_keep_their_letters() -> None:
    assert pages.pretty({"a": "ü"}) == '{\n  "a": "ü"\n}'


# Operations


class Page:
    pass


def test_an_answer_lists_the_types_of_its_body() -> None:
    assert Answer("Done").types == ()
    assert Answer("Done", int).types == (int,)
    assert Answer("Done", (int, str)).types == (int, str)


def test_a_route_has_the_status_and_limit_of_its_operation() -> None:
    operation = Operation("Rules", "Make a rule", {201: Answer("Made")}, body=int, query=Page, most_bytes=5)
    route = operation.route(other=None)  # type: ignore[arg-type]
    assert (route["status_code"], route["request_max_body_size"]) == (201, 5)
    assert set(route["dependencies"]) == {"parameters", "document", "other"}
    assert route["opt"]["operation"] is operation


def test_a_route_without_query_and_body_injects_nothing() -> None:
    assert Operation("Rules", "List", {200: Answer("All")}).route()["dependencies"] == {}


def test_a_type_is_referred_to_by_its_name() -> None:
    assert reference(Page) == {"$ref": "#/components/schemas/Page"}


# Facts of a decision

SHOW = Show(locale=viewer_locale("en-US"), timezone="Europe/Berlin", now=1_795_262_400_000)
VOCABULARY = Vocabulary([
    Field("cart.total", "money", label="Cart total"), Field("geo.country", "country", label="Country"),
    Field("time.now", "datetime"), Field("customer.is_new", "boolean"), Field("customer.tags", "list"),
    Field("risk.score", "number"),
])  # fmt: skip


@pytest.mark.parametrize(("name", "value", "currency", "label", "text"), [
    ("cart.total", 12_900, "EUR", "Cart total", "€129.00"),
    ("cart.total", 12_900, "JPY", "Cart total", "¥12,900"),
    ("cart.total", "12900", "EUR", "Cart total", "12900"),
    ("cart.total", True, "EUR", "Cart total", "yes"),
    ("cart.total", None, "EUR", "Cart total", "not sent"),
    ("geo.country", "DE", "EUR", "Country", "Germany (DE)"),
    ("geo.country", "XX", "EUR", "Country", "XX (XX)"),
    ("customer.is_new", False, "EUR", "customer.is_new", "no"),
    ("customer.tags", ["vip", 5], "EUR", "customer.tags", "vip, 5"),
    ("customer.tags", [], "EUR", "customer.tags", ""),
    ("risk.score", 0.5, "EUR", "risk.score", "0.5"),
    ("time.now", "2026-11-27T12:00:00Z", "EUR", "time.now", "Nov 27, 2026, 1:00:00\u202fPM CET"),
    ("time.now", "soon", "EUR", "time.now", "–"),
    ("unknown.fact", {"a": 1}, "EUR", "unknown.fact", "{'a': 1}"),
    ("unknown.fact", "<b>", "EUR", "unknown.fact", "<b>"),
])  # fmt: skip
def test_a_fact_is_shown_by_its_type(name: str, value: Any, currency: str, label: str, text: str) -> None:
    fact = fact_of(name, value, VOCABULARY, SHOW, currency)
    assert (fact.name, fact.label, fact.text) == (name, label, text)


@pytest.mark.parametrize(("verdict", "answer", "style"), [
    ("true", "Yes", "good"), ("false", "No", "plain"), ("unknown", "Unknown", "warn"),
])  # fmt: skip
def test_a_clause_answers_yes_no_or_unknown(verdict: str, answer: str, style: str) -> None:
    clause = clause_of({"verdict": verdict, "depth": 2, "text": "x is y"}, [])
    assert (clause.answer, clause.kind, clause.depth, clause.text) == (answer, style, 2, "x is y")


def test_deep_clauses_are_not_indented_out_of_the_page() -> None:
    assert clause_of({"verdict": "true", "depth": 30, "text": ""}, []).depth == 6


@pytest.mark.parametrize(("reason", "text"), [("not offered in DE", "Not offered in DE"), ("", ""), ("“x”", "“x”")])
def test_a_reason_begins_with_a_capital(reason: str, text: str) -> None:
    assert capitalised(reason) == text


# JSON as people edit it


@pytest.mark.parametrize(("value", "text"), [
    (True, "true"),
    ([], "[]"),
    ({}, "{}"),
    ({"a": []}, '{"a": []}'),
    ("ü", '"ü"'),
    (["x" * 40, "y" * 40], '[\n  "' + "x" * 40 + '",\n  "' + "y" * 40 + '"\n]'),
    ({"k": ["x" * 40, "y" * 40]}, '{\n  "k": [\n    "' + "x" * 40 + '",\n    "' + "y" * 40 + '"\n  ]\n}'),
])  # fmt: skip
def test_json_is_laid_out_to_be_read(value: Any, text: str) -> None:
    assert pretty(value) == text


@pytest.mark.parametrize(("pointer", "line"), [("", 1), ("/k", 2), ("/k/0", 3), ("/k/1", 4), ("/k/9", 2), ("/x", 1)])
def test_a_pointer_leads_to_its_line(pointer: str, line: int) -> None:
    assert line_of(pretty({"k": ["x" * 40, "y" * 40]}), pointer) == line


@pytest.mark.parametrize(("text", "line", "part"), [
    ("  a\n b", 1, "a"), ("  a\n b", 2, "b"), ("a", 0, ""), ("a", 5, ""), ("x" * 100, 1, "x" * 60 + "…"), ("", 1, ""),
])  # fmt: skip
def test_an_excerpt_is_a_line_in_short(text: str, line: int, part: str) -> None:
    assert excerpt(text, line) == part
