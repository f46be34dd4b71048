"""Decode JSON from untrusted senders: reject invalid input quickly, with a RuleError that names the path."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from rules.json_logic.javascript import LARGEST_SAFE
from rules.json_logic.problems import Problem, RuleError, pointer, shown

LARGEST_TEXT = 64 * 1024
"""The largest size of a document, in bytes of UTF-8."""

DEEPEST_TEXT = 80
"""The most brackets that may be open at once: an operator takes two, and a rule may nest 32 operators."""

GZIP = b"\x1f\x8b"
"""The first bytes of a gzip file."""

MOST_PROBLEMS = 20
"""The rest of a document is not checked after this many problems."""

STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class _RefusedValue:
    """Marks a value in the decoded document that JSON-logic cannot hold, until its path is known."""

    message: str


def loads(raw: bytes | str, *, most_bytes: int = LARGEST_TEXT) -> object:
    """Return the JSON value in `raw` (UTF-8). Raises RuleError with the paths of all problems, at most 20.

    Refused are: more than `most_bytes`, more than 80 open brackets, duplicate keys, NaN and infinities, numbers beyond
    the range of a double, integers beyond 2**53, NUL characters and lone surrogates.
    """
    text = _decoded(raw, most_bytes)
    _check_depth(text)
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
        )
    except json.JSONDecodeError as error:
        raise RuleError.single("", f"is not JSON at {_line_and_column(text, error.pos)}: {error.msg}") from None
    check_values(value)
    return value


def check_values(value: object) -> None:
    """Raise RuleError if a decoded JSON value holds text or numbers that cannot be stored or exchanged."""
    if _is_clean(value):
        return
    raise RuleError(islice(_problems(value), MOST_PROBLEMS))


def _decoded(raw: bytes | str, most: int) -> str:
    size = len(raw) if isinstance(raw, bytes) or len(raw) > most else len(raw.encode(errors="replace"))
    if size > most:
        raise RuleError.single("", f"is over {most // 1024} KiB, the most that a document may have")
    return raw if isinstance(raw, str) else decoded_text(raw)


def decoded_text(raw: bytes) -> str:
    """Return the text of a document without the byte order mark that some programs write; raise RuleError."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        compressed = raw.startswith(GZIP)
        message = "is compressed: send it as it is" if compressed else f"is not UTF-8 at byte {error.start}"
        raise RuleError.single("", message) from None


def _check_depth(text: str) -> None:
    depth = 0
    for match in STRING_OR_BRACKET.finditer(text):
        symbol = match.group()
        if symbol in "[{":
            depth += 1
            if depth > DEEPEST_TEXT:
                position = _line_and_column(text, match.start())
                raise RuleError.single("", f"is nested more than {DEEPEST_TEXT} deep at {position}")
        elif symbol in "]}":
            depth -= 1


def _line_and_column(text: str, position: int) -> str:
    line = text.count("\n", 0, position) + 1
    return f"line {line}, column {position - text.rfind(chr(10), 0, position)}"


def _object(pairs: list[tuple[str, object]]) -> object:
    decoded = dict(pairs)
    if len(decoded) < len(pairs):
        keys: set[str] = set()
        twice = next(key for key, _ in pairs if key in keys or keys.add(key))  # type: ignore[func-returns-value]
        return _RefusedValue(f"has the key {shown(twice)!r} twice")
    return decoded


def _integer(digits: str) -> object:
    if len(digits) > 17 or abs(int(digits)) > LARGEST_SAFE:
        return _RefusedValue(f"is {shown(digits)}, beyond 2**53: not every program can hold that integer")
    return int(digits)


def _float(digits: str) -> object:
    number = float(digits)
    return number if math.isfinite(number) else _RefusedValue(f"is {shown(digits)}, beyond what a double can hold")


def _constant(name: str) -> object:
    return _RefusedValue(f"is {name}, which is not JSON")


def _is_clean(root: object) -> bool:
    """Return whether `_problems` would yield nothing; building the paths of all nodes would cost five times as much."""
    stack = [root]
    while stack:
        value = stack.pop()
        if isinstance(value, list):
            stack.extend(value)
        elif isinstance(value, dict):
            stack.extend(value)
            stack.extend(value.values())
            if not all(isinstance(key, str) for key in value):
                return False
        elif _problem_with(value):
            return False
    return True


def _problems(root: object) -> Iterator[Problem]:
    """Yield problems in document order; iterative, because a document decoded elsewhere may be nested deeply."""
    stack: list[tuple[str, object]] = [("", root)]
    while stack:
        path, value = stack.pop()
        message = _problem_with(value)
        if message:
            yield Problem(path, message)
        if isinstance(value, list):
            stack.extend((pointer(path, index), value[index]) for index in reversed(range(len(value))))
        elif isinstance(value, dict):
            for key in value:
                if not isinstance(key, str) or _problem_with(key):
                    yield Problem(pointer(path, key), "has a key with characters that cannot be stored")
            stack.extend((pointer(path, key), value[key]) for key in reversed(value))


def _problem_with(value: object) -> str | None:
    if isinstance(value, _RefusedValue):
        return value.message
    if isinstance(value, str):
        if "\0" in value:
            return "has a NUL character, which databases cannot store"
        return "has half of a surrogate pair, which is not text" if _SURROGATE.search(value) else None
    if isinstance(value, float):
        return None if math.isfinite(value) else "is not a finite number"
    if isinstance(value, int) and abs(value) > LARGEST_SAFE:
        return "is an integer beyond 2**53: not every program can hold it"
    return None if value is None or isinstance(value, int | list | dict) else "is not a value of JSON"
