"""Evaluate a checked condition by walking its tree. `explain` shows the steps of this walk."""

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from rules.json_logic import javascript as js
from rules.language import functions
from rules.language.functions import Function
from rules.language.tree import ITEM, Amounts, Call, Literal, Node, Read, fields_of, is_connective, required_fields
from rules.language.vocabulary import Vocabulary

Values = Mapping[str, object]
"""Fields by name, in the form that operators compute with; None if missing or of another type."""

Lists = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Unknown:
    """The verdict where this field is missing or of another type than declared."""

    field: str


Verdict = bool | Unknown

FUNCTIONS: Mapping[str, Function] = {
    "and": lambda *values: all(values),
    "or": lambda *values: any(values),
    "!": operator.not_,
    "if": functions.choose,
    "truthy": js.truthy,
    "default": lambda value, default: default if value is None else value,
    "exists": lambda value: value is not None,
    "missing_some": functions.missing_some,
    "==": operator.eq,
    "!=": operator.ne,
    "<": lambda a, b, c=None: a < b and (c is None or b < c),
    "<=": lambda a, b, c=None: a <= b and (c is None or b <= c),
    ">": operator.gt,
    ">=": operator.ge,
    "between": functions.between,
    "days_between": functions.days_between,
    "weekday_in": functions.weekday_in,
    "time_between": functions.time_between,
    "in": lambda needle, haystack: needle in haystack,
    "in_list": lambda text, members: text in members,
    "in_text": functions.in_text,
    "starts_with": functions.starts_with,
    "ends_with": functions.ends_with,
    "contains": functions.contains,
    "any_of": lambda items, members: not members.isdisjoint(items),
    "all_of": lambda items, members: members.issubset(items),
    "none_of": lambda items, members: members.isdisjoint(items),
    "within_km": functions.within_km,
    "percent_bucket": functions.percent_bucket,
    "+": functions.plus,
    "-": functions.minus,
    "*": functions.times,
    "/": lambda a, b: js.quotient(float(a), float(b)),
    "%": lambda a, b: js.remainder(float(a), float(b)),
    "min": functions.least,
    "max": functions.greatest,
    "cat": functions.cat,
    "substr": functions.substr,
}
"""The implementation of each operator of a checked tree, for arguments that are present."""


def read_values(node: Node, facts: Mapping[str, object], vocabulary: Vocabulary) -> Values:
    """Return the fields that `node` reads, converted from raw facts."""
    return {name: vocabulary[name].reader(facts.get(name)) for name in fields_of(node)}


def verdict(node: Node, values: Values, lists: Lists) -> Verdict:
    """Evaluate a condition by Kleene's logic: unknown only if the missing value could change the result."""
    if is_connective(node):
        parts = [verdict(part, values, lists) for part in cast(Call, node).arguments]
        return _JOINS[cast(Call, node).operator](parts)
    for name in required_fields(node):
        if values[name] is None:
            return Unknown(name)
    scope = node.money if isinstance(node, Call) else None
    if scope and not scope.accepts(values):
        return Unknown(scope.amount)
    return bool(value(node, values, lists))


def value(node: Node, values: Values, lists: Lists) -> object:
    """Return the node's value, provided that all of its required fields are present."""
    if isinstance(node, Literal):
        return _constant(node, values, lists)
    if isinstance(node, Read):
        return values[node.name]
    if node.operator in _QUANTIFIERS:
        return _quantified(node, values, lists)
    return FUNCTIONS[node.operator](*(value(argument, values, lists) for argument in node.arguments))


def _constant(literal: Literal, values: Values, lists: Lists) -> object:
    if isinstance(literal.value, Amounts):
        return literal.value.of(values[literal.value.currency_field] if literal.value.currency_field else None)
    return lists.get(str(literal.value), frozenset()) if literal.type == "list name" else literal.value


def _quantified(node: Call, values: Values, lists: Lists) -> bool:
    items, condition = node.arguments
    elements = cast(list[str], value(items, values, lists))
    truths = [bool(value(condition, {ITEM: item}, lists)) for item in elements]
    # as in JSON-logic, "all" of an empty list is false
    return {"some": any(truths), "none": not any(truths), "all": bool(truths) and all(truths)}[node.operator]


_QUANTIFIERS = frozenset({"some", "all", "none"})


def join_and(parts: list[Verdict]) -> Verdict:
    """Return false if a part is false, else the first unknown part, else true."""
    if any(part is False for part in parts):
        return False
    return next((part for part in parts if part is not True), True)


def join_or(parts: list[Verdict]) -> Verdict:
    """Return true if a part is true, else the first unknown part, else false."""
    if any(part is True for part in parts):
        return True
    return next((part for part in parts if part is not False), False)


def join_not(parts: list[Verdict]) -> Verdict:
    """Return the opposite, or the unknown part itself."""
    return parts[0] if isinstance(parts[0], Unknown) else not parts[0]


def join_if(parts: list[Verdict]) -> Verdict:
    """Return the chosen part; with an unknown condition, the verdict that all possible choices agree on."""
    result = parts[-1]
    for index in range(len(parts) - 3, -1, -2):
        condition, consequent = parts[index], parts[index + 1]
        if isinstance(condition, Unknown):
            result = consequent if consequent is result else condition
        else:
            result = consequent if condition else result
    return result


_JOINS = {"and": join_and, "or": join_or, "!": join_not, "if": join_if}
