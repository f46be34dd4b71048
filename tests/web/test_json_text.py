import json

import pytest

from web.admin.shell.json_text import excerpt, line_of, pretty

TEXT = """{
  "and": [
    {"<": [
      {"var": "cart.totl"},
      5000
    ]},
    {"a/b": 1}
  ]
}"""


@pytest.mark.parametrize(
    ("pointer", "line"),
    [("", 1), ("/and", 2), ("/and/0/<", 3), ("/and/0/</0/var", 4), ("/and/0/</1", 5), ("/and/1/a~1b", 7)],
)
def test_a_pointer_leads_to_the_line_where_its_node_begins(pointer: str, line: int) -> None:
    assert line_of(TEXT, pointer) == line


@pytest.mark.parametrize("pointer", ["/or", "/and/7", "/and/0/</0/var/deeper", "nonsense"])
def test_a_pointer_that_leads_nowhere_stops_at_the_last_node_there_was(pointer: str) -> None:
    assert 1 <= line_of(TEXT, pointer) <= 4


def test_invalid_json_is_shown_at_the_line_of_the_message() -> None:
    assert line_of('{\n "a": \n}', "", "is not JSON at line 3, column 1: Expecting value") == 3


@pytest.mark.parametrize("text", ["", "{", '{"a', "[1,", "[" * 500])
def test_any_text_gives_a_line(text: str) -> None:
    assert line_of(text, "/a/0/b") == 1


def test_an_excerpt_is_the_line_without_its_margin() -> None:
    assert excerpt(TEXT, 4) == '{"var": "cart.totl"},'
    assert excerpt(TEXT, 99) == ""


def test_json_is_formatted_compactly() -> None:
    condition = {"and": [{"<": [{"var": "cart.total"}, 5000]}, {"in": [{"var": "geo.country"}, ["DE", "AT", "CH"]]}]}
    assert pretty({"a": [1, 2]}) == '{"a": [1, 2]}'
    assert pretty(condition) == (
        '{\n  "and": [\n    {"<": [{"var": "cart.total"}, 5000]},\n'
        '    {"in": [{"var": "geo.country"}, ["DE", "AT", "CH"]]}\n  ]\n}'
    )


def test_formatting_changes_only_whitespace() -> None:
    value = {"a": [{"b": "x" * 80}, [], {}, None, 1.5, "ü"], "c": {"d": list(range(60))}}
    assert json.loads(pretty(value)) == value
