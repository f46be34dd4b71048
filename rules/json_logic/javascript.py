"""Convert and compare values as JavaScript does (ECMA-262, sections 6.1.6, 7.1 and 7.2).

JSON-logic is defined by its JavaScript implementation, so `"1" == 1`, `[] == 0` and `1e21` printed as `1e+21` are
part of it. Conversions of long texts and nested lists spend from a `Budget`.
"""

import math
import re
from decimal import Decimal
from enum import Enum
from typing import Final

from rules.json_logic.problems import RuleError

LARGEST_SAFE = 2**53


class Undefined(Enum):
    """JavaScript's `undefined`, which is not `null`."""

    UNDEFINED = "undefined"


UNDEFINED: Final = Undefined.UNDEFINED

_SPACES = "\t\n\v\f\r \xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"  # noqa: E501
_DECIMAL = re.compile(r"[+-]?(?:Infinity|(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?)")
_OTHER_BASE = re.compile(r"0(?:[xX][0-9a-fA-F]++|[oO][0-7]++|[bB][01]++)")
_BASES = {"x": 16, "o": 8, "b": 2}
_SPLIT_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")


class Budget:
    """The units of work left for an evaluation: about one for each node visited or element copied."""

    __slots__ = ("left",)

    def __init__(self, units: int) -> None:
        self.left = units

    def spend(self, units: int) -> None:
        """Subtract `units`. Raises RuleError if too few are left."""
        self.left -= units
        if self.left < 0:
            raise RuleError.single("", "the logic needs more work than is allowed; make it or its data smaller")


def is_number(value: object) -> bool:
    """Return true for int and float, but not for bool, which is a Python int."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def double(value: int | float) -> int | float:
    """Return the number as JavaScript holds it: integers beyond 2**53 lose digits, too large ones become infinite."""
    if isinstance(value, float) or -LARGEST_SAFE <= value <= LARGEST_SAFE:
        return value
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def plain_number(value: float) -> int | float:
    """Return an int if the double is a safe integer (and not -0), as JSON would print it."""
    if value.is_integer() and abs(value) < LARGEST_SAFE and (value or math.copysign(1, value) > 0):
        return int(value)
    return value


def truthy(value: object) -> bool:
    """Return JSON-logic's truth value: as in JavaScript, but an empty list is false."""
    if isinstance(value, dict):
        return True
    if isinstance(value, float):
        return value != 0 and value == value
    return value is not UNDEFINED and bool(value)


def number_text(value: int | float) -> str:
    """Return the number as JavaScript prints it (`Number::toString`)."""
    value = double(value)
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        return "NaN" if value != value else ("Infinity" if value > 0 else "-Infinity")
    if value == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    text = "".join(map(str, digits))
    return "-" * sign + _layout(text, len(text) + int(exponent))


def _layout(digits: str, point: int) -> str:
    """Place the decimal point after the first `point` of the digits, by JavaScript's rules."""
    count = len(digits)
    if count <= point <= 21:
        return digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if count > 1 else ""
    return f"{digits[0]}{fraction}e{point - 1:+d}"


def to_string(value: object, budget: Budget) -> str:
    """Return `String(value)`."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number_text(value)
    if isinstance(value, list):
        return join(value, ",", budget)
    if value is None:
        return "null"
    return "undefined" if value is UNDEFINED else "[object Object]"


def join(values: list[object], separator: str, budget: Budget) -> str:
    """Return `values.join(separator)`: null and undefined are empty."""
    budget.spend(len(values))
    texts = ["" if value is None or value is UNDEFINED else to_string(value, budget) for value in values]
    budget.spend(sum(map(len, texts)) >> 3)
    return paired(separator.join(texts))


def paired(text: str) -> str:
    """Join the halves of a surrogate pair that became neighbours into one character, as in UTF-16."""
    if text.isascii() or not _SPLIT_PAIR.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def to_number(value: object, budget: Budget) -> int | float:
    """Return `Number(value)`."""
    if isinstance(value, bool) or value is None:
        return int(bool(value))
    if isinstance(value, int | float):
        return double(value)
    if isinstance(value, str):
        return _number_of_text(value, budget)
    return _number_of_text(join(value, ",", budget), budget) if isinstance(value, list) else math.nan


def _number_of_text(text: str, budget: Budget) -> float:
    budget.spend(len(text) >> 3)
    text = text.strip(_SPACES)
    if not text:
        return 0
    if _DECIMAL.fullmatch(text):
        return float(text)
    if _OTHER_BASE.fullmatch(text):
        return double(int(text[2:], _BASES[text[1].lower()]))
    return math.nan


def parse_float(value: object, budget: Budget) -> float:
    """Return `parseFloat(value)`: the longest prefix that is a number, or NaN."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(double(value)) + 0.0  # JavaScript converts to a text first, and -0 prints as 0
    text = to_string(value, budget)
    budget.spend(len(text) >> 3)
    number = _DECIMAL.match(text.lstrip(_SPACES))
    return float(number.group()) if number else math.nan


def _primitive(value: object, budget: Budget) -> object:
    return to_string(value, budget) if isinstance(value, list | dict) else value


def strict_equal(left: object, right: object) -> bool:
    """Return `left === right`: lists and objects are equal only to themselves."""
    if isinstance(left, str | bool):
        return type(left) is type(right) and left == right
    if isinstance(left, int | float):
        return isinstance(right, int | float) and not isinstance(right, bool) and double(left) == double(right)
    return left is right


def loose_equal(left: object, right: object, budget: Budget) -> bool:
    """Return `left == right`."""
    if left is None or left is UNDEFINED or right is None or right is UNDEFINED:
        return (left is None or left is UNDEFINED) and (right is None or right is UNDEFINED)
    if isinstance(left, list | dict) and isinstance(right, list | dict):
        return left is right
    left, right = _primitive(left, budget), _primitive(right, budget)
    if isinstance(left, str) and isinstance(right, str):
        budget.spend(min(len(left), len(right)) >> 5)
        return left == right
    return to_number(left, budget) == to_number(right, budget)


def less(left: object, right: object, budget: Budget) -> bool | None:
    """Return `left < right`, or None if the values cannot be ordered (one is NaN)."""
    left, right = _primitive(left, budget), _primitive(right, budget)
    if isinstance(left, str) and isinstance(right, str):
        budget.spend(min(len(left), len(right)) >> 5)
        return utf16(left) < utf16(right) if not (left.isascii() and right.isascii()) else left < right
    first, second = to_number(left, budget), to_number(right, budget)
    return None if first != first or second != second else first < second


def utf16(text: str) -> bytes:
    """Return the text's UTF-16 code units, which JavaScript orders, counts and cuts."""
    return text.encode("utf-16-be", "surrogatepass")


def length(text: str) -> int:
    """Return the number of UTF-16 code units."""
    return len(text) if text.isascii() else len(utf16(text)) // 2


def cut(text: str, start: int, stop: int) -> str:
    """Return the text's UTF-16 code units from `start` up to `stop`."""
    if text.isascii():
        return text[start:stop]
    return utf16(text)[2 * start : 2 * stop].decode("utf-16-be", "surrogatepass")


def remainder(left: float, right: float) -> float:
    """Return `left % right`, with the sign of the dividend."""
    if right == 0 or not math.isfinite(left) or right != right:
        return math.nan
    return math.fmod(left, right)


def quotient(left: float, right: float) -> float:
    """Return `left / right`: infinite for a division by zero, NaN for 0 / 0."""
    if right != 0:
        return left / right
    if left == 0 or left != left:
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1, right)


def substr(text: str, start: object, count: object, budget: Budget) -> str:
    """Return JSON-logic's `substr`; a negative `count` leaves out that many code units at the end."""
    size = length(text)
    budget.spend(size >> 3)
    first = _truncated(start, budget)
    first = max(size + first, 0) if first < 0 else min(first, size)
    if count is UNDEFINED:
        return cut(text, int(first), size)
    if not less(count, 0, budget):
        return cut(text, int(first), int(min(first + max(_truncated(count, budget), 0), size)))
    # json-logic-js concatenates the length and a text such as "-1", which is then not a number
    count_left = size - first + to_number(count, budget) if is_number(count) else 0
    return cut(text, int(first), int(first + max(count_left, 0)))


def _truncated(value: object, budget: Budget) -> float:
    number = to_number(value, budget)
    if number != number:
        return 0
    return number if math.isinf(number) else math.trunc(number)
