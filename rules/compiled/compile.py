"""Compile a rule set into Python functions that read each fact once and return the rules that fire.

The functions are built with `ast` from checked trees. Merchants' text never becomes source: names are generated
(`f3` for a field, `k7` for a constant) and literals come from a table of constants.

A field that is missing or of another type is None, or NaN if its type is numeric. The most common comparisons are
false for these values, so that only the other operators need to check that the field is present.
"""

import ast
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from rules.compiled.expressions import Constants
from rules.compiled.pieces import Names, Piece, build_function, chunks, make_piece, parse_statements
from rules.compiled.syntax import call, constant, do, do_if, name, tuple_of
from rules.json_logic.javascript import LARGEST_SAFE
from rules.json_logic.problems import Problem, RuleError
from rules.language.evaluate import Lists, Unknown, read_values, verdict
from rules.language.tree import MoneyScope, Read, Rule, reads_of
from rules.language.values import NUMERIC
from rules.language.vocabulary import Field, Vocabulary

# Type checks of the most common types are inlined, because a call costs more than the check.
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
    """Indices of the rules that fire, in order, and of the undecided rules, each with the field that it lacked."""

    fired: tuple[int, ...]
    skipped: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class CompiledRules:
    """A rule set ready for evaluation. `fields` are the names of the facts that it reads."""

    rules: tuple[Rule, ...]
    fields: frozenset[str]
    _pieces: tuple[Piece, ...]
    _vocabulary: Vocabulary
    _lists: Lists
    _run: _Run

    def evaluate(self, facts: Mapping[str, object]) -> Firing:
        """Return the rules that fire for `facts` (raw JSON values by dotted name)."""
        fired, undecided = self._run(facts)
        if not undecided:
            return Firing(tuple(fired), ())
        decided = set(fired)
        skipped = [(index, field or self._lacked(index, facts)) for index, field in undecided if index not in decided]
        return Firing(tuple(fired), tuple(skipped))

    def pieces(self, vocabulary: Vocabulary, lists: Lists) -> tuple[Piece, ...]:
        """Return the pieces that can be reused: all if vocabulary and lists are the same objects, otherwise none."""
        return self._pieces if vocabulary is self._vocabulary and lists is self._lists else ()

    def _lacked(self, index: int, facts: Mapping[str, object]) -> str:
        condition = self.rules[index].condition
        return cast(Unknown, verdict(condition, read_values(condition, facts, self._vocabulary), self._lists)).field


def compile_rules(
    rules: Sequence[Rule], vocabulary: Vocabulary, lists: Lists, *, previous: CompiledRules | None = None
) -> CompiledRules:
    """Compile a rule set into one function; `lists` are the merchant's current lists.

    Indices in its answers are positions in `rules`. `previous` is a set compiled earlier: its pieces are reused if they
    hold the same rules and were compiled with the same vocabulary and lists objects. Raises RuleError if a rule reads a
    field that `vocabulary` does not declare with the type that the rule was checked against.
    """
    reusable = {id(piece.rules[0]): piece for piece in (previous.pieces(vocabulary, lists) if previous else ())}
    names, start, pieces = Names(vocabulary), 0, []
    for chunk in chunks(rules):
        piece = reusable.get(id(chunk[0]))
        if piece is None or not piece.is_of(chunk):
            _check_fields(chunk, start, vocabulary)
            piece = make_piece(chunk, names, lists)
        pieces.append(piece)
        start += len(chunk)
    fields = frozenset(field for piece in pieces for field in piece.fields)
    read = [field for field in vocabulary.values() if field.name in fields]
    return CompiledRules(tuple(rules), fields, tuple(pieces), vocabulary, lists, _build_evaluate(pieces, read, names))


def _check_fields(rules: Sequence[Rule], start: int, vocabulary: Vocabulary) -> None:
    problems = [
        Problem(f"/{index}{read.path}", message)
        for index, rule in enumerate(rules, start=start)
        for read in reads_of(rule.condition)
        if (message := _declaration_problem(read, vocabulary))
    ]
    if problems:
        raise RuleError(problems)


def _declaration_problem(read: Read, vocabulary: Vocabulary) -> str | None:
    field = vocabulary.get(read.name)
    if field is None:
        return f"{read.name} is not a declared fact any more"
    return None if field.type == read.type else f"{read.name} is a {field.type} now; it was a {read.type}"


def _build_evaluate(pieces: Iterable[Piece], fields: Iterable[Field], names: Names) -> _Run:
    """Build the generated `evaluate`, which reads the facts and calls the pieces."""
    constants, table, start = Constants({}), dict[str, object](_LIMITS), 0
    certain: list[ast.stmt] = []
    doubtful: list[ast.stmt] = []
    for index, piece in enumerate(pieces):
        used = [name(names.locals[field]) for field in piece.fields]
        table |= {f"fire{index}": piece.fire, f"doubt{index}": piece.doubt}
        certain.append(_call_statement(f"fire{index}", "fired", constant(start), *used))
        doubtful.append(_call_statement(f"doubt{index}", "undecided", constant(start), name("missing"), *used))
        start += len(piece.rules)
    if doubtful:
        certain.append(do_if(name("missing"), doubtful))
    source = "def evaluate(facts):\n get = facts.get\n missing = 0\n fired = []\n undecided = []"
    main = cast(ast.FunctionDef, parse_statements(source)[0])
    main.body += [statement for field in fields for statement in _read_statements(field, names, constants)]
    main.body += _currency_statements({scope for piece in pieces for scope in piece.scopes}, names, constants)
    main.body += [*certain, ast.Return(tuple_of(name("fired"), name("undecided")), lineno=1, col_offset=0)]
    table.update(constants.table)
    return build_function(main, table)


def _read_statements(field: Field, names: Names, constants: Constants) -> list[ast.stmt]:
    """Return statements that read one fact and leave None (NaN for numbers) where it is missing or ill-typed."""
    local, key = names.locals[field.name], constants.name_of(field.name)
    absent = "NAN" if field.type in NUMERIC else "None"
    type_check = None if field.allowed else _CHECKS.get(field.type)
    if type_check:
        source = f"{local} = get({key})\nif {type_check.format(local)}:\n {local} = {absent}\n missing |= "
    else:
        reader = constants.name_of(field.reader)
        source = f"{local} = {reader}(get({key}))\nif {local} is None:\n missing |= "
    return parse_statements(f"{source}{names.bits[field.name]}")


def _currency_statements(scopes: Iterable[MoneyScope], names: Names, constants: Constants) -> list[ast.stmt]:
    """Return statements that mark a money field as missing if a rule cannot judge an amount of its currency."""
    statements: list[ast.stmt] = []
    for scope in sorted(scopes, key=repr):
        accepted, bit = constants.name_of(scope.accepted_values), names.bits[scope.amount]
        for local in [names.locals[field] for field in scope.currency_fields] or ["None"]:
            statements += parse_statements(f"if {local} not in {accepted}:\n missing |= {bit}")
    return statements


def _call_statement(identifier: str, target: str, *arguments: ast.expr) -> ast.stmt:
    add = ast.Attribute(name(target), "append", ast.Load(), lineno=1, col_offset=0)
    return do(call(name(identifier), add, *arguments))
