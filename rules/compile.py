"""A rule set as generated Python functions that read each fact once and return the rules that fire.

The functions are built with `ast` from checked trees. Nothing that a merchant wrote becomes source: names are
made here (`f3` for a field, `k7` for a constant) and every literal is looked up in a table of constants.

A field that is missing or of another type is None, or NaN if its type is numeric: then the commonest
comparisons are false by themselves, and only the others must ask first whether the field is there.
"""

import ast
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from rules.evaluate import Lists, Unknown, read_values, verdict
from rules.expressions import Constants, Expressions
from rules.javascript import LARGEST_SAFE
from rules.problems import Problem, RuleError
from rules.syntax import both, call, constant, do, do_if, function, masked, name, negated, tuple_of
from rules.tree import Read, Rule, fields_of, reads_of, required_fields
from rules.values import NUMERIC
from rules.vocabulary import Field, Vocabulary

RULES_A_FUNCTION = 100
"""One huge function compiles slowly and in one piece; of this size it takes milliseconds, and a call costs little."""

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

    def _lacked(self, index: int, facts: Mapping[str, object]) -> str:
        condition = self.rules[index].condition
        return cast(Unknown, verdict(condition, read_values(condition, facts, self._vocabulary), self._lists)).field


def compile_rules(rules: Sequence[Rule], vocabulary: Vocabulary, lists: Lists) -> CompiledRules:
    """One function out of a rule set; `lists` are the merchant's lists as they are now.

    Indices in its answers are positions in `rules`. Raises RuleError if a rule reads a field that
    `vocabulary` does not declare with the type that the rule was checked against.
    """
    names = list(dict.fromkeys(field for rule in rules for field in fields_of(rule.condition)))
    _check_fields(rules, vocabulary)
    module = _Module([vocabulary[field] for field in names], Constants(lists))
    run = module.run(rules)
    return CompiledRules(tuple(rules), frozenset(names), vocabulary, lists, run)


def _check_fields(rules: Sequence[Rule], vocabulary: Vocabulary) -> None:
    problems = [
        Problem(f"/{index}{read.path}", message)
        for index, rule in enumerate(rules)
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


class _Module:
    """Builds `evaluate(facts)` and the functions that it calls."""

    def __init__(self, fields: Sequence[Field], constants: Constants) -> None:
        self._fields = fields
        self._locals = {field.name: f"f{index}" for index, field in enumerate(fields)}
        self._bits = {field.name: 1 << index for index, field in enumerate(fields)}
        self._constants = constants
        self._expressions = Expressions(self._locals, constants)

    def run(self, rules: Sequence[Rule]) -> _Run:
        """The generated `evaluate`: facts to the rules that fire and those undecided."""
        table: dict[str, object] = dict(_LIMITS)
        for each in self._functions(rules):
            # One at a time: neither the compiler nor the collector of so many nodes lets other threads run meanwhile.
            exec(compile(ast.Module([each], type_ignores=[]), "<rules>", "exec"), table)  # noqa: S102
        table.update(self._constants.table)
        return cast(_Run, table["evaluate"])

    def _functions(self, rules: Sequence[Rule]) -> Iterator[ast.stmt]:
        certain: list[ast.stmt] = []
        doubtful: list[ast.stmt] = []
        for start in range(0, len(rules), RULES_A_FUNCTION):
            part = list(enumerate(rules))[start : start + RULES_A_FUNCTION]
            used = sorted({self._locals[field] for _, rule in part for field in fields_of(rule.condition)})
            yield function(f"fire{start}", ["add", *used], [self._firing(i, rule) for i, rule in part])
            yield function(f"doubt{start}", ["add", "missing", *used], self._doubts(part))
            certain.append(_calling(f"fire{start}", "fired", used))
            doubtful.append(_calling(f"doubt{start}", "undecided", ["missing", *used]))
        if doubtful:
            certain.append(do_if(name("missing"), doubtful))
        source = "def evaluate(facts):\n get = facts.get\n missing = 0\n fired = []\n undecided = []"
        main = cast(ast.FunctionDef, ast.parse(source).body[0])
        main.body += [statement for field in self._fields for statement in self._reading(field)]
        main.body += [*certain, ast.Return(tuple_of(name("fired"), name("undecided")), lineno=1, col_offset=0)]
        yield main

    def _reading(self, field: Field) -> list[ast.stmt]:
        """Statements that read one fact and leave None (NaN for numbers) where it is missing or ill-typed."""
        local, key = self._locals[field.name], self._constants.name_of(field.name)
        absent = "NAN" if field.type in NUMERIC else "None"
        check = None if field.allowed else _CHECKS.get(field.type)
        if check:
            source = f"{local} = get({key})\nif {check.format(local)}:\n {local} = {absent}\n missing |= "
        else:
            reader = self._constants.name_of(field.reader)
            source = f"{local} = {reader}(get({key}))\nif {local} is None:\n missing |= "
        return ast.parse(f"{source}{self._bits[field.name]}").body

    def _firing(self, index: int, rule: Rule) -> ast.stmt:
        return do_if(self._expressions.true(rule.condition), [do(call(name("add"), constant(index)))])

    def _doubts(self, part: Sequence[tuple[int, Rule]]) -> list[ast.stmt]:
        """A rule that lacks a field is undecided unless surely false (or fired, which is seen later)."""
        statements: list[ast.stmt] = []
        for index, rule in part:
            mask = sum(self._bits[field] for field in required_fields(rule.condition))
            if mask:
                may_be_true = negated(self._expressions.false(rule.condition))
                lacked = tuple_of(constant(index), self._expressions.lacked(rule.condition))
                test = both([masked(name("missing"), mask), may_be_true])
                statements.append(do_if(test, [do(call(name("add"), lacked))]))
        return statements


def _calling(identifier: str, target: str, arguments: Sequence[str]) -> ast.stmt:
    add = ast.Attribute(name(target), "append", ast.Load(), lineno=1, col_offset=0)
    return do(call(name(identifier), add, *map(name, arguments)))
