"""Input that wants to do harm, by hand and by Hypothesis."""

import json

from hypothesis import strategies as st

from rules import RuleError, apply, loads, parse_rule
from rules.language.parse import FORMS
from tests.rules.logic_cases import OPERATORS
from tests.rules.rule_cases import LISTS, VOCABULARY

_DEEP = "[" * 10_000 + "]" * 10_000
REFUSED: dict[str, tuple[bytes | str, str]] = {
    "1 MiB": ("[" + '"x",' * 262_144 + "1]", "over 64 KiB"),
    "a million elements": ("[" + "1," * 1_000_000 + "1]", "over 64 KiB"),
    "depth 10,000": (_DEEP, "nested more than 80 deep at line 1, column 81"),
    "depth 10,000 of operators": ('{"!":[' * 5_000 + "1" + "]}" * 5_000, "nested more than 80 deep"),
    "NUL": ('{"when": {"==": ["a\\u0000", 1]}}', "/when/==/0: has a NUL"),
    "NUL in a key": ('{"a\\u0000": 1}', "key with characters that cannot be stored"),
    "a lone surrogate": ('["\\ud800"]', "/0: has half of a surrogate pair"),
    "NaN": ('{"when": [NaN]}', "/when/0: is NaN"),
    "Infinity": ("[-Infinity]", "/0: is -Infinity"),
    "10^400": (f"[1{'0' * 400}]", "/0: is 1000"),
    "1e400": ("[1e400]", "/0: is 1e400, beyond what a double can hold"),
    "2^53 + 1": ("[9007199254740993]", "beyond 2**53"),
    "many digits": (f"[{'9' * 60_000}]", "beyond 2**53"),
    "the same key twice": ('{"when": {"a": 1, "a": 2}}', "/when: has the key 'a' twice"),
    "no JSON": ('{"a": }', "is not JSON at line 1, column 7"),
    "no UTF-8": (b'"\xff"', "is not UTF-8 at byte 1"),
    "nothing": ("", "is not JSON"),
    "quotes without end": ('"' + '\\"' * 30_000, "is not JSON"),
}
"""Texts that `loads` refuses, and a part of the message."""

_WORDS = [*VOCABULARY, "DE", "mobile", "Europe/Berlin", "22:00", "2026-11-27", "blocked", ">=", ""]
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)


def _nested(scalars: st.SearchStrategy[object], operators: list[str]) -> st.SearchStrategy[object]:
    keys = st.sampled_from(operators) | st.text(max_size=5)
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, min_size=1, max_size=2),
        max_leaves=40,
    )


TEXTS = st.binary(max_size=200) | st.text(max_size=200)
CONDITIONS = _nested(_SCALARS | st.sampled_from(_WORDS), sorted(FORMS))
LOGIC = _nested(_SCALARS, sorted(OPERATORS))


def check_text(raw: bytes | str) -> None:
    """Any text is decoded as by `json`, or refused."""
    try:
        value = loads(raw)
    except RuleError:
        return
    assert value == json.loads(raw)


def check_condition(when: object) -> None:
    """Any condition is parsed, or refused with places inside it."""
    try:
        parse_rule({"id": "r1", "when": when, "effects": [{"exclude": ["klarna"]}]}, VOCABULARY, LISTS)
    except RuleError as error:
        if not all(problem.path.startswith("/when") for problem in error.problems):
            raise AssertionError(error.problems) from error


def check_logic(logic: object, data: object) -> None:
    """Any logic is answered, or refused."""
    try:
        apply(logic, data)
    except RuleError:
        return
