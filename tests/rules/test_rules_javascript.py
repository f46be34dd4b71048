"""Test that values are converted and compared as JavaScript does; the expected values were read off ECMA-262."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import RuleError, apply
from rules.json_logic.javascript import (
    UNDEFINED,
    Budget,
    cut,
    double,
    join,
    length,
    less,
    loose_equal,
    number_text,
    parse_float,
    plain_number,
    quotient,
    remainder,
    strict_equal,
    substr,
    to_number,
    to_string,
    truthy,
)
from rules.json_logic.problems import Problem, nearest, pointer, shown

NAN, INFINITY = math.nan, math.inf
PLENTY = 10**6


def budget() -> Budget:
    return Budget(PLENTY)


def same(left: float, right: float) -> bool:
    return (left != left and right != right) or left == right


@pytest.mark.parametrize(("number", "text"), [
    (0, "0"), (-0.0, "0"), (1, "1"), (1.0, "1"), (-1.5, "-1.5"), (0.1, "0.1"), (1e21, "1e+21"), (1e20, "1" + "0" * 20),
    (123456789012345680000, "123456789012345680000"), (1e-6, "0.000001"), (1e-7, "1e-7"), (1.5e-9, "1.5e-9"),
    (1.7976931348623157e308, "1.7976931348623157e+308"), (NAN, "NaN"), (INFINITY, "Infinity"),
    (-INFINITY, "-Infinity"), (2**53 + 1, "9007199254740992"), (10**400, "Infinity"), (100.25, "100.25"),
])  # fmt: skip
def test_numbers_are_printed_as_javascript_prints_them(number: float, text: str) -> None:
    assert number_text(number) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_printed_number_is_parsed_again(number: float) -> None:
    assert float(number_text(number)) == number + 0.0


@pytest.mark.parametrize(("value", "text"), [
    ("x", "x"), (True, "true"), (False, "false"), (None, "null"), (UNDEFINED, "undefined"), ({}, "[object Object]"),
    ([], ""), ([1, [2, None], "x"], "1,2,,x"), ([None], ""), ([[]], ""), ([{}], "[object Object]"),
    ([True, 1.0], "true,1"),
])  # fmt: skip
def test_values_become_texts(value: object, text: str) -> None:
    assert to_string(value, budget()) == text


@pytest.mark.parametrize(("value", "number"), [
    ("", 0), (" \n\t12 ", 12), ("1e3", 1000), (".5", 0.5), ("5.", 5), ("0x1F", 31), ("0b101", 5), ("0o17", 15),
    ("-0x1F", NAN), ("1_000", NAN), ("12px", NAN), ("Infinity", INFINITY), ("-Infinity", -INFINITY),
    ("infinity", NAN), ("+5", 5), ("--5", NAN), ("١", NAN), (True, 1), (False, 0), (None, 0), (UNDEFINED, NAN),
    ([], 0), ([5], 5), (["7"], 7), ([1, 2], NAN), ({}, NAN), ([[]], 0), ("\u00a05", 5), ("1e999", INFINITY),
])  # fmt: skip
def test_values_become_numbers(value: object, number: float) -> None:
    assert same(to_number(value, budget()), number)


@pytest.mark.parametrize(("value", "number"), [
    ("12px", 12), ("3.14.15", 3.14), ("  -2e1x", -20), ("px", NAN), ("", NAN), (None, NAN), (True, NAN), ([5, 6], 5),
    (7, 7), ("Infinityx", INFINITY), (".5.", 0.5), ("1e", 1),
])  # fmt: skip
def test_a_float_is_parsed_from_the_longest_prefix(value: object, number: float) -> None:
    assert same(parse_float(value, budget()), number)


@pytest.mark.parametrize(("value", "is_true"), [
    (True, True), (False, False), (0, False), (-0.0, False), (NAN, False), (1, True), ("", False), ("0", True),
    ([], False), ([0], True), ({}, True), (None, False), (UNDEFINED, False),
])  # fmt: skip
def test_an_empty_list_is_false(value: object, is_true: bool) -> None:
    assert truthy(value) is is_true


EQUAL: list[tuple[object, object, bool, bool]] = [
    # left, right, ==, ===
    (1, 1.0, True, True),
    (1, "1", True, False),
    (1, True, True, False),
    (0, "", True, False),
    (0, "0", True, False),
    ("", "0", False, False),
    (None, UNDEFINED, True, False),
    (None, None, True, True),
    (None, 0, False, False),
    (None, False, False, False),
    ("a", "a", True, True),
    ("a", "A", False, False),
    ([], "", True, False),
    ([], 0, True, False),
    ([1], 1, True, False),
    ([1, 2], "1,2", True, False),
    ({}, "[object Object]", True, False),
    ([], [], False, False),
    ({}, {}, False, False),
    (NAN, NAN, False, False),
    (True, "1", True, False),
    (True, "true", False, False),
    (2**53, 2**53 + 1, True, True),
    (0.0, -0.0, True, True),
]


@pytest.mark.parametrize(("left", "right", "loose", "strict"), EQUAL)
def test_values_are_equal_loosely_and_strictly(left: object, right: object, loose: bool, strict: bool) -> None:
    assert loose_equal(left, right, budget()) is loose
    assert loose_equal(right, left, budget()) is loose
    assert strict_equal(left, right) is strict
    assert strict_equal(right, left) is strict


def test_a_list_is_equal_to_itself() -> None:
    own: list[object] = []
    assert loose_equal(own, own, budget())
    assert strict_equal(own, own)


@pytest.mark.parametrize(("left", "right", "result"), [
    (1, 2, True), (2, 1, False), (1, 1, False), ("10", "9", True), ("10", 9, False), ("a", "b", True), ("a", 1, None),
    (None, 1, True), (UNDEFINED, 1, None), (NAN, 1, None), ([2], 3, True), ({}, 1, None), (True, 2, True),
    ("", 1, True), ("\uffff", "\U0001f600", False), ("é", "z", False),
])  # fmt: skip
def test_values_are_ordered_or_cannot_be(left: object, right: object, result: bool | None) -> None:
    assert less(left, right, budget()) is result


@pytest.mark.parametrize(("left", "right", "rest"), [
    (5, 3, 2), (-5, 3, -2), (5, -3, 2), (5.5, 2, 1.5), (5, 0, NAN), (INFINITY, 2, NAN), (5, INFINITY, 5), (NAN, 2, NAN),
])  # fmt: skip
def test_a_remainder_has_the_sign_of_the_dividend(left: float, right: float, rest: float) -> None:
    assert same(remainder(left, right), rest)


@pytest.mark.parametrize(("left", "right", "result"), [
    (6, 3, 2), (1, 0, INFINITY), (-1, 0, -INFINITY), (1, -0.0, -INFINITY), (0, 0, NAN), (NAN, 0, NAN), (0, 5, 0),
])  # fmt: skip
def test_division_by_zero_is_infinite(left: float, right: float, result: float) -> None:
    assert same(quotient(left, right), result)


@pytest.mark.parametrize(("value", "number"), [
    (5, 5), (2**53 + 1, 2.0**53), (-(10**400), -INFINITY), (10**400, INFINITY), (1.5, 1.5),
])  # fmt: skip
def test_integers_are_held_as_doubles(value: float, number: float) -> None:
    assert double(value) == number


@pytest.mark.parametrize(("value", "number", "kind"), [
    (5.0, 5, int), (5.5, 5.5, float), (-0.0, 0.0, float), (2.0**53, 2.0**53, float), (0.0, 0, int),
])  # fmt: skip
def test_a_whole_double_is_an_integer_again(value: float, number: float, kind: type) -> None:
    assert plain_number(value) == number
    assert type(plain_number(value)) is kind


EMOJI = "a😀b"


def test_texts_are_counted_and_cut_in_code_units() -> None:
    assert (length("abc"), length(EMOJI)) == (3, 4)
    assert cut(EMOJI, 0, 1) == "a"
    assert cut(EMOJI, 1, 3) == "😀"
    assert cut(EMOJI, 1, 2) == "\ud83d"
    assert join(["\ud83d", "\ude00"], "", budget()) == "😀"


@pytest.mark.parametrize(("text", "start", "count", "part"), [
    ("jsonlogic", 4, UNDEFINED, "logic"), ("jsonlogic", -5, UNDEFINED, "logic"), ("jsonlogic", 1, 3, "son"),
    ("jsonlogic", 4, -2, "log"), ("jsonlogic", 99, UNDEFINED, ""), ("jsonlogic", -99, 2, "js"), ("jsonlogic", 0, 0, ""),
    ("jsonlogic", "4", UNDEFINED, "logic"), ("jsonlogic", None, 4, "json"), ("jsonlogic", 0, 99, "jsonlogic"),
    ("", 0, 5, ""), (EMOJI, 1, 2, "😀"),
])  # fmt: skip
def test_a_part_of_a_text_is_taken(text: str, start: object, count: object, part: str) -> None:
    assert substr(text, start, count, budget()) == part


def test_work_beyond_the_budget_is_refused() -> None:
    with pytest.raises(RuleError, match="needs more work than is allowed"):
        to_string([[1] * 50] * 50, Budget(100))
    spent = Budget(10)
    spent.spend(10)
    assert spent.left == 0


@pytest.mark.parametrize(("logic", "data", "result"), [
    ({"==": [1, "1"]}, {}, True),
    ({"===": [1, "1"]}, {}, False),
    ({"!": [[]]}, {}, True),
    ({"!!": ["0"]}, {}, True),
    ({"+": ["3.14abc"]}, {}, 3.14),
    ({"-": ["5"]}, {}, -5),
    ({"cat": ["a", None, 1.0, [2, 3]]}, {}, "a12,3"),
    ({"var": "a.1.b"}, {"a": [0, {"b": 7}]}, 7),
    ({"var": ["x", "default"]}, {}, "default"),
    ({"if": [[], 1, 2]}, {}, 2),
    ({"and": [1, 0, 5]}, {}, 0),
    ({"or": [0, "", "x"]}, {}, "x"),
    ({"<": [1, "2", 3]}, {}, True),
    ({"max": []}, {}, -INFINITY),
    ({"missing": ["a", "b"]}, {"a": 1}, ["b"]),
    ({"missing_some": [1, ["a", "b"]]}, {"a": 1}, []),
    ({"map": [{"var": "n"}, {"*": [{"var": ""}, 2]}]}, {"n": [1, 2]}, [2, 4]),
    ({"reduce": [{"var": "n"}, {"+": [{"var": "current"}, {"var": "accumulator"}]}, 0]}, {"n": [1, 2, 3]}, 6),
    ({"merge": [1, [2, 3]]}, {}, [1, 2, 3]),
    ({"in": ["b", "abc"]}, {}, True),
    ({"substr": ["jsonlogic", 4]}, {}, "logic"),
])  # fmt: skip
def test_logic_is_applied_as_the_standard_says(logic: object, data: object, result: object) -> None:
    assert apply(logic, data) == result


# Problems


@pytest.mark.parametrize(("steps", "path"), [
    ((), "/a"), (("b",), "/a/b"), ((0, "c"), "/a/0/c"), (("x/y", "~"), "/a/x~1y/~0"),
    (("k" * 100,), f"/a/{'k' * 60}..."),
])  # fmt: skip
def test_a_pointer_is_escaped_and_short(steps: tuple[object, ...], path: str) -> None:
    assert pointer("/a", *steps) == path


@pytest.mark.parametrize(("text", "part"), [
    ("x", "x"), ("x" * 61, "x" * 60 + "..."), ("a\0b", "a\\x00b"), ("\ud800", "\\ud800"), ("ü", "ü"),
])  # fmt: skip
def test_a_text_in_a_message_is_short_and_can_be_stored(text: str, part: str) -> None:
    assert shown(text) == part


@pytest.mark.parametrize(("name", "names", "hint"), [
    ("cart.totl", ["cart.total", "geo.country"], "; did you mean cart.total?"), ("zzz", ["cart.total"], ""),
    ("x", [], ""), ("c" * 100, ["c" * 100], ""),
])  # fmt: skip
def test_the_nearest_name_is_offered(name: str, names: list[str], hint: str) -> None:
    assert nearest(name, names) == hint


def test_an_error_lists_its_problems() -> None:
    error = RuleError([Problem("/a", "is wrong"), Problem("", "is odd")])
    assert str(error) == "/a: is wrong; /: is odd"
