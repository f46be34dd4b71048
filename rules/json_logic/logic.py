"""Evaluate standard JSON-logic exactly as json-logic-js 2.0 does (https://jsonlogic.com/operations.html)."""

import math
import re
from collections.abc import Callable
from typing import cast

from rules.json_logic import javascript as js
from rules.json_logic.javascript import UNDEFINED, Budget
from rules.json_logic.problems import RuleError, nearest, shown

STEPS = 250_000
"""The work that `apply` may do: a unit for each node visited, element copied or searched, and 8 characters of text."""

_INDEX = re.compile(r"0|[1-9][0-9]{0,15}")


def apply(logic: object, data: object = None, *, steps: int = STEPS) -> object:
    """Evaluate JSON-logic `logic` for `data` (both plain JSON values).

    The result is a plain JSON value, or NaN or an infinity where JavaScript returns one. `log` prints nothing.
    Raises RuleError for an unknown operator, for logic that json-logic-js cannot evaluate, and for evaluations
    that need more than `steps` units of work or nest too deep.
    """
    evaluation = _Evaluator(Budget(steps))
    try:
        return evaluation.plain(evaluation.apply(logic, data))
    except RecursionError:
        raise RuleError.single("", "the logic or its data is nested too deep") from None


class _Evaluator:
    __slots__ = ("budget",)

    def __init__(self, budget: Budget) -> None:
        self.budget = budget

    def apply(self, logic: object, data: object) -> object:
        self.budget.spend(1)
        if isinstance(logic, list):
            return [self.apply(item, data) for item in logic]
        if not isinstance(logic, dict) or len(logic) != 1:
            return logic
        [(operator, values)] = logic.items()
        if not isinstance(values, list):
            values = [values]
        control = _CONTROL.get(operator)
        if control:
            return control(self, values, data)
        operation = _OPERATIONS.get(operator)
        if operation is None:
            suggestion = nearest(str(operator), OPERATORS)
            raise RuleError.single("", f"there is no operator {shown(str(operator))!r}{suggestion}")
        return operation(self, data, [self.apply(value, data) for value in values])

    def is_truthy(self, logic: object, data: object) -> bool:
        return js.truthy(self.apply(logic, data))

    def items(self, values: list[object], data: object) -> list[object] | None:
        """Return the list that `map` and similar operators iterate over, or None if the argument is not a list."""
        items = self.apply(_argument(values, 0), data)
        if not isinstance(items, list):
            return None
        self.budget.spend(len(items))
        return items

    def plain(self, value: object) -> object:
        """Copy the result without `undefined`; spends from the budget, because shared parts may multiply its size."""
        self.budget.spend(1)
        if isinstance(value, list):
            return [self.plain(item) for item in value]
        if isinstance(value, dict):
            return {key: self.plain(item) for key, item in value.items()}
        return None if value is UNDEFINED else value


def _argument(values: list[object], index: int) -> object:
    return values[index] if index < len(values) else UNDEFINED


# --- operators that choose which arguments to evaluate


def _if(run: _Evaluator, values: list[object], data: object) -> object:
    last = len(values) - 1
    for index in range(0, last, 2):
        if run.is_truthy(values[index], data):
            return run.apply(values[index + 1], data)
    return run.apply(values[last], data) if last % 2 == 0 else None


def _and(run: _Evaluator, values: list[object], data: object) -> object:
    current: object = UNDEFINED
    for value in values:
        current = run.apply(value, data)
        if not js.truthy(current):
            break
    return current


def _or(run: _Evaluator, values: list[object], data: object) -> object:
    current: object = UNDEFINED
    for value in values:
        current = run.apply(value, data)
        if js.truthy(current):
            break
    return current


def _map(run: _Evaluator, values: list[object], data: object) -> object:
    logic = _argument(values, 1)
    return [run.apply(logic, item) for item in run.items(values, data) or ()]


def _filter(run: _Evaluator, values: list[object], data: object) -> object:
    logic = _argument(values, 1)
    return [item for item in run.items(values, data) or () if run.is_truthy(logic, item)]


def _reduce(run: _Evaluator, values: list[object], data: object) -> object:
    items, logic = run.items(values, data), _argument(values, 1)
    accumulator = run.apply(values[2], data) if len(values) > 2 else None
    for item in items or ():
        accumulator = run.apply(logic, {"current": item, "accumulator": accumulator})
    return accumulator


def _all(run: _Evaluator, values: list[object], data: object) -> object:
    items, logic = run.items(values, data), _argument(values, 1)
    return bool(items) and all(run.is_truthy(logic, item) for item in items or ())


def _some(run: _Evaluator, values: list[object], data: object) -> object:
    logic = _argument(values, 1)
    return any(run.is_truthy(logic, item) for item in run.items(values, data) or ())


def _none(run: _Evaluator, values: list[object], data: object) -> object:
    return not _some(run, values, data)


# --- operators whose arguments are evaluated first


def _var(run: _Evaluator, data: object, values: list[object]) -> object:
    name, default = _argument(values, 0), _argument(values, 1)
    if name is UNDEFINED or name is None or name == "":
        return data
    path = js.to_string(name, run.budget)
    run.budget.spend(len(path) >> 3)
    for step in path.split("."):
        data = _member(data, step)
        if data is UNDEFINED:
            return None if default is UNDEFINED else default
    return data


def _member(data: object, key: str) -> object:
    """Return `data[key]` for the own properties of JSON values."""
    if isinstance(data, dict):
        return cast(object, data.get(key, UNDEFINED))
    if not isinstance(data, list | str):
        return UNDEFINED
    size = js.length(data) if isinstance(data, str) else len(data)
    if key == "length":
        return size
    if not _INDEX.fullmatch(key) or int(key) >= size:
        return UNDEFINED
    index = int(key)
    return js.cut(data, index, index + 1) if isinstance(data, str) else cast(object, data[index])


def _missing(run: _Evaluator, data: object, values: list[object]) -> object:
    first = _argument(values, 0)
    keys = first if isinstance(first, list) else values
    run.budget.spend(len(keys))
    return [key for key in keys if _is_missing(run.apply({"var": key}, data))]


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, str) and value == "")


def _missing_some(run: _Evaluator, data: object, values: list[object]) -> object:
    needed, options = _argument(values, 0), _argument(values, 1)
    if options is None or options is UNDEFINED:
        raise RuleError.single("", "missing_some needs a number and a list of names")
    absent = cast(list[object], run.apply({"missing": options}, data))
    present = js.to_number(_member(options, "length"), run.budget) - len(absent)
    return [] if js.less(present, needed, run.budget) is False else absent


def _less(run: _Evaluator, data: object, values: list[object]) -> object:
    a, b, c = _argument(values, 0), _argument(values, 1), _argument(values, 2)
    first = js.less(a, b, run.budget) is True
    return first if c is UNDEFINED else first and js.less(b, c, run.budget) is True


def _less_equal(run: _Evaluator, data: object, values: list[object]) -> object:
    a, b, c = _argument(values, 0), _argument(values, 1), _argument(values, 2)
    first = js.less(b, a, run.budget) is False
    return first if c is UNDEFINED else first and js.less(c, b, run.budget) is False


def _in(run: _Evaluator, data: object, values: list[object]) -> object:
    needle, haystack = _argument(values, 0), _argument(values, 1)
    if isinstance(haystack, str):
        run.budget.spend(len(haystack) >> 3)
        return haystack != "" and js.to_string(needle, run.budget) in haystack
    if not isinstance(haystack, list):
        return False
    run.budget.spend(len(haystack))
    return any(js.strict_equal(needle, item) for item in haystack)


def _plus(run: _Evaluator, data: object, values: list[object]) -> object:
    total = 0.0
    for value in values:
        total += js.parse_float(value, run.budget)
    return js.plain_number(total)


def _times(run: _Evaluator, data: object, values: list[object]) -> object:
    if not values:
        raise RuleError.single("", "* needs at least one value")
    if len(values) == 1:
        return values[0]
    product = js.parse_float(values[0], run.budget)
    for value in values[1:]:
        product = js.parse_float(product, run.budget) * js.parse_float(value, run.budget)
    return js.plain_number(product)


def _minus(run: _Evaluator, data: object, values: list[object]) -> object:
    first, second = _argument(values, 0), _argument(values, 1)
    number = float(js.to_number(first, run.budget))
    return js.plain_number(-number if second is UNDEFINED else number - js.to_number(second, run.budget))


def _binary(operation: Callable[[float, float], float]) -> "_Operation":
    def evaluate(run: _Evaluator, data: object, values: list[object]) -> object:
        left, right = js.to_number(_argument(values, 0), run.budget), js.to_number(_argument(values, 1), run.budget)
        return js.plain_number(operation(float(left), float(right)))

    return evaluate


def _extreme(choose: Callable[..., float], empty: float) -> "_Operation":
    def evaluate(run: _Evaluator, data: object, values: list[object]) -> object:
        numbers = [float(js.to_number(value, run.budget)) for value in values]
        if any(number != number for number in numbers):
            return math.nan
        # Math.min and Math.max treat -0 as smaller than 0
        return js.plain_number(choose(numbers, key=lambda n: (n, math.copysign(1, n)), default=empty))

    return evaluate


def _merge(run: _Evaluator, data: object, values: list[object]) -> object:
    merged: list[object] = []
    for value in values:
        part = value if isinstance(value, list) else [value]
        run.budget.spend(len(part))
        merged.extend(part)
    return merged


def _substr(run: _Evaluator, data: object, values: list[object]) -> object:
    text = js.to_string(_argument(values, 0), run.budget)
    return js.substr(text, _argument(values, 1), _argument(values, 2), run.budget)


_Control = Callable[[_Evaluator, list[object], object], object]
_Operation = Callable[[_Evaluator, object, list[object]], object]

_CONTROL: dict[str, _Control] = {
    "if": _if,
    "?:": _if,
    "and": _and,
    "or": _or,
    "map": _map,
    "filter": _filter,
    "reduce": _reduce,
    "all": _all,
    "some": _some,
    "none": _none,
}

_OPERATIONS: dict[str, _Operation] = {
    "var": _var,
    "missing": _missing,
    "missing_some": _missing_some,
    "==": lambda run, data, values: js.loose_equal(_argument(values, 0), _argument(values, 1), run.budget),
    "!=": lambda run, data, values: not js.loose_equal(_argument(values, 0), _argument(values, 1), run.budget),
    "===": lambda run, data, values: js.strict_equal(_argument(values, 0), _argument(values, 1)),
    "!==": lambda run, data, values: not js.strict_equal(_argument(values, 0), _argument(values, 1)),
    "!": lambda run, data, values: not js.truthy(_argument(values, 0)),
    "!!": lambda run, data, values: js.truthy(_argument(values, 0)),
    "<": _less,
    "<=": _less_equal,
    ">": lambda run, data, values: js.less(_argument(values, 1), _argument(values, 0), run.budget) is True,
    ">=": lambda run, data, values: js.less(_argument(values, 0), _argument(values, 1), run.budget) is False,
    "+": _plus,
    "-": _minus,
    "*": _times,
    "/": _binary(js.quotient),
    "%": _binary(js.remainder),
    "min": _extreme(min, math.inf),
    "max": _extreme(max, -math.inf),
    "merge": _merge,
    "in": _in,
    "cat": lambda run, data, values: js.join(values, "", run.budget),
    "substr": _substr,
    "log": lambda run, data, values: _argument(values, 0),
}

OPERATORS = frozenset(_CONTROL) | frozenset(_OPERATIONS)
"""All operators of the standard."""
