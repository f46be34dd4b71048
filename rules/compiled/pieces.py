"""Neighbouring rules as two generated functions: what of a compiled rule set is made again as a whole.

A piece knows nothing of what stands around it, so it serves in every set in which the same rules are neighbours.
"""

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast
from zlib import crc32

from rules.compiled.expressions import Constants, Expressions
from rules.compiled.syntax import both, call, constant, do, do_if, function, masked, name, negated, plus, tuple_of
from rules.language.evaluate import Lists
from rules.language.tree import Rule, fields_of, required_fields
from rules.language.vocabulary import Vocabulary

MOST_RULES = 64
USUAL_RULES = 48
"""One huge function compiles slowly and in one piece; of this size it takes milliseconds, and a call costs little."""

_Function = Callable[..., None]


class Names:
    """The local variable of each declared field, and the bit that says that it is missing."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.locals = {field: f"f{index}" for index, field in enumerate(vocabulary)}
        self.bits = {field: 1 << index for index, field in enumerate(vocabulary)}


@dataclass(frozen=True, slots=True)
class Piece:
    """`fire(add, base, *fields)` adds the numbers of the rules that fire, `doubt(add, base, missing, *fields)` those
    undecided, each with the field that it lacks. The first rule has the number `base`.
    """

    rules: tuple[Rule, ...]
    fields: tuple[str, ...]
    fire: _Function
    doubt: _Function

    def is_of(self, rules: Sequence[Rule]) -> bool:
        """Whether it was made of these very rules."""
        return len(rules) == len(self.rules) and all(map(_is, rules, self.rules))


def _is(one: Rule, other: Rule) -> bool:
    return one is other


def parts_of(rules: Sequence[Rule]) -> Iterator[tuple[Rule, ...]]:
    """The rules in parts for a piece each. Ids say where one ends, so that a rule more or less changes but one."""
    begin = 0
    for end, rule in enumerate(rules, start=1):
        if end - begin == MOST_RULES or crc32(rule.id.encode(errors="surrogatepass")) % USUAL_RULES == 0:
            yield tuple(rules[begin:end])
            begin = end
    if begin < len(rules):
        yield tuple(rules[begin:])


def make_piece(rules: tuple[Rule, ...], names: Names, lists: Lists) -> Piece:
    """Compile the functions; `names` and `lists` are those of the set that it becomes part of."""
    fields = tuple(sorted({field for rule in rules for field in fields_of(rule.condition)}))
    constants = Constants(lists)
    writer = _Writer(names, Expressions(names.locals, constants))
    used = [names.locals[field] for field in fields]
    table: dict[str, object] = {}
    fire = made(function("fire", ["add", "base", *used], writer.firings(rules)), table)
    doubt = made(function("doubt", ["add", "base", "missing", *used], writer.doubts(rules)), table)
    table.update(constants.table)
    return Piece(rules, fields, fire, doubt)


def made(definition: ast.FunctionDef, table: dict[str, object]) -> Callable[..., Any]:
    """The function, which will find its constants in `table`.

    One at a time: neither the compiler nor the collector of so many nodes lets other threads run meanwhile.
    """
    exec(compile(ast.Module([definition], type_ignores=[]), "<rules>", "exec"), table)  # noqa: S102
    # A table that held the function which holds it would stay until the collector looks at everything.
    return cast(Callable[..., Any], table.pop(definition.name))


class _Writer:
    def __init__(self, names: Names, expressions: Expressions) -> None:
        self._bits = names.bits
        self._expressions = expressions

    def firings(self, rules: Sequence[Rule]) -> list[ast.stmt]:
        return [
            do_if(self._expressions.true(rule.condition), [do(call(name("add"), _number(index)))])
            for index, rule in enumerate(rules)
        ]

    def doubts(self, rules: Sequence[Rule]) -> list[ast.stmt]:
        """A rule that lacks a field is undecided unless surely false (or fired, which is seen later)."""
        statements: list[ast.stmt] = []
        for index, rule in enumerate(rules):
            mask = sum(self._bits[field] for field in required_fields(rule.condition))
            if mask:
                may_be_true = negated(self._expressions.false(rule.condition))
                lacked = tuple_of(_number(index), self._expressions.lacked(rule.condition))
                test = both([masked(name("missing"), mask), may_be_true])
                statements.append(do_if(test, [do(call(name("add"), lacked))]))
        return statements


def _number(index: int) -> ast.expr:
    return plus(name("base"), constant(index))
