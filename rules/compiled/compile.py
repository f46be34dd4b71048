"""A rule set as generated Python functions that read each fact once and return the rules that fire.

The functions are built with `ast` from checked trees. Nothing that a merchant wrote becomes source: names are
made here (`f3` for a field, `k7` for a constant) and every literal is looked up in a table of constants.

A field that is missing or of another type is None, or NaN if its type is numeric: then the commonest
comparisons are false by themselves, and only the others must ask first whether the field is there.
"""

import ast
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from rules.compiled.expressions import Constants
from rules.compiled.pieces import Names, Piece, made, make_piece, parts_of
from rules.compiled.syntax import call, constant, do, do_if, name, tuple_of
from rules.json_logic.javascript import LARGEST_SAFE
from rules.language.evaluate import Lists, Unknown, read_values, verdict
from rules.language.problems import Problem, RuleError
from rules.language.tree import Read, Rule, reads_of
from rules.language.values import NUMERIC
from rules.language.vocabulary import Field, Vocabulary

# the checks of the commonest types, written out because a call costs more than the check
_WHOLE = "type({0}) is not int or not LOW <= {0} <= HIGH"
_CHECKS = {
    "boolean": "type({0}) is not bool",
    "integer": _WHOLE,
    "money": _WHOLE,
    "number": f"not -LARGEST <= {{0}} <= LARGEST if type({{0}}) is float else {_WHOLE}",
    "string": "type({0}) is not str",
}
_LIMITS = {"NAN": math.nan, "LOW": -LARGEST_SAFE, "HIGH": LARGEST_SAFE, "LARGEST": math.nextafter(math.inf, 0)}

_Undecided = tuple[int, str | None]
_Run = Callable[[Mapping[str, object]], tuple[list[int], list[_Undecided]]]


@dataclass(frozen=True, slots=True)
class Firing:
    """Indices of the rules that fire, in order, and of the undecided, each with the field that it lacked."""

    fired: tuple[int, ...]
    skipped: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class CompiledRules:
    """A rule set ready to be evaluated. `fields` are the names of the facts that it reads."""

    rules: tuple[Rule, ...]
    fields: frozenset[str]
    _pieces: tuple[Piece, ...]
    _vocabulary: Vocabulary
    _lists: Lists
    _run: _Run

    def evaluate(self, facts: Mapping[str, object]) -> Firing:
        """The rules that fire for `facts`: raw JSON values by dotted name."""
        fired, undecided = self._run(facts)
        if not undecided:
            return Firing(tuple(fired), ())
        decided = set(fired)
        skipped = [(i, field or self._lacked(i, facts)) for i, field in undecided if i not in decided]
        return Firing(tuple(fired), tuple(skipped))

    def pieces(self, vocabulary: Vocabulary, lists: Lists) -> tuple[Piece, ...]:
        """Those that serve with this vocabulary and these lists too: all if they are the very same, or none."""
        return self._pieces if vocabulary is self._vocabulary and lists is self._lists else ()

    def _lacked(self, index: int, facts: Mapping[str, object]) -> str:
        condition = self.rules[index].condition
        return cast(Unknown, verdict(condition, read_values(condition, facts, self._vocabulary), self._lists)).field


def compile_rules(
    rules: Sequence[Rule], vocabulary: Vocabulary, lists: Lists, *, like: CompiledRules | None = None
) -> CompiledRules:
    """One function out of a rule set; `lists` are the merchant's lists as they are now.

    Indices in its answers are positions in `rules`. `like` is a set compiled before: what stood together in it, and
    was compiled with this very vocabulary and these very lists, is taken over. Raises RuleError if a rule reads a
    field that `vocabulary` does not declare with the type that the rule was checked against.
    """
    known = {id(piece.rules[0]): piece for piece in (like.pieces(vocabulary, lists) if like else ())}
    names, begin, pieces = Names(vocabulary), 0, []
    for part in parts_of(rules):
        piece = known.get(id(part[0]))
        if piece is None or not piece.is_of(part):
            _check_fields(part, begin, vocabulary)
            piece = make_piece(part, names, lists)
        pieces.append(piece)
        begin += len(part)
    fields = frozenset(field for piece in pieces for field in piece.fields)
    read = [field for field in vocabulary.values() if field.name in fields]
    return CompiledRules(tuple(rules), fields, tuple(pieces), vocabulary, lists, _joined(pieces, read, names))


def _check_fields(rules: Sequence[Rule], begin: int, vocabulary: Vocabulary) -> None:
    problems = [
        Problem(f"/{index}{read.path}", message)
        for index, rule in enumerate(rules, start=begin)
        for read in reads_of(rule.condition)
        if (message := _changed(read, vocabulary))
    ]
    if problems:
        raise RuleError(problems)


def _changed(read: Read, vocabulary: Vocabulary) -> str | None:
    field = vocabulary.get(read.name)
    if field is None:
        return f"{read.name} is not a declared fact any more"
    return None if field.type == read.type else f"{read.name} is a {field.type} now; it was a {read.type}"


def _joined(pieces: Iterable[Piece], fields: Iterable[Field], names: Names) -> _Run:
    """The generated `evaluate`, which reads the facts and calls the pieces: the rules that fire and those undecided."""
    constants, table, begin = Constants({}), dict[str, object](_LIMITS), 0
    certain: list[ast.stmt] = []
    doubtful: list[ast.stmt] = []
    for index, piece in enumerate(pieces):
        used = [name(names.locals[field]) for field in piece.fields]
        table |= {f"fire{index}": piece.fire, f"doubt{index}": piece.doubt}
        certain.append(_calling(f"fire{index}", "fired", constant(begin), *used))
        doubtful.append(_calling(f"doubt{index}", "undecided", constant(begin), name("missing"), *used))
        begin += len(piece.rules)
    if doubtful:
        certain.append(do_if(name("missing"), doubtful))
    source = "def evaluate(facts):\n get = facts.get\n missing = 0\n fired = []\n undecided = []"
    main = cast(ast.FunctionDef, ast.parse(source).body[0])
    main.body += [statement for field in fields for statement in _reading(field, names, constants)]
    main.body += [*certain, ast.Return(tuple_of(name("fired"), name("undecided")), lineno=1, col_offset=0)]
    table.update(constants.table)
    return made(main, table)


def _reading(field: Field, names: Names, constants: Constants) -> list[ast.stmt]:
    """Statements that read one fact and leave None (NaN for numbers) where it is missing or ill-typed."""
    local, key = names.locals[field.name], constants.name_of(field.name)
    absent = "NAN" if field.type in NUMERIC else "None"
    check = None if field.allowed else _CHECKS.get(field.type)
    if check:
        source = f"{local} = get({key})\nif {check.format(local)}:\n {local} = {absent}\n missing |= "
    else:
        reader = constants.name_of(field.reader)
        source = f"{local} = {reader}(get({key}))\nif {local} is None:\n missing |= "
    return ast.parse(f"{source}{names.bits[field.name]}").body


def _calling(identifier: str, target: str, *arguments: ast.expr) -> ast.stmt:
    add = ast.Attribute(name(target), "append", ast.Load(), lineno=1, col_offset=0)
    return do(call(name(identifier), add, *arguments))
