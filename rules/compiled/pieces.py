"""Compile neighbouring rules into a piece, the unit that is reused when a rule set is compiled again.

A piece does not depend on the rules around it, so it can be reused in every set with the same neighbouring rules.
"""

import ast
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, cast
from zlib import crc32

from rules.compiled.expressions import Constants, Expressions
from rules.compiled.syntax import both, call, constant, do, do_if, function, masked, name, negated, plus, tuple_of
from rules.language.evaluate import Lists
from rules.language.tree import MoneyScope, Rule, fields_of, required_fields, scopes_of
from rules.language.vocabulary import Vocabulary

MOST_RULES = 64
USUAL_RULES = 48
"""One function for all rules would block other threads while it compiles; a piece this size takes milliseconds."""

_Function = Callable[..., None]

# CPython before 3.12 counts the depth of all threads' trees in one number, and fails where two threads build some at
# once (python/cpython#106905).
_one_tree_at_a_time = Lock()


def parse_statements(source: str) -> list[ast.stmt]:
    """Return the statements of generated source; it holds nothing of what merchants write."""
    with _one_tree_at_a_time:
        return ast.parse(source).body


class Names:
    """The local variable of each declared field, and the bit that marks it as missing."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.locals = {field: f"f{index}" for index, field in enumerate(vocabulary)}
        self.bits = {field: 1 << index for index, field in enumerate(vocabulary)}


@dataclass(frozen=True, slots=True)
class Piece:
    """Neighbouring rules as two generated functions.

    `fire(add, base, *fields)` adds the indices of the rules that fire. `doubt(add, base, missing, *fields)` adds the
    undecided ones, each with the field that it lacks. `base` is the index of the first rule. `scopes` are the
    currencies of the amounts in the rules.
    """

    rules: tuple[Rule, ...]
    fields: tuple[str, ...]
    scopes: tuple[MoneyScope, ...]
    fire: _Function
    doubt: _Function

    def is_of(self, rules: Sequence[Rule]) -> bool:
        """Return whether the piece was compiled from these same rule objects."""
        return len(rules) == len(self.rules) and all(map(operator.is_, rules, self.rules))


def chunks(rules: Sequence[Rule]) -> Iterator[tuple[Rule, ...]]:
    """Split the rules into the chunks that become a piece each.

    A hash of the rule's id decides where a chunk ends, so that adding or removing a rule changes a single chunk.
    """
    start = 0
    for end, rule in enumerate(rules, start=1):
        if end - start == MOST_RULES or crc32(rule.id.encode(errors="surrogatepass")) % USUAL_RULES == 0:
            yield tuple(rules[start:end])
            start = end
    if start < len(rules):
        yield tuple(rules[start:])


def make_piece(rules: tuple[Rule, ...], names: Names, lists: Lists) -> Piece:
    """Compile neighbouring rules; `names` and `lists` are those of the rule set."""
    fields = tuple(sorted({field for rule in rules for field in fields_of(rule.condition)}))
    constants = Constants(lists)
    writer = _PieceWriter(names, Expressions(names.locals, constants))
    used = [names.locals[field] for field in fields]
    table: dict[str, object] = {}
    fire = build_function(function("fire", ["add", "base", *used], writer.firings(rules)), table)
    doubt = build_function(function("doubt", ["add", "base", "missing", *used], writer.doubts(rules)), table)
    table.update(constants.table)
    scopes = tuple(dict.fromkeys(scope for rule in rules for scope in scopes_of(rule.condition)))
    return Piece(rules, fields, scopes, fire, doubt)


def build_function(definition: ast.FunctionDef, table: dict[str, object]) -> Callable[..., Any]:
    """Compile the definition and return the function, which reads its constants from `table`.

    Compile one function at a time: neither the compiler nor the freeing of so many nodes releases the GIL.
    """
    with _one_tree_at_a_time:
        code = compile(ast.Module([definition], type_ignores=[]), "<rules>", "exec")
    exec(code, table)  # noqa: S102
    # Remove the function from its own globals: without the reference cycle it is freed at once, without a GC pass.
    return cast(Callable[..., Any], table.pop(definition.name))


class _PieceWriter:
    def __init__(self, names: Names, expressions: Expressions) -> None:
        self._bits = names.bits
        self._expressions = expressions

    def firings(self, rules: Sequence[Rule]) -> list[ast.stmt]:
        return [
            do_if(self._expressions.true(rule.condition), [do(call(name("add"), _number(index)))])
            for index, rule in enumerate(rules)
        ]

    def doubts(self, rules: Sequence[Rule]) -> list[ast.stmt]:
        """Write a statement for each rule that may be undecided: a field is missing and it is not surely false."""
        statements: list[ast.stmt] = []
        for index, rule in enumerate(rules):
            amounts = (scope.amount for scope in scopes_of(rule.condition))
            mask = sum(self._bits[field] for field in {*required_fields(rule.condition), *amounts})
            if mask:
                may_be_true = negated(self._expressions.false(rule.condition))
                lacked = tuple_of(_number(index), self._expressions.lacked(rule.condition))
                test = both([masked(name("missing"), mask), may_be_true])
                statements.append(do_if(test, [do(call(name("add"), lacked))]))
        return statements


def _number(index: int) -> ast.expr:
    return plus(name("base"), constant(index))
