"""Build Python expressions for checked conditions: surely true, surely false, and the value when no field is missing.

`!` is pushed down to the clauses. "Surely false" is not "not surely true": with a field missing a clause is neither,
so a rule that depends on it does not fire (Kleene's strong logic).
"""

import ast
import math
from collections.abc import Callable, Mapping
from typing import cast

from rules.compiled.syntax import both, call, choice, compare, constant, either, for_each, name, negated
from rules.language.evaluate import FUNCTIONS, Lists
from rules.language.tree import ITEM, Amounts, Call, Literal, Node, Read, is_connective, required_fields
from rules.language.values import NUMERIC

_COMPARISONS: Mapping[str, type[ast.cmpop]] = {
    "==": ast.Eq,
    "!=": ast.NotEq,
    "<": ast.Lt,
    "<=": ast.LtE,
    ">": ast.Gt,
    ">=": ast.GtE,
    "in": ast.In,
    "in_list": ast.In,
}
_DEEPEST_BLAMED = 3  # each level repeats the code of all levels below it
_FALSE_BY_ITSELF = frozenset({"==", "<", "<=", ">", ">=", "between", "in", "in_list"})


_RARELY_TRUE = ("==", "in", "in_list", "between", "<", "<=", ">", ">=")
"""Cheap operators, the ones that are true least often first."""


def _chance_of_truth(clause: Node) -> int:
    """Return the position in which to test a part of an `and`, so that most rules fail at the first part."""
    operator = clause.operator if isinstance(clause, Call) else ""
    return _RARELY_TRUE.index(operator) if operator in _RARELY_TRUE else len(_RARELY_TRUE)


class Constants:
    """The table of all values that generated code refers to by a generated name."""

    def __init__(self, lists: Lists) -> None:
        self.table: dict[str, object] = {}
        self._lists = lists
        self._names: dict[object, str] = {}

    def name_of(self, value: object) -> str:
        """Return the name of a constant; equal constants of one type share it."""
        # -0.0 equals 0.0, but dividing by them gives different results
        key = (type(value), repr(value) if isinstance(value, float) else value)
        if key not in self._names:
            self._names[key] = f"k{len(self._names)}"
            self.table[self._names[key]] = value
        return self._names[key]

    def expression(self, value: object) -> ast.expr:
        """Return the expression for a constant."""
        return name(self.name_of(value))

    def lookup(self, amounts: Amounts) -> ast.expr:
        """Return the function that gives the amount for a value of the currency fact; NaN where there is none."""
        key = (Amounts, amounts)
        if key not in self._names:
            by_currency: dict[str | None, float] = {**dict(amounts.by_currency)}
            own = amounts.of(None)
            if own is not None:
                by_currency[None] = own
            self._names[key] = f"k{len(self._names)}"
            self.table[self._names[key]] = lambda currency: by_currency.get(currency, math.nan)
        return name(self._names[key])

    def literal(self, literal: Literal) -> ast.expr:
        """Return the expression for a literal; the name of a list stands for its members."""
        if literal.type == "list name":
            return self.expression(self._lists.get(str(literal.value), frozenset()))
        return self.expression(literal.value)


class Expressions:
    """Builds expressions over the local variables of the generated functions; `locals_` maps fields to variables."""

    def __init__(self, locals_: Mapping[str, str], constants: Constants) -> None:
        self._locals = {field: name(local) for field, local in locals_.items()} | {ITEM: name("item")}
        self._constants = constants

    def true(self, node: Node) -> ast.expr:
        """Return an expression that is truthy exactly if the condition is surely true."""
        if not is_connective(node):
            plain = self.plain(node)
            guards = [guard for _, guard in self._currency_guards(node)]
            return both([plain, *guards] if _is_false_by_itself(node) else [*self._presences(node), plain])
        parts = cast(Call, node).arguments
        match cast(Call, node).operator:
            case "and":
                return both([self.true(part) for part in sorted(parts, key=_chance_of_truth)])
            case "or":
                return either([self.true(part) for part in parts])
            case "!":
                return self.false(parts[0])
        return compare(self.three(node), ast.Is, constant(True))

    def false(self, node: Node) -> ast.expr:
        """Return an expression that is truthy exactly if the condition is surely false."""
        if not is_connective(node):
            return both([*self._presences(node), negated(self.plain(node))])
        parts = cast(Call, node).arguments
        match cast(Call, node).operator:
            case "and":
                return either([self.false(part) for part in parts])
            case "or":
                return both([self.false(part) for part in parts])
            case "!":
                return self.true(parts[0])
        return compare(self.three(node), ast.Is, constant(False))

    def three(self, node: Node) -> ast.expr:
        """Return an expression for True, False or None (unknown).

        Used below `if`, where writing a true and a false form of each part would double the code at every level.
        """
        if not is_connective(node):
            value = call(name("bool"), self.plain(node))
            present = self._presences(node)
            return choice(both(present), value, constant(None)) if present else value
        parts = [self.three(part) for part in cast(Call, node).arguments]
        return self._apply(_JOINS[cast(Call, node).operator], parts)

    def lacked(self, node: Node) -> ast.expr:
        """Return an expression for the field that makes the condition unknown, or None (the slow walk resolves it)."""
        return self._lacked(node) if _nesting(node) <= _DEEPEST_BLAMED else constant(None)

    def _lacked(self, node: Node) -> ast.expr:
        if is_connective(node):
            return either([self._lacked_by_part(part) for part in cast(Call, node).arguments])
        blamed = constant(None)
        for field, present in reversed(self._presence_by_field(node)):
            blamed = choice(present, blamed, self._constants.expression(field))
        return blamed

    def _lacked_by_part(self, node: Node) -> ast.expr:
        """Return the same for a part; falsy if the part is decided despite the missing field."""
        operator = cast(Call, node).operator if is_connective(node) else None
        if operator == "and":
            return both([negated(self.false(node)), self._lacked(node)])
        return both([negated(self.true(node)), self._lacked(node)]) if operator == "or" else self._lacked(node)

    def plain(self, node: Node) -> ast.expr:
        """Return the node's value, provided that all fields that it requires are present."""
        if isinstance(node, Literal):
            return self._literal(node)
        if isinstance(node, Read):
            return self._locals[node.name]
        special = _PLAIN.get(node.operator)
        if special:
            return special(self, node)
        arguments = [self.plain(argument) for argument in node.arguments]
        if node.operator in _COMPARISONS:
            return compare(arguments[0], _COMPARISONS[node.operator], *arguments[1:])
        return self._apply(FUNCTIONS[node.operator], arguments)

    def _literal(self, literal: Literal) -> ast.expr:
        if not isinstance(literal.value, Amounts):
            return self._constants.literal(literal)
        field = literal.value.currency_field
        return call(self._constants.lookup(literal.value), self._locals[field] if field else constant(None))

    def _apply(self, function: Callable[..., object], arguments: list[ast.expr]) -> ast.expr:
        return call(self._constants.expression(function), *arguments)

    def _presences(self, node: Node) -> list[ast.expr]:
        return [present for _, present in self._presence_by_field(node)]

    def _presence_by_field(self, node: Node) -> list[tuple[str, ast.expr]]:
        present = [(field, self._presence(field, type_)) for field, type_ in required_fields(node).items()]
        return [*present, *self._currency_guards(node)]

    def _currency_guards(self, node: Node) -> list[tuple[str, ast.expr]]:
        """Return conditions for the currencies of a clause's amounts, each with the money field that it concerns."""
        scope = node.money if isinstance(node, Call) else None
        if scope is None:
            return []
        accepted = self._constants.expression(scope.accepted_values)
        if not scope.currency_fields:
            return [(scope.amount, compare(constant(None), ast.In, accepted))]
        return [(scope.amount, compare(self._locals[name], ast.In, accepted)) for name in scope.currency_fields]

    def _presence(self, field: str, type_: str) -> ast.expr:
        local = self._locals[field]
        # a missing number is NaN, which is not equal to itself
        return compare(local, ast.Eq, local) if type_ in NUMERIC else compare(local, ast.IsNot, constant(None))

    # --- operators with an expression of their own

    def between(self, node: Call) -> ast.expr:
        value, low, high = (self.plain(argument) for argument in node.arguments)
        return compare(low, ast.LtE, value, high)

    def exists(self, node: Call) -> ast.expr:
        read = cast(Read, node.arguments[0])
        return self._presence(read.name, read.type)

    def default(self, node: Call) -> ast.expr:
        return self._or_else(cast(Read, node.arguments[0]), self.plain(node.arguments[1]))

    def missing_some(self, node: Call) -> ast.expr:
        needed, *reads = node.arguments
        values = [self._or_else(cast(Read, read), constant(None)) for read in reads]
        return self._apply(FUNCTIONS["missing_some"], [self.plain(needed), *values])

    def _or_else(self, read: Read, otherwise: ast.expr) -> ast.expr:
        return choice(self._presence(read.name, read.type), self.plain(read), otherwise)

    def some(self, node: Call) -> ast.expr:
        items, condition = node.arguments
        return call(name("any"), for_each("item", self.plain(items), self.plain(condition)))

    def none(self, node: Call) -> ast.expr:
        return negated(self.some(node))

    def every(self, node: Call) -> ast.expr:
        items, condition = (self.plain(argument) for argument in node.arguments)
        # as in JSON-logic, `all` of an empty list is false
        return both([items, call(name("all"), for_each("item", items, condition))])


_PLAIN: Mapping[str, Callable[[Expressions, Call], ast.expr]] = {
    "between": Expressions.between,
    "exists": Expressions.exists,
    "default": Expressions.default,
    "missing_some": Expressions.missing_some,
    "some": Expressions.some,
    "all": Expressions.every,
    "none": Expressions.none,
}


def _nesting(node: Node) -> int:
    """Return how many connectives are nested. `if` counts as too deep: its code would grow too large."""
    if not is_connective(node):
        return 0
    connective = cast(Call, node)
    return _DEEPEST_BLAMED + 1 if connective.operator == "if" else 1 + max(map(_nesting, connective.arguments))


def _is_false_by_itself(node: Node) -> bool:
    """Return whether the clause is falsy anyway where a field is None or NaN, and cannot raise."""
    if isinstance(node, Read):
        return node.type == "boolean"
    if not isinstance(node, Call) or node.operator not in _FALSE_BY_ITSELF:
        return False
    if not all(isinstance(argument, Read | Literal) for argument in node.arguments):
        return False
    reads = [argument for argument in node.arguments if isinstance(argument, Read)]
    if all(read.type in NUMERIC for read in reads):
        return True
    # None is in no set and equals no literal, but it cannot be ordered and equals another None
    return node.operator in {"==", "in", "in_list"} and len(reads) == 1 and reads[0] is node.arguments[0]


# --- three-valued logic with None for unknown


def and3(*parts: bool | None) -> bool | None:
    """Return Kleene's conjunction."""
    return False if False in parts else (None if None in parts else True)


def or3(*parts: bool | None) -> bool | None:
    """Return Kleene's disjunction."""
    return True if True in parts else (None if None in parts else False)


def not3(part: bool | None) -> bool | None:
    """Return Kleene's negation."""
    return None if part is None else not part


def if3(*parts: bool | None) -> bool | None:
    """Return the chosen value; with an unknown condition, the value that all possible choices agree on, or None."""
    result = parts[-1]
    for index in range(len(parts) - 3, -1, -2):
        condition, consequent = parts[index], parts[index + 1]
        if condition:
            result = consequent
        elif condition is None and consequent is not result:
            result = None
    return result


_JOINS: Mapping[str, Callable[..., object]] = {"and": and3, "or": or3, "!": not3, "if": if3}
