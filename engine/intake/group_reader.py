"""Read the facts of a group of a context at once, where all of them are as they should be.

The function is generated for the group's facts, because a loop that asks for each fact what to check takes three times
as long. Merchants' text never becomes source: names are numbered, and what merchants write stands in a table.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, cast

from rules.compiled.pieces import build_function, parse_statements
from rules.json_logic.javascript import LARGEST_SAFE
from rules.language.codes import COUNTRIES, CURRENCIES
from rules.sent.sent_values import CONVERTERS, LONGEST_TEXT

GroupReader = Callable[[Mapping[str, Any], dict[str, Any]], bool]
"""Adds a group's facts to others by dotted name; false if something in the group is not understood or not usual."""

_WHOLE = "type({0}) is int and LOW <= {0} <= HIGH"
_CHECKS = {
    "boolean": "type({0}) is bool",
    "integer": _WHOLE,
    "money": _WHOLE,
    "number": f"({_WHOLE} or type({{0}}) is float and -LARGEST <= {{0}} <= LARGEST)",
    "string": "type({0}) is str and len({0}) <= LONGEST and {0}.isascii()",
    "country": "type({0}) is str and {0} in COUNTRIES",
    "currency": "type({0}) is str and {0} in CURRENCIES",
}
_CONSTANTS = {
    "LOW": -LARGEST_SAFE,
    "HIGH": LARGEST_SAFE,
    "LARGEST": math.nextafter(math.inf, 0),
    "LONGEST": LONGEST_TEXT,
    "COUNTRIES": COUNTRIES,
    "CURRENCIES": CURRENCIES,
}


class GroupFact(NamedTuple):
    """A fact of a group: its last name and its dotted one, its type, and its allowed values if it has such."""

    leaf: str
    name: str
    type: str
    allowed: tuple[str, ...]


@lru_cache(maxsize=512)
def group_reader(facts: tuple[GroupFact, ...]) -> GroupReader:
    """Return the reader of a group. It reads what it can, so the same group can be read again by another."""
    table: dict[str, object] = dict(_CONSTANTS)
    lines = ["def read(group, values):", "    get, read = group.get, 0"]
    for number, fact in enumerate(facts):
        table |= {f"l{number}": fact.leaf, f"n{number}": fact.name, f"a{number}": frozenset(fact.allowed)}
        if fact.type in _CHECKS:
            check = _CHECKS[fact.type].format("value") + (f" and value in a{number}" if fact.allowed else "")
            lines += [f"    value = get(l{number})", f"    if {check}:"]
        elif not fact.allowed:
            table[f"c{number}"] = CONVERTERS[fact.type]
            lines += [f"    value = get(l{number})", "    if value is not None:", f"        value = c{number}(value)"]
            lines += ["    if value is not None:"]
        else:
            continue
        lines += [f"        values[n{number}] = value", "        read += 1"]
    lines += ["    return read == len(group)"]
    (definition,) = parse_statements("\n".join(lines))
    return build_function(cast(ast.FunctionDef, definition), table)
