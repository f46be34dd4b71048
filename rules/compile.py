"""A rule set as generated Python functions that read each fact once and return the rules that fire.

The functions are built with `ast` from checked trees. Nothing that a merchant wrote becomes source: names are
made here (`f3` for a field, `k7` for a constant) and every literal is looked up in a table of constants.

A field that is missing or of another type is None, or NaN if its type is numeric: then the commonest
comparisons are false by themselves, and only the others must ask first whether the field is there.
"""

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from rules.evaluate import Lists, Unknown, read_values, verdict
from rules.expressions import Constants, Expressions, both, call, name
from rules.javascript import LARGEST_SAFE
from rules.problems import RuleError
from rules.tree import Rule, fields_of, required_fields
from rules.values import NUMERIC
from rules.vocabulary import Field, Vocabulary

RULES_A_FUNCTION = 250
"""One huge function compiles slowly; of this size the calls cost nothing that could be measured."""

# the checks of the commonest types, written out because a call costs more than the check
_CHECKS = {
    "boolean": "type({0}) is not bool",
    "integer": "type({0}) is not int or not LOW <= {0} <= HIGH",
    "money": "type({0}) is not int or not LOW <= {0} <= HIGH",
    "number": "type({0}) is int and not LOW <= {0} <= HIGH or type({0}) is not int "
    "and (type({0}) is not float or not -LARGEST <= {0} <= LARGEST)",
    "string": "type({0}) is not str",
}
_LIMITS = {
    "NAN": math.nan,
    "LOW": -LARGEST_SAFE,
    "HIGH": LARGEST_SAFE,
    "LARGEST": math.ldexp(2 - 2**-52, 1023),
}


@dataclass(frozen=True, slots=True)
class Firing:
    """Indices of the rules that fire, in order, and of those undecided, each with the field that it lacked."""

    fired: tuple[int, ...]
    skipped: tuple[tuple[int, str], ...]


_Run = Callable[[Mapping[str, object]], tuple[list[int], list[int], int]]


class CompiledRules:
    """A rule set ready to be evaluated. `fields` are the names of the facts that it reads."""

    def __init__(
        self, rules: Sequence[Rule], vocabulary: Vocabulary, lists: Lists, names: list[str], run: _Run
    ) -> None:
        self.rules = tuple(rules)
        self.fields = frozenset(names)
        self._names = names
        self._required = [required_fields_of_rule(rule) for rule in rules]
        self._vocabulary = vocabulary
        self._lists = lists
        self._run = run

    def evaluate(self, facts: Mapping[str, object]) -> Firing:
        """The rules that fire for `facts`: raw JSON values by dotted name."""
        fired, undecided, missing = self._run(facts)
        if not undecided:
            return Firing(tuple(fired), ())
        decided = set(fired)
        absent = {name for bit, name in enumerate(self._names) if missing >> bit & 1}
        skipped = [(i, self._lacked(i, absent, facts)) for i in undecided if i not in decided]
        return Firing(tuple(fired), tuple(skipped))

    def _lacked(self, index: int, absent: set[str], facts: Mapping[str, object]) -> str:
        """The field to blame. Only where a rule lacks several does it need the slow walk to tell which."""
        candidates = [field for field in self._required[index] if field in absent]
        if len(candidates) == 1:
            return candidates[0]
        condition = self.rules[index].condition
        return cast(
            Unknown, verdict(condition, read_values(condition, facts, self._vocabulary), self._lists)
        ).field


def required_fields_of_rule(rule: Rule) -> tuple[str, ...]:
    """Names of the fields that can make the rule's condition unknown."""
    return required_fields(rule.condition)


def compile_rules(rules: Sequence[Rule], vocabulary: Vocabulary, lists: Lists) -> CompiledRules:
    """One function out of a rule set; `lists` are the merchant's lists as they are now.

    Indices in its answers are positions in `rules`. Raises RuleError if a rule reads a field that `vocabulary`
    does not declare.
    """
    names = list(dict.fromkeys(field for rule in rules for field in fields_of(rule.condition)))
    for field in names:
        if field not in vocabulary:
            raise RuleError.at("", f"{field} is not a declared fact any more")
    constants = Constants(lists)
    module = _Module(names, vocabulary, constants)
    tree = module.build(rules)
    table = {**_LIMITS, **constants.table}
    exec(compile(ast.fix_missing_locations(tree), "<rules>", "exec"), table)  # noqa: S102
    return CompiledRules(rules, vocabulary, lists, names, cast(_Run, table["evaluate"]))


class _Module:
    """Builds `evaluate(facts)` and the functions that it calls."""

    def __init__(self, names: list[str], vocabulary: Vocabulary, constants: Constants) -> None:
        self._locals = {field: f"f{index}" for index, field in enumerate(names)}
        self._vocabulary = vocabulary
        self._constants = constants
        self._expressions = Expressions(self._locals, constants)

    def build(self, rules: Sequence[Rule]) -> ast.Module:
        parts = [
            range(start, min(start + RULES_A_FUNCTION, len(rules)))
            for start in range(0, len(rules), RULES_A_FUNCTION)
        ]
        body: list[ast.stmt] = []
        main = ast.parse("get = facts.get\nmissing = 0\nfired = []\nundecided = []").body
        for field in self._locals:
            main.extend(self._reading(self._vocabulary[field]))
        unsure: list[ast.stmt] = []
        for number, part in enumerate(parts):
            used = sorted({self._locals[field] for i in part for field in fields_of(rules[i].condition)})
            body.append(_function(f"fire{number}", ["add", *used], [self._firing(i, rules[i]) for i in part]))
            body.append(_function(f"doubt{number}", ["add", "missing", *used], self._doubts(rules, part)))
            main.append(_calling(f"fire{number}", "fired", used))
            unsure.append(_calling(f"doubt{number}", "undecided", ["missing", *used]))
        if unsure:
            main.append(ast.If(name("missing"), unsure, []))
        main.extend(ast.parse("(fired, undecided, missing)").body)
        main[-1] = ast.Return(cast(ast.Expr, main[-1]).value)
        body.append(_function("evaluate", ["facts"], main))
        return ast.Module(body, type_ignores=[])

    def _reading(self, field: Field) -> list[ast.stmt]:
        """Statements that read one fact and leave None (NaN for numbers) where it is missing or ill-typed."""
        local, bit = self._locals[field.name], 1 << list(self._locals).index(field.name)
        key = self._constants.name_of(field.name)
        absent = "NAN" if field.type in NUMERIC else "None"
        check = None if field.allowed else _CHECKS.get(field.type)
        if check:
            source = (
                f"{local} = get({key})\nif {check.format(local)}:\n {local} = {absent}\n missing |= {bit}"
            )
        else:
            reader = self._constants.name_of(field.reader)
            source = f"{local} = {reader}(get({key}))\nif {local} is None:\n missing |= {bit}"
        return ast.parse(source).body

    def _firing(self, index: int, rule: Rule) -> ast.stmt:
        return _if(self._expressions.true(rule.condition), index)

    def _doubts(self, rules: Sequence[Rule], part: range) -> list[ast.stmt]:
        """A rule that lacks a field is undecided unless it is surely false (or fired, which is seen later)."""
        statements: list[ast.stmt] = []
        for index in part:
            condition = rules[index].condition
            mask = sum(1 << list(self._locals).index(field) for field in required_fields(condition))
            if mask:
                lacks = ast.BinOp(name("missing"), ast.BitAnd(), ast.Constant(mask))
                false = self._expressions.false(condition)
                statements.append(_if(both([lacks, ast.UnaryOp(ast.Not(), false)]), index))
        return statements


def _if(test: ast.expr, index: int) -> ast.stmt:
    return ast.If(test, [ast.Expr(call("add", ast.Constant(index)))], [])


def _calling(function: str, target: str, arguments: list[str]) -> ast.stmt:
    add = ast.Attribute(name(target), "append", ast.Load())
    return ast.Expr(call(function, add, *map(name, arguments)))


def _function(function: str, parameters: list[str], body: list[ast.stmt]) -> ast.stmt:
    arguments = ast.arguments([], [ast.arg(p) for p in parameters], None, [], [], None, [])
    return ast.FunctionDef(function, arguments, body or [ast.Pass()], [], None)
