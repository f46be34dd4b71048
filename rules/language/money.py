"""Bind amounts to the currencies in which they hold.

An amount in a rule is in the merchant's own currency, or in those that the rule names, as in {"EUR": 50000, "GBP":
43000}. A clause that compares money with amounts is unknown for a request in any other currency: for want of a rate,
62000 JPY are neither over nor under EUR 500.00.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import cast

from rules.language.checker import Checker
from rules.language.tree import Amounts, Call, Literal, MoneyScope, Node, Read, is_connective, literals_of
from rules.language.vocabulary import Vocabulary

_SUMS = frozenset({"==", "!=", "<", "<=", ">", ">=", "between", "in", "+", "-", "min", "max", "%", "default", "if"})
"""Operators whose operands must all be money if one of them is."""

_JUDGE_PRESENCE = frozenset({"exists", "missing_some"})


def with_currencies(node: Node, check: Checker) -> Node:
    """Return the condition with the currencies of each clause; problems are recorded in `check`."""
    if is_connective(node):
        parts = tuple(with_currencies(part, check) for part in cast(Call, node).arguments)
        return replace(cast(Call, node), arguments=parts)
    return _bound(node, check) if isinstance(node, Call) else node


def in_currency(node: Node, currency: str) -> Node:
    """Return a clause as it reads for carts in one currency: with the amounts of that currency only."""
    if isinstance(node, Literal) and isinstance(node.value, Amounts):
        amount = node.value.of(currency)
        return replace(node, value=amount, raw=amount)
    if isinstance(node, Call):
        return replace(node, arguments=tuple(in_currency(part, currency) for part in node.arguments), money=None)
    return node


def _bound(clause: Call, check: Checker) -> Call:
    vocabulary, maps = check.vocabulary, [literal for literal in literals_of(clause) if _is_map(literal)]
    money = [read for read in _compared_reads(clause) if read.type == "money"]
    if maps and not (money and vocabulary.currency):
        where = "compared with a fact of money, such as cart.total" if vocabulary.currency else "used in new plans"
        check.problem(maps[0].path, f"gives amounts by currency, which can only be {where}")
        return clause
    mixed = list(_not_money(clause)) if money and vocabulary.currency else []
    if not (maps or mixed):
        return clause
    return _scoped(clause, money, maps, mixed, vocabulary)


def _scoped(clause: Call, money: list[Read], maps: list[Literal], mixed: list[Node], vocabulary: Vocabulary) -> Call:
    """Return the clause with its currencies; amounts by currency learn which fact chooses between them."""
    own = vocabulary.own_currency(money[0].name)
    names = [vocabulary.currency_field(read.name) for read in money]
    fields = tuple(dict.fromkeys(name for name in names if name))
    accepted = [frozenset(dict(cast(Amounts, literal.value).by_currency)) for literal in maps]
    if len(fields) != 1 or any(not _is_map(node) for node in mixed):
        accepted.append(frozenset({own}))
    chooser = fields[0] if len(fields) == 1 else None
    scope = MoneyScope(money[0].name, fields, own, frozenset.intersection(*accepted))
    bound = _with_chooser(clause, chooser, own)
    return replace(cast(Call, bound), money=scope if fields or own not in scope.accepted else None)


def _with_chooser(node: Node, currency_field: str | None, own: str) -> Node:
    if isinstance(node, Literal) and isinstance(node.value, Amounts):
        return replace(node, value=replace(node.value, currency_field=currency_field, own=own))
    if isinstance(node, Call):
        return replace(node, arguments=tuple(_with_chooser(part, currency_field, own) for part in node.arguments))
    return node


def _is_map(node: Node) -> bool:
    return isinstance(node, Literal) and isinstance(node.value, Amounts)


def _compared_reads(node: Node) -> Iterator[Read]:
    if isinstance(node, Read):
        yield node
    elif isinstance(node, Call) and node.operator not in _JUDGE_PRESENCE:
        for part in node.arguments:
            yield from _compared_reads(part)


def _not_money(node: Node) -> Iterator[Node]:
    """Yield what stands beside money in a comparison or a sum without being a fact of money: amounts, mostly."""
    if not isinstance(node, Call) or node.operator in _JUDGE_PRESENCE:
        return
    operands = _operands(node)
    if node.operator in _SUMS and any(map(_degree, operands)):
        yield from (operand for operand in operands if isinstance(operand, Literal) or not _degree(operand))
    elif node.operator == "cat" and any(map(_degree, operands)):
        yield node
    for part in node.arguments:
        yield from _not_money(part)


def _operands(node: Call) -> tuple[Node, ...]:
    """Return the arguments that an operator compares or adds; those of `if` are its possible values."""
    return (*node.arguments[1:-1:2], node.arguments[-1]) if node.operator == "if" else node.arguments


def _degree(node: Node) -> int:
    """Return the power of money in a node's unit: 1 for an amount, 0 for a number or for a share of two amounts."""
    if isinstance(node, Read):
        return int(node.type == "money")
    if isinstance(node, Literal):
        return int(_is_map(node))
    degrees = [_degree(operand) for operand in _operands(node)]
    match node.operator:
        case "*":
            return sum(degrees)
        case "/":
            return degrees[0] - degrees[1]
        case "+" | "-" | "min" | "max" | "%" | "default" | "if":
            return max(degrees)
    return 0
