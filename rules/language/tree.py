"""A checked condition: a tree in which every operator, field, literal and type is known to fit.

Connectives (`and`, `or`, `!`, and `if` between conditions) join clauses; everything else is a clause, and a
clause is unknown as soon as one field that it must read is missing or of another type than declared.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from rules.language.effects import Effect

ITEM = ""
"""The name under which `some`, `all` and `none` hand an element to their condition, as in JSON-logic."""

BOOLEAN = frozenset({"boolean", "truth"})
"""Types of what may be a condition. A `truth` is only as good as true or false: JSON-logic's `and` and `or`
return one of their arguments, so it cannot be compared with a value."""

CONNECTIVES = frozenset({"and", "or", "!", "if"})
_NEVER_UNKNOWN = frozenset({"exists", "missing_some", "default"})


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant. `value` is in the form that operators compute with, `raw` as it was written."""

    value: object
    raw: object
    type: str
    path: str


@dataclass(frozen=True, slots=True)
class Read:
    """A declared field's value."""

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
    """A checked rule; `document` is what it was made from."""

    id: str
    name: str
    priority: int
    condition: Node
    effects: tuple[Effect, ...]
    document: dict[str, object]


def is_connective(node: Node) -> bool:
    """True where an unknown part need not make the whole unknown."""
    return isinstance(node, Call) and node.operator in CONNECTIVES and node.type in BOOLEAN


def reads_of(node: Node) -> Iterator[Read]:
    """Every read of a field anywhere below, in the order of the document."""
    if isinstance(node, Read) and node.name != ITEM:
        yield node
    elif isinstance(node, Call):
        for argument in node.arguments:
            yield from reads_of(argument)


def fields_of(node: Node) -> tuple[str, ...]:
    """Names of the fields read anywhere below, each once, in the order of the document."""
    return tuple(dict.fromkeys(read.name for read in reads_of(node)))


def required_fields(node: Node) -> dict[str, str]:
    """The fields without which the clause is unknown, with their types, in the order of the document."""
    if isinstance(node, Read):
        return {node.name: node.type} if node.name != ITEM else {}
    found: dict[str, str] = {}
    if isinstance(node, Call) and node.operator not in _NEVER_UNKNOWN:
        for argument in node.arguments:
            found |= required_fields(argument)
    return found
