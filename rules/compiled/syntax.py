"""Small pieces of Python syntax for generated code, each with the place in a file that `compile` insists on."""

import ast
from collections.abc import Sequence
from functools import cache
from typing import TypedDict

_LOAD = ast.Load()


class _Place(TypedDict):
    lineno: int
    col_offset: int


_PLACE: _Place = {"lineno": 1, "col_offset": 0}


@cache
def name(identifier: str) -> ast.expr:
    """A variable's value."""
    return ast.Name(identifier, _LOAD, **_PLACE)


def constant(value: bool | int | None) -> ast.expr:
    """A value of our own, never a merchant's."""
    return ast.Constant(value, **_PLACE)


def call(function: ast.expr, *arguments: ast.expr) -> ast.expr:
    """A function's value for arguments."""
    return ast.Call(function, list(arguments), [], **_PLACE)


def tuple_of(*parts: ast.expr) -> ast.expr:
    """A tuple."""
    return ast.Tuple(list(parts), _LOAD, **_PLACE)


def both(parts: Sequence[ast.expr]) -> ast.expr:
    """All of the parts."""
    return parts[0] if len(parts) == 1 else ast.BoolOp(ast.And(), list(parts), **_PLACE)


def either(parts: Sequence[ast.expr]) -> ast.expr:
    """Any of the parts."""
    return parts[0] if len(parts) == 1 else ast.BoolOp(ast.Or(), list(parts), **_PLACE)


def negated(part: ast.expr) -> ast.expr:
    """Not the part."""
    return ast.UnaryOp(ast.Not(), part, **_PLACE)


def compare(left: ast.expr, operator: type[ast.cmpop], *others: ast.expr) -> ast.expr:
    """A comparison, or a chain of the same one."""
    return ast.Compare(left, [operator() for _ in others], list(others), **_PLACE)


def masked(left: ast.expr, bits: int) -> ast.expr:
    """Those of the bits that are set."""
    return ast.BinOp(left, ast.BitAnd(), constant(bits), **_PLACE)


def plus(left: ast.expr, right: ast.expr) -> ast.expr:
    """The sum."""
    return ast.BinOp(left, ast.Add(), right, **_PLACE)


def choice(condition: ast.expr, then: ast.expr, otherwise: ast.expr) -> ast.expr:
    """One of two values."""
    return ast.IfExp(condition, then, otherwise, **_PLACE)


def for_each(variable: str, items: ast.expr, value: ast.expr) -> ast.expr:
    """A generator of `value` for each of the items."""
    target = ast.Name(variable, ast.Store(), **_PLACE)
    return ast.GeneratorExp(value, [ast.comprehension(target, items, [], 0)], **_PLACE)


def do_if(test: ast.expr, body: Sequence[ast.stmt]) -> ast.stmt:
    """An if statement."""
    return ast.If(test, list(body), [], **_PLACE)


def do(expression: ast.expr) -> ast.stmt:
    """An expression for its effect."""
    return ast.Expr(expression, **_PLACE)


def function(identifier: str, parameters: Sequence[str], body: Sequence[ast.stmt]) -> ast.FunctionDef:
    """A function definition."""
    named = [ast.arg(parameter, **_PLACE) for parameter in parameters]
    arguments = ast.arguments([], named, None, [], [], None, [])
    return ast.FunctionDef(identifier, arguments, list(body) or [ast.Pass(**_PLACE)], [], None, **_PLACE)
