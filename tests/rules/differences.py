"""List the cases in which panzi-json-logic differs from json-logic-js 2.0, which `rules.apply` follows.

Each difference is listed in docs/rules.md with the line of json-logic-js or the section of ECMA-262 that decides.
"""

import contextlib
import io
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from rules import RuleError, apply
from tests.rules.logic_cases import SCOPED
from tests.rules.oracles import panzi, same

FAILED = object()
_panzi = panzi()

Arguments = list[Any]


@dataclass(frozen=True, slots=True)
class DocumentedDifference:
    """A documented difference: `covers` returns whether it applies to an operator with these evaluated arguments."""

    name: str
    operators: frozenset[str]
    covers: Callable[[Arguments], bool]


def apply_result(logic: object, data: object) -> object:
    """Return the result of `rules.apply`, or FAILED."""
    try:
        return apply(logic, data)
    except RuleError:
        return FAILED


def panzi_result(logic: object, data: object) -> object:
    """Return the result of panzi-json-logic, or FAILED; its `log` prints, and it raises many types of errors."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return _panzi(logic, data)
    except Exception:
        return FAILED


def differ(logic: object, data: object) -> bool:
    """Return whether the two results differ."""
    first, second = apply_result(logic, data), panzi_result(logic, data)
    return first is not second if FAILED in (first, second) else not same(first, second)


def _differs_inside(logic: object, data: object) -> bool:
    """Return the same for a part of logic, where 0 and -0 differ, because they print and divide differently."""
    first, second = apply_result(logic, data), panzi_result(logic, data)
    return differ(logic, data) or _is_negative_zero(first) != _is_negative_zero(second)


def _is_negative_zero(value: object) -> bool:
    return isinstance(value, float) and value == 0 and math.copysign(1, value) < 0


def cause(logic: object, data: object) -> tuple[str, Arguments]:
    """Return the innermost operator whose results differ although its arguments agree, with these arguments."""
    if isinstance(logic, list):
        return next(cause(part, data) for part in logic if _differs_inside(part, data))
    [(operator, values)] = cast(dict[str, object], logic).items()
    arguments: Arguments = values if isinstance(values, list) else [values]
    if operator in SCOPED and arguments:
        inner = _inner_cause(operator, arguments, data)
        return inner or (operator, [apply_result(arguments[0], data), *arguments[1:]])
    for part in arguments:
        if _differs_inside(part, data):
            return cause(part, data)
    return operator, [apply_result(part, data) for part in arguments]


def _inner_cause(operator: str, arguments: Arguments, data: object) -> tuple[str, Arguments] | None:
    if _differs_inside(arguments[0], data):
        return cause(arguments[0], data)
    items = apply_result(arguments[0], data)
    if not isinstance(items, list) or len(arguments) < 2:
        return None
    if operator != "reduce":
        return next((cause(arguments[1], item) for item in items if _differs_inside(arguments[1], item)), None)
    accumulator = apply_result(arguments[2], data) if len(arguments) > 2 else None
    if accumulator is FAILED:
        return None
    for item in items:
        scope = {"current": item, "accumulator": accumulator}
        if _differs_inside(arguments[1], scope):
            return cause(arguments[1], scope)
        accumulator = apply_result(arguments[1], scope)
    return None


def documented(operator: str, arguments: Arguments) -> str | None:
    """Return the name of the documented difference that a cause belongs to."""
    return next((d.name for d in DIFFERENCES if operator in d.operators and d.covers(arguments)), None)


# --- tests of arguments


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _has_odd_text(value: object) -> bool:
    """Return whether JavaScript prints the value in its own way: null, booleans, fractions, large numbers, lists."""
    return not isinstance(value, str) and not (isinstance(value, int) and _is_number(value) and abs(value) < 1e15)


def _is_odd_number(value: object) -> bool:
    """Return whether JavaScript and Python convert the value to different numbers."""
    return isinstance(value, str | list | dict) or value is None or (isinstance(value, float) and value != value)


def _is_no_number(value: object) -> bool:
    return not _is_number(value) or value != value


def _any(test: Callable[[object], bool]) -> Callable[[Arguments], bool]:
    return lambda arguments: any(test(argument) for argument in arguments)


def _is_empty_division(arguments: Arguments) -> bool:
    divisor = apply({"-": [{"var": "x"}, 0]}, {"x": arguments[1]})
    return divisor == 0 or not math.isfinite(cast(float, divisor))


def _number_signs(arguments: Arguments) -> bool:
    numbers = [cast(float, apply({"-": [{"var": "x"}, 0]}, {"x": argument})) for argument in arguments[:2]]
    return _is_empty_division(arguments) or not math.isfinite(numbers[0]) or min(numbers) < 0


def _keeps_its_scope(logic: object) -> bool:
    text = json.dumps(logic)
    return any(whole in text for whole in ('{"var": ""', '{"var": null', '{"var": []'))


def _too_few(count: int) -> Callable[[Arguments], bool]:
    return lambda arguments: len(arguments) < count


def _operators(*operators: str) -> frozenset[str]:
    return frozenset(operators)


_EQUALITIES = _operators("==", "!=")
_STRICT = _operators("===", "!==")
_ORDERS = _operators("<", "<=", ">", ">=")

DIFFERENCES = (
    DocumentedDifference(
        "a left-out argument is undefined", _EQUALITIES | _STRICT | _ORDERS | _operators("/", "%", "in"), _too_few(2)
    ),
    DocumentedDifference("a left-out argument is undefined", _operators("-", "substr", "!", "!!", "cat"), _too_few(1)),
    DocumentedDifference("a left-out argument is undefined", frozenset(SCOPED), _too_few(2)),
    DocumentedDifference("min, max and * of nothing", _operators("min", "max", "*"), _too_few(1)),
    DocumentedDifference("a null is an argument", _operators("<", "<=", "-", "substr"), lambda a: None in a[1:]),
    DocumentedDifference("> and >= take two arguments", _operators(">", ">="), lambda a: len(a) > 2),
    DocumentedDifference("a product of one is that one", _operators("*"), lambda a: len(a) == 1),
    DocumentedDifference("+ and * use parseFloat", _operators("+", "*"), _any(_is_no_number)),
    DocumentedDifference("division by zero", _operators("/"), _is_empty_division),
    DocumentedDifference("the remainder has the dividend's sign", _operators("%"), _number_signs),
    DocumentedDifference("min and max convert to numbers", _operators("min", "max"), _any(_is_no_number)),
    DocumentedDifference("how values are printed", _operators("cat", "substr"), _any(_has_odd_text)),
    DocumentedDifference(
        "strings are cut in UTF-16", _operators("substr"), lambda a: isinstance(a[0], str) and not a[0].isascii()
    ),
    DocumentedDifference("the start and length of substr", _operators("substr"), lambda a: len(a) > 1),
    DocumentedDifference("zero has a sign", _operators("-", "*", "/"), _any(lambda v: v == 0)),
    DocumentedDifference(
        "numbers are doubles", _operators("+", "-", "*"), _any(lambda v: _is_number(v) and abs(v) >= 2**53)
    ),
    DocumentedDifference(
        "how values become numbers", _EQUALITIES | _ORDERS | _operators("-", "/", "%"), _any(_is_odd_number)
    ),
    DocumentedDifference("=== looks at types and identity", _STRICT, _any(lambda v: isinstance(v, bool | list | dict))),
    DocumentedDifference("undefined is not null", _STRICT, lambda a: None in a),
    DocumentedDifference("in looks at types and identity", _operators("in"), lambda a: isinstance(a[1], list)),
    DocumentedDifference("in an empty text is nothing", _operators("in"), lambda a: isinstance(a[1], str)),
    DocumentedDifference("how var finds a member", _operators("var"), lambda a: True),
    DocumentedDifference("how missing finds a member", _operators("missing", "missing_some"), lambda a: True),
    DocumentedDifference("reduce evaluates its start", _operators("reduce"), lambda a: len(a) > 2),
    DocumentedDifference(
        "each step of reduce has a scope of its own", _operators("reduce"), lambda a: _keeps_its_scope(a[1])
    ),
)
