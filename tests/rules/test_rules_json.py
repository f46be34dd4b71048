"""Test how JSON is decoded: strictly from those who edit rules, leniently from checkouts."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import Problem, RuleError, check_values, loads
from rules.language.strict_json import DEEPEST_TEXT, LARGEST_TEXT, MOST_PROBLEMS
from rules.sent.lenient_json import MOST_DIGITS, loads_leniently

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    SCALARS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def problems(text: str | bytes, **more: int) -> list[tuple[str, str]]:
    with pytest.raises(RuleError) as caught:
        loads(text, **more)
    return [(problem.path, problem.message) for problem in caught.value.problems]


@given(VALUES)
def test_a_value_that_was_encoded_is_decoded_the_same(value: object) -> None:
    text = json.dumps(value)
    assert loads(text) == loads(text.encode()) == value
    assert loads_leniently(text.encode()) == (value, [])


@pytest.mark.parametrize(("text", "path", "message"), [
    ("", "", "is not JSON at line 1, column 1: Expecting value"),
    ('{"a": 1,\n "b"', "", "is not JSON at line 2, column 5: Expecting ':' delimiter"),
    ("{'a': 1}", "", "is not JSON at line 1, column 2: Expecting property name enclosed in double quotes"),
    (b"\xff", "", "is not UTF-8 at byte 0"),
    (b'"ab\xc3"', "", "is not UTF-8 at byte 3"),
    ('{"a": 1, "a": 2}', "", "has the key 'a' twice"),
    ('[{"x": {"a": 1, "a": 1}}]', "/0/x", "has the key 'a' twice"),
    ('{"n": NaN}', "/n", "is NaN, which is not JSON"),
    ('{"n": [1, -Infinity]}', "/n/1", "is -Infinity, which is not JSON"),
    ('{"n": 1e999}', "/n", "is 1e999, beyond what a double can hold"),
    (
        '{"n": 9007199254740993}',
        "/n",
        "is 9007199254740993, beyond 2**53: not every program can hold that integer",
    ),
    ('["a\\u0000"]', "/0", "has a NUL character, which databases cannot store"),
    ('["\\ud800"]', "/0", "has half of a surrogate pair, which is not text"),
    ('{"\\ud800": 1}', "/\\ud800", "has a key with characters that cannot be stored"),
    ('{"a/b": {"~": NaN}}', "/a~1b/~0", "is NaN, which is not JSON"),
])  # fmt: skip
def test_text_that_cannot_be_stored_is_refused_with_its_path(text: str | bytes, path: str, message: str) -> None:
    assert problems(text) == [(path, message)]


def test_a_document_may_have_so_many_bytes_and_no_more() -> None:
    text = json.dumps("x" * (LARGEST_TEXT - 2))
    assert len(text) == LARGEST_TEXT
    assert loads(text)
    assert problems(text + " ") == [("", "is over 64 KiB, the most that a document may have")]
    assert problems('"ü"' + " " * LARGEST_TEXT)[0][1].startswith("is over 64 KiB")
    assert problems('"' + "ü" * 1_000 + '"', most_bytes=1024) == [
        ("", "is over 1 KiB, the most that a document may have")
    ]


def test_brackets_may_be_nested_so_deep_and_no_deeper() -> None:
    assert loads("[" * DEEPEST_TEXT + "]" * DEEPEST_TEXT) is not None
    [(path, message)] = problems("[" * DEEPEST_TEXT + "\n[]" + "]" * DEEPEST_TEXT)
    assert (path, message) == ("", f"is nested more than {DEEPEST_TEXT} deep at line 2, column 1")


def test_brackets_in_texts_are_not_nesting() -> None:
    assert loads(json.dumps(["[{" * 200, '\\"[']))[1] == '\\"['  # type: ignore[index]


def test_only_so_many_problems_are_reported() -> None:
    text = json.dumps([float("nan")] * 50)
    assert [path for path, _ in problems(text)] == [f"/{index}" for index in range(MOST_PROBLEMS)]


@pytest.mark.parametrize(("value", "path", "message"), [
    ({"a": float("inf")}, "/a", "is not a finite number"),
    ({"a": 2**53 + 1}, "/a", "is an integer beyond 2**53: not every program can hold it"),
    ({"a": {1, 2}}, "/a", "is not a value of JSON"),
    ({"a": [b"x"]}, "/a/0", "is not a value of JSON"),
    ({"a": {5: 1}}, "/a/5", "has a key with characters that cannot be stored"),
])  # fmt: skip
def test_values_decoded_elsewhere_are_checked_too(value: object, path: str, message: str) -> None:
    with pytest.raises(RuleError) as caught:
        check_values(value)
    assert caught.value.problems == (Problem(path, message),)


@pytest.mark.parametrize("value", [None, True, 0, 2**53, -1.5, "", "ü", [], {}, {"a": [None, {"b": False}]}])
def test_values_that_can_be_stored_pass(value: object) -> None:
    check_values(value)


# Leniently


@pytest.mark.parametrize(("text", "value", "notes"), [
    ('{"a": 1, "a": 2}', {"a": 2}, [("a", "is given twice; the last one counts")]),
    ('{"a": {"b": 1, "b": 2, "b": 3}}', {"a": {"b": 3}}, [("b", "is given twice; the last one counts")] * 2),
    ('{"n": 9007199254740993}', {"n": 9007199254740993}, []),
    ('{"n": 1e999}', {"n": float("inf")}, []),
    ('["\\u0000"]', ["\0"], []),
])  # fmt: skip
def test_valid_part_of_a_checkouts_json_is_read(text: str, value: object, notes: list[tuple[str, str]]) -> None:
    read, left_out = loads_leniently(text.encode())
    assert read == value
    assert [(problem.path, problem.message) for problem in left_out] == notes


def test_an_integer_of_very_many_digits_becomes_a_float() -> None:
    whole, long = "9" * MOST_DIGITS, "9" * (MOST_DIGITS + 1)
    [first, second], _ = loads_leniently(f"[{whole}, {long}]".encode())  # type: ignore[misc]
    assert (type(first), type(second)) == (int, float)


def test_deep_nesting_is_ignored_with_a_note() -> None:
    deep = '{"cart": {"total": 5}, "deep": ' + "[" * 200 + "1" + "]" * 200 + ', "last": "[{"}'
    value, notes = loads_leniently(deep.encode())
    assert (value["cart"], value["last"]) == ({"total": 5}, "[{")  # type: ignore[index]
    assert [problem.path for problem in notes] == ["context"]
    assert "nested more than 80 deep" in notes[0].message
    inner = value["deep"]  # type: ignore[index]
    for _ in range(DEEPEST_TEXT - 2):
        [inner] = inner
    assert inner == [None]


def test_number_of_notes_is_limited() -> None:
    text = "{" + ", ".join('"a": 1' for _ in range(60)) + "}"
    value, notes = loads_leniently(text.encode())
    assert value == {"a": 1}
    assert len(notes) == 20


@pytest.mark.parametrize(("raw", "message"), [
    (b"", "is not JSON: Expecting value (character 0)"),
    (b'{"a": ', "is not JSON: Expecting value (character 6)"),
    (b'{"a": NaN}', "is not JSON: NaN is not a number"),
    (b"[Infinity]", "is not JSON: Infinity is not a number"),
    (b"\xff\xfe", "is not UTF-8 at byte 0"),
    (b"[" * 81, "is not JSON: a bracket is never closed (character 80)"),
])  # fmt: skip
def test_invalid_json_is_refused(raw: bytes, message: str) -> None:
    with pytest.raises(RuleError) as caught:
        loads_leniently(raw)
    assert [problem.message for problem in caught.value.problems] == [message]
