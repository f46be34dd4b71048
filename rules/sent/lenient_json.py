"""Decode JSON from checkouts: whatever is valid JSON is read, and what cannot be kept is left out and named."""

import json
from collections.abc import Iterator

from rules.json_logic.problems import Problem, RuleError, shown
from rules.language.strict_json import DEEPEST_TEXT, STRING_OR_BRACKET, decoded_text

MOST_DIGITS = 40
"""Longer integers become floats: none of them is a fact, and converting them exactly takes long."""

_MOST_PROBLEMS = 20


def loads_leniently(raw: bytes) -> tuple[object, list[Problem]]:
    """Return the JSON value in `raw` (UTF-8), and what was left out of it: the path of a problem is a key's name.

    Values nested deeper than 80 brackets become null, and of two equal keys the last counts. Raises RuleError if the
    text is not JSON.
    """
    text = decoded_text(raw)
    problems: list[Problem] = []
    pruned = _pruned(text)
    if pruned is not text:
        problems.append(Problem("context", f"is nested more than {DEEPEST_TEXT} deep; the deepest part is left out"))

    def without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
        decoded = dict(pairs)
        if len(decoded) < len(pairs) and len(problems) < _MOST_PROBLEMS:
            problems.extend(Problem(name, "is given twice; the last one counts") for name in _repeated(pairs))
        return decoded

    try:
        value = json.loads(
            pruned, object_pairs_hook=without_duplicates, parse_int=_number, parse_constant=_refuse_constant
        )
    except json.JSONDecodeError as error:
        raise RuleError.single("", f"is not JSON: {error.msg} (character {error.pos})") from None
    return value, problems[:_MOST_PROBLEMS]


def _pruned(text: str) -> str:
    """Return the text with null in place of every value below the deepest level."""
    if text.count("[") + text.count("{") <= DEEPEST_TEXT:
        return text
    parts, depth, copied, start = [], 0, 0, 0
    for match in STRING_OR_BRACKET.finditer(text):
        symbol = match.group()
        if symbol in "[{":
            depth += 1
            if depth == DEEPEST_TEXT + 1:
                start = match.start()
        elif symbol in "]}":
            depth -= 1
            if depth == DEEPEST_TEXT:
                parts += [text[copied:start], "null"]
                copied = match.end()
    if depth > DEEPEST_TEXT:
        raise RuleError.single("", f"is not JSON: a bracket is never closed (character {start})")
    return "".join([*parts, text[copied:]]) if parts else text


def _repeated(pairs: list[tuple[str, object]]) -> Iterator[str]:
    names: set[str] = set()
    for name, _ in pairs:
        if name in names:
            yield shown(name)
        names.add(name)


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) <= MOST_DIGITS else float(digits)


def _refuse_constant(name: str) -> object:
    raise RuleError.single("", f"is not JSON: {name} is not a number")
