"""Represent a checked condition as a tree whose operators, fields, literals and types all fit together.

Connectives (`and`, `or`, `!`, and `if` between conditions) combine clauses; every other node is a clause. A clause is
unknown if a field that it must read is missing or of another type than declared.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from rules.language.effects import Effect

ITEM = ""
"""The name of the current element in a condition of `some`, `all` or `none`, as in JSON-logic."""

BOOLEAN = frozenset({"boolean", "truth"})
"""Types that may be a condition. A `truth` is only truthy or falsy and cannot be compared with a value, because
JSON-logic's `and` and `or` return one of their arguments."""

CONNECTIVES = frozenset({"and", "or", "!", "if"})
_NEVER_UNKNOWN = frozenset({"exists", "missing_some", "default"})


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant. `value` is the form that operators compute with, `raw` is the JSON value as written."""

    value: object
    raw: object
    type: str
    path: str


@dataclass(frozen=True, slots=True)
class Read:
    """The value of a declared field."""

    name: str
    type: str
    path: str


@dataclass(frozen=True, slots=True)
class Call:
    """An operator with its arguments; `path` is the JSON pointer to the operator."""

    operator: str
    arguments: tuple["Node", ...]
    type: str
    path: str


Node = Literal | Read | Call


@dataclass(frozen=True, slots=True)
class Rule:
    """A checked rule; `document` is the JSON object that it was parsed from."""

    id: str
    name: str
    priority: int
    condition: Node
    effects: tuple[Effect, ...]
    document: dict[str, object]


def is_connective(node: Node) -> bool:
    """Return whether the node is a connective, which may be known although a part of it is unknown."""
    return isinstance(node, Call) and node.operator in CONNECTIVES and node.type in BOOLEAN


def reads_of(node: Node) -> Iterator[Read]:
    """Yield every read of a field in the node, in document order."""
    if isinstance(node, Read) and node.name != ITEM:
        yield node
    elif isinstance(node, Call):
        for argument in node.arguments:
            yield from reads_of(argument)


def fields_of(node: Node) -> tuple[str, ...]:
    """Return the names of the fields that the node reads, without repetition, in document order."""
    return tuple(dict.fromkeys(read.name for read in reads_of(node)))


def required_fields(node: Node) -> dict[str, str]:
    """Return the fields without which the clause is unknown, with their types, in document order."""
    if isinstance(node, Read):
        return {node.name: node.type} if node.name != ITEM else {}
    fields: dict[str, str] = {}
    if isinstance(node, Call) and node.operator not in _NEVER_UNKNOWN:
        for argument in node.arguments:
            fields |= required_fields(argument)
    return fields
