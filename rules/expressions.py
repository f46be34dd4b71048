"""Python expressions for checked conditions: surely true, surely false, and the value once all is known.

`!` is pushed down to the clauses. "Surely false" is not "not surely true": with a field missing, a clause is
neither, and that is what makes a rule with it harmless (Kleene's strong logic).
"""

import ast
from collections.abc import Callable, Mapping
from typing import cast

from rules.evaluate import FUNCTIONS, Lists
from rules.tree import ITEM, Call, Literal, Node, Read, is_connective, required_fields
from rules.values import NUMERIC

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
_FALSE_BY_ITSELF = frozenset({"==", "<", "<=", ">", ">=", "between", "in", "in_list"})
_QUANTIFIERS = {"some": "any", "none": "any", "all": "all"}


class Constants:
    """The table of everything that generated code refers to by a made-up name."""

    def __init__(self, lists: Lists) -> None:
        self.table: dict[str, object] = {}
        self._lists = lists
        self._names: dict[object, str] = {}

    def name_of(self, value: object) -> str:
        """The name of a constant; equal constants of one type share it."""
        # -0.0 equals 0.0, but dividing by it does not
        key = (type(value), repr(value) if isinstance(value, float) else value)
        if key not in self._names:
            self._names[key] = f"k{len(self._names)}"
            self.table[self._names[key]] = value
        return self._names[key]

    def literal(self, literal: Literal) -> ast.expr:
        """The expression for a literal; the name of a list stands for its members."""
        if literal.type == "list name":
            return name(self.name_of(self._lists.get(str(literal.value), frozenset())))
        return name(self.name_of(literal.value))


class Expressions:
    """Expressions over the local variables of the generated functions."""

    def __init__(self, locals_: Mapping[str, str], constants: Constants) -> None:
        self._locals = {**locals_, ITEM: "item"}
        self._constants = constants

    def true(self, node: Node) -> ast.expr:
        """An expression that is truthy exactly if the condition is surely true."""
        if not is_connective(node):
            if _is_false_by_itself(node):
                return self.plain(node)
            return both([*self._presences(node), self.plain(node)])
        connective = cast(Call, node)
        match connective.operator:
            case "and":
                return both([self.true(part) for part in connective.arguments])
            case "or":
                return either([self.true(part) for part in connective.arguments])
            case "!":
                return self.false(connective.arguments[0])
        return _is(self.three(node), True)

    def false(self, node: Node) -> ast.expr:
        """An expression that is truthy exactly if the condition is surely false."""
        if not is_connective(node):
            return both([*self._presences(node), ast.UnaryOp(ast.Not(), self.plain(node))])
        connective = cast(Call, node)
        match connective.operator:
            case "and":
                return either([self.false(part) for part in connective.arguments])
            case "or":
                return both([self.false(part) for part in connective.arguments])
            case "!":
                return self.true(connective.arguments[0])
        return _is(self.three(node), False)

    def three(self, node: Node) -> ast.expr:
        """True, False or None for unknown. Used below `if`, where two forms a part would double at each level."""
        if not is_connective(node):
            known = call("bool", self.plain(node))
            present = self._presences(node)
            return ast.IfExp(both(present), known, ast.Constant(None)) if present else known
        parts = [self.three(part) for part in cast(Call, node).arguments]
        return self._apply(_JOINS[cast(Call, node).operator], parts)

    def plain(self, node: Node) -> ast.expr:
        """The node's value, all fields that it requires being there."""
        if isinstance(node, Literal):
            return self._constants.literal(node)
        if isinstance(node, Read):
            return name(self._locals[node.name])
        special = _PLAIN.get(node.operator)
        if special:
            return special(self, node)
        arguments = [self.plain(argument) for argument in node.arguments]
        if node.operator in _COMPARISONS:
            operators: list[ast.cmpop] = [_COMPARISONS[node.operator]() for _ in arguments[1:]]
            return ast.Compare(arguments[0], operators, arguments[1:])
        return self._apply(FUNCTIONS[node.operator], arguments)

    def _apply(self, function: Callable[..., object], arguments: list[ast.expr]) -> ast.expr:
        return call(self._constants.name_of(function), *arguments)

    def _presences(self, node: Node) -> list[ast.expr]:
        types = _types_read(node)
        return [self._presence(field, types[field]) for field in required_fields(node)]

    def _presence(self, field: str, type_: str) -> ast.expr:
        if type_ in NUMERIC:  # NaN is not equal to itself
            return ast.Compare(name(self._locals[field]), [ast.Eq()], [name(self._locals[field])])
        return ast.Compare(name(self._locals[field]), [ast.IsNot()], [ast.Constant(None)])

    # --- operators with an expression of their own

    def between(self, node: Call) -> ast.expr:
        value, low, high = (self.plain(argument) for argument in node.arguments)
        return ast.Compare(low, [ast.LtE(), ast.LtE()], [value, high])

    def exists(self, node: Call) -> ast.expr:
        read = cast(Read, node.arguments[0])
        return self._presence(read.name, read.type)

    def default(self, node: Call) -> ast.expr:
        read = cast(Read, node.arguments[0])
        return ast.IfExp(
            self._presence(read.name, read.type), self.plain(read), self.plain(node.arguments[1])
        )

    def missing_some(self, node: Call) -> ast.expr:
        needed, *reads = node.arguments
        values = [self._or_none(cast(Read, read)) for read in reads]
        return self._apply(FUNCTIONS["missing_some"], [self.plain(needed), *values])

    def _or_none(self, read: Read) -> ast.expr:
        value = self.plain(read)
        if read.type not in NUMERIC:
            return value
        return ast.IfExp(self._presence(read.name, read.type), value, ast.Constant(None))

    def quantified(self, node: Call) -> ast.expr:
        items, condition = node.arguments
        found = self.plain(items)
        each = ast.comprehension(ast.Name("item", ast.Store()), found, [], 0)
        outcome = call(_QUANTIFIERS[node.operator], ast.GeneratorExp(self.plain(condition), [each]))
        if node.operator == "none":
            return ast.UnaryOp(ast.Not(), outcome)
        return both([found, outcome]) if node.operator == "all" else outcome


_PLAIN: Mapping[str, Callable[[Expressions, Call], ast.expr]] = {
    "between": Expressions.between,
    "exists": Expressions.exists,
    "default": Expressions.default,
    "missing_some": Expressions.missing_some,
    "some": Expressions.quantified,
    "all": Expressions.quantified,
    "none": Expressions.quantified,
}


def _types_read(node: Node) -> dict[str, str]:
    if isinstance(node, Read):
        return {node.name: node.type}
    types: dict[str, str] = {}
    for argument in node.arguments if isinstance(node, Call) else ():
        types |= _types_read(argument)
    return types


def _is_false_by_itself(node: Node) -> bool:
    """Whether the clause is falsy anyway where a field is None or NaN, and cannot raise."""
    if isinstance(node, Read):
        return node.type == "boolean"
    if not isinstance(node, Call) or node.operator not in _FALSE_BY_ITSELF:
        return False
    if not all(isinstance(argument, Read | Literal) for argument in node.arguments):
        return False
    reads = [argument for argument in node.arguments if isinstance(argument, Read)]
    if all(read.type in NUMERIC for read in reads):
        return True
    # None is in no set and equals no literal, but has no order and equals another None
    return (
        node.operator in {"==", "in", "in_list"} and len(reads) == 1 and isinstance(node.arguments[0], Read)
    )


# --- three-valued logic with None for unknown


def and3(*parts: bool | None) -> bool | None:
    """Kleene's and."""
    return False if False in parts else (None if None in parts else True)


def or3(*parts: bool | None) -> bool | None:
    """Kleene's or."""
    return True if True in parts else (None if None in parts else False)


def not3(part: bool | None) -> bool | None:
    """Kleene's not."""
    return None if part is None else not part


def if3(*parts: bool | None) -> bool | None:
    """The chosen part; where the condition is unknown, what all that could be chosen agree on."""
    result = parts[-1]
    for index in range(len(parts) - 3, -1, -2):
        condition, then = parts[index], parts[index + 1]
        if condition:
            result = then
        elif condition is None and then is not result:
            result = None
    return result


_JOINS: Mapping[str, Callable[..., object]] = {"and": and3, "or": or3, "!": not3, "if": if3}


# --- small pieces of syntax


def name(identifier: str) -> ast.expr:
    """A variable's value."""
    return ast.Name(identifier, ast.Load())


def call(function: str, *arguments: ast.expr) -> ast.expr:
    """A function's value for arguments."""
    return ast.Call(name(function), list(arguments), [])


def both(parts: list[ast.expr]) -> ast.expr:
    """All of the parts."""
    return parts[0] if len(parts) == 1 else ast.BoolOp(ast.And(), parts)


def either(parts: list[ast.expr]) -> ast.expr:
    """Any of the parts."""
    return parts[0] if len(parts) == 1 else ast.BoolOp(ast.Or(), parts)


def _is(expression: ast.expr, value: bool) -> ast.expr:
    return ast.Compare(expression, [ast.Is()], [ast.Constant(value)])
