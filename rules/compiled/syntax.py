"""Build Python syntax nodes for generated code, each with the line and column that `compile` requires."""

import ast
from collections.abc import Sequence
from functools import cache
from typing import TypedDict

_LOAD = ast.Load()


class _Position(TypedDict):
    lineno: int
    col_offset: int


_POSITION: _Position = {"lineno": 1, "col_offset": 0}


@cache
def name(identifier: str) -> ast.expr:
    """Return a variable's value."""
    return ast.Name(identifier, _LOAD, **_POSITION)


def constant(value: bool | int | None) -> ast.expr:
    """Return a constant that this package generates, never a merchant's value."""
    return ast.Constant(value, **_POSITION)


def call(function: ast.expr, *arguments: ast.expr) -> ast.expr:
    """Return a call of a function."""
    return ast.Call(function, list(arguments), [], **_POSITION)


def tuple_of(*parts: ast.expr) -> ast.expr:
    """Return a tuple."""
    return ast.Tuple(list(parts), _LOAD, **_POSITION)


def both(parts: Sequence[ast.expr]) -> ast.expr:
    """Return the conjunction of the parts."""
    return parts[0] if len(parts) == 1 else ast.BoolOp(ast.And(), list(parts), **_POSITION)


def either(parts: Sequence[ast.expr]) -> ast.expr:
    """Return the disjunction of the parts."""
    return parts[0] if len(parts) == 1 else ast.BoolOp(ast.Or(), list(parts), **_POSITION)


def negated(part: ast.expr) -> ast.expr:
    """Return the negation of the part."""
    return ast.UnaryOp(ast.Not(), part, **_POSITION)


def compare(left: ast.expr, operator: type[ast.cmpop], *others: ast.expr) -> ast.expr:
    """Return a comparison, or a chain with one operator."""
    return ast.Compare(left, [operator() for _ in others], list(others), **_POSITION)


def masked(left: ast.expr, bits: int) -> ast.expr:
    """Return the bitwise and of `left` and `bits`."""
    return ast.BinOp(left, ast.BitAnd(), constant(bits), **_POSITION)


def plus(left: ast.expr, right: ast.expr) -> ast.expr:
    """Return the sum."""
    return ast.BinOp(left, ast.Add(), right, **_POSITION)


def choice(condition: ast.expr, consequent: ast.expr, otherwise: ast.expr) -> ast.expr:
    """Return a conditional expression."""
    return ast.IfExp(condition, consequent, otherwise, **_POSITION)


def for_each(variable: str, items: ast.expr, value: ast.expr) -> ast.expr:
    """Return a generator expression of `value` for each of the items."""
    target = ast.Name(variable, ast.Store(), **_POSITION)
    return ast.GeneratorExp(value, [ast.comprehension(target, items, [], 0)], **_POSITION)


def do_if(test: ast.expr, body: Sequence[ast.stmt]) -> ast.stmt:
    """Return an if statement."""
    return ast.If(test, list(body), [], **_POSITION)


def do(expression: ast.expr) -> ast.stmt:
    """Return an expression statement."""
    return ast.Expr(expression, **_POSITION)


def function(identifier: str, parameters: Sequence[str], body: Sequence[ast.stmt]) -> ast.FunctionDef:
    """Return a function definition."""
    parameter_nodes = [ast.arg(parameter, **_POSITION) for parameter in parameters]
    arguments = ast.arguments([], parameter_nodes, None, [], [], None, [])
    return ast.FunctionDef(identifier, arguments, list(body) or [ast.Pass(**_POSITION)], [], None, **_POSITION)
