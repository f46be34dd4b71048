"""Represent a checked condition as a tree whose operators, fields, literals and types all fit together.

Connectives (`and`, `or`, `!`, and `if` between conditions) combine clauses; every other node is a clause. A clause is
unknown if a field that it must read is missing or of another type than declared.
"""

from collections.abc import Iterator, Mapping
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
class Amounts:
    """The value of a literal such as {"EUR": 50000, "GBP": 43000}: minor units by currency.

    `currency_field` is the fact that chooses between them; without it `own` does.
    """

    by_currency: tuple[tuple[str, int], ...]
    currency_field: str | None = None
    own: str = ""

    def of(self, currency: object) -> int | None:
        """Return the amount for the value of the currency fact, or None if there is none in that currency."""
        return dict(self.by_currency).get(str(currency or self.own))


@dataclass(frozen=True, slots=True)
class MoneyScope:
    """The currencies for which a clause with amounts can be judged; in others it is unknown, for lack of `amount`.

    `amount` is the money field, `currency_fields` are the facts that hold its currency (usually one), `own` is the
    currency where they are missing.
    """

    amount: str
    currency_fields: tuple[str, ...]
    own: str
    accepted: frozenset[str]

    @property
    def accepted_values(self) -> frozenset[str | None]:
        """Return the values of a currency fact for which the clause can be judged; None where it is missing."""
        return self.accepted | {None} if self.own in self.accepted else self.accepted

    def accepts(self, values: Mapping[str, object]) -> bool:
        """Return whether the clause can be judged for these values of facts, as far as currencies are concerned."""
        currencies = [values[name] for name in self.currency_fields] or [None]
        return self.accepted_values.issuperset(currencies)


@dataclass(frozen=True, slots=True)
class Call:
    """An operator with its arguments; `path` is the JSON pointer to the operator.

    `money` is given for clauses that compare money with amounts.
    """

    operator: str
    arguments: tuple["Node", ...]
    type: str
    path: str
    money: MoneyScope | None = None


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


def literals_of(node: Node) -> Iterator[Literal]:
    """Yield every literal in the node, in document order."""
    if isinstance(node, Literal):
        yield node
    elif isinstance(node, Call):
        for argument in node.arguments:
            yield from literals_of(argument)


def scopes_of(node: Node) -> Iterator[MoneyScope]:
    """Yield the currencies of each clause that compares money with amounts."""
    if isinstance(node, Call):
        if node.money:
            yield node.money
        for argument in node.arguments:
            yield from scopes_of(argument)


def fields_of(node: Node) -> tuple[str, ...]:
    """Return the names of the fields that the node reads, without repetition, in document order.

    Facts that hold the currency of amounts come last.
    """
    currencies = [name for scope in scopes_of(node) for name in scope.currency_fields]
    return tuple(dict.fromkeys([*(read.name for read in reads_of(node)), *currencies]))


def required_fields(node: Node) -> dict[str, str]:
    """Return the fields without which the clause is unknown, with their types, in document order."""
    if isinstance(node, Read):
        return {node.name: node.type} if node.name != ITEM else {}
    fields: dict[str, str] = {}
    if isinstance(node, Call) and node.operator not in _NEVER_UNKNOWN:
        for argument in node.arguments:
            fields |= required_fields(argument)
    return fields
