"""Where panzi-json-logic answers otherwise than json-logic-js 2.0, and `rules.apply` with the latter.

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
class Difference:
    """`covers` tells whether an operator with these evaluated arguments is a case of it."""

    name: str
    operators: frozenset[str]
    covers: Callable[[Arguments], bool]


def ours(logic: object, data: object) -> object:
    """The answer of `rules.apply`."""
    try:
        return apply(logic, data)
    except RuleError:
        return FAILED


def theirs(logic: object, data: object) -> object:
    """The answer of panzi-json-logic; its `log` prints, and it raises many kinds of errors."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return _panzi(logic, data)
    except Exception:
        return FAILED


def differ(logic: object, data: object) -> bool:
    """Whether the two answer differently."""
    first, second = ours(logic, data), theirs(logic, data)
    return first is not second if FAILED in (first, second) else not same(first, second)


def _differs_inside(logic: object, data: object) -> bool:
    """The same for a part of logic: 0 and -0 are equal, but print and divide differently further out."""
    first, second = ours(logic, data), theirs(logic, data)
    return differ(logic, data) or _is_negative_zero(first) != _is_negative_zero(second)


def _is_negative_zero(value: object) -> bool:
    return isinstance(value, float) and value == 0 and math.copysign(1, value) < 0


def cause(logic: object, data: object) -> tuple[str, Arguments]:
    """The innermost operator whose answers differ although its arguments' do not, with these arguments."""
    if isinstance(logic, list):
        return next(cause(part, data) for part in logic if _differs_inside(part, data))
    [(operator, values)] = cast(dict[str, object], logic).items()
    arguments: Arguments = values if isinstance(values, list) else [values]
    if operator in SCOPED and arguments:
        inner = _inner_cause(operator, arguments, data)
        return inner or (operator, [ours(arguments[0], data), *arguments[1:]])
    for part in arguments:
        if _differs_inside(part, data):
            return cause(part, data)
    return operator, [ours(part, data) for part in arguments]


def _inner_cause(operator: str, arguments: Arguments, data: object) -> tuple[str, Arguments] | None:
    if _differs_inside(arguments[0], data):
        return cause(arguments[0], data)
    items = ours(arguments[0], data)
    if not isinstance(items, list) or len(arguments) < 2:
        return None
    if operator != "reduce":
        return next((cause(arguments[1], item) for item in items if _differs_inside(arguments[1], item)), None)
    accumulator = ours(arguments[2], data) if len(arguments) > 2 else None
    if accumulator is FAILED:
        return None
    for item in items:
        scope = {"current": item, "accumulator": accumulator}
        if _differs_inside(arguments[1], scope):
            return cause(arguments[1], scope)
        accumulator = ours(arguments[1], scope)
    return None


def documented(operator: str, arguments: Arguments) -> str | None:
    """The name of the documented difference that a cause belongs to."""
    return next((d.name for d in DIFFERENCES if operator in d.operators and d.covers(arguments)), None)


# --- what arguments look like


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _has_odd_text(value: object) -> bool:
    """Values that JavaScript prints in its own way: null, booleans, fractions, large numbers, lists, objects."""
    return not isinstance(value, str) and not (isinstance(value, int) and _is_number(value) and abs(value) < 1e15)


def _is_odd_number(value: object) -> bool:
    """Values whose conversion to a number JavaScript and Python see differently."""
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


def _of(*operators: str) -> frozenset[str]:
    return frozenset(operators)


_EQUALITIES = _of("==", "!=")
_STRICT = _of("===", "!==")
_ORDERS = _of("<", "<=", ">", ">=")

DIFFERENCES = (
    Difference("a left-out argument is undefined", _EQUALITIES | _STRICT | _ORDERS | _of("/", "%", "in"), _too_few(2)),
    Difference("a left-out argument is undefined", _of("-", "substr", "!", "!!", "cat"), _too_few(1)),
    Difference("a left-out argument is undefined", frozenset(SCOPED), _too_few(2)),
    Difference("min, max and * of nothing", _of("min", "max", "*"), _too_few(1)),
    Difference("a null is an argument", _of("<", "<=", "-", "substr"), lambda a: None in a[1:]),
    Difference("> and >= take two arguments", _of(">", ">="), lambda a: len(a) > 2),
    Difference("a product of one is that one", _of("*"), lambda a: len(a) == 1),
    Difference("+ and * use parseFloat", _of("+", "*"), _any(_is_no_number)),
    Difference("division by zero", _of("/"), _is_empty_division),
    Difference("the remainder has the dividend's sign", _of("%"), _number_signs),
    Difference("min and max convert to numbers", _of("min", "max"), _any(_is_no_number)),
    Difference("how values are printed", _of("cat", "substr"), _any(_has_odd_text)),
    Difference("strings are cut in UTF-16", _of("substr"), lambda a: isinstance(a[0], str) and not a[0].isascii()),
    Difference("the start and length of substr", _of("substr"), lambda a: len(a) > 1),
    Difference("zero has a sign", _of("-", "*", "/"), _any(lambda v: v == 0)),
    Difference("numbers are doubles", _of("+", "-", "*"), _any(lambda v: _is_number(v) and abs(v) >= 2**53)),
    Difference("how values become numbers", _EQUALITIES | _ORDERS | _of("-", "/", "%"), _any(_is_odd_number)),
    Difference("=== looks at types and identity", _STRICT, _any(lambda v: isinstance(v, bool | list | dict))),
    Difference("undefined is not null", _STRICT, lambda a: None in a),
    Difference("in looks at types and identity", _of("in"), lambda a: isinstance(a[1], list)),
    Difference("in an empty text is nothing", _of("in"), lambda a: isinstance(a[1], str)),
    Difference("how var finds a member", _of("var"), lambda a: True),
    Difference("how missing finds a member", _of("missing", "missing_some"), lambda a: True),
    Difference("reduce evaluates its start", _of("reduce"), lambda a: len(a) > 2),
    Difference("each step of reduce has a scope of its own", _of("reduce"), lambda a: _keeps_its_scope(a[1])),
)
