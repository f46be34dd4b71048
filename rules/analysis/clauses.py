"""Translate clauses into tests of single variables: facts, or values derived from facts.

Derived values are variables of their own: the weekday, the clock and the calendar day of a timestamp in a timezone,
whether a text is in a list field, how two facts compare. Any other clause becomes an opaque variable, of which only
this is known: equal clauses are true together.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations
from typing import Any, cast

from rules.analysis.boxes import Variable
from rules.analysis.domains import Holds, finite_values
from rules.language.evaluate import FUNCTIONS, Lists, Unknown, value, verdict
from rules.language.money import in_currency
from rules.language.tree import (
    Amounts,
    Call,
    Literal,
    MoneyScope,
    Node,
    Read,
    fields_of,
    literals_of,
    required_fields,
)
from rules.language.values import NUMERIC, TEXTUAL
from rules.language.vocabulary import Vocabulary

YES_OR_NO = (False, True)
SIGNS = (-1, 0, 1)
WEEKDAYS = tuple(range(7))
MOST_MEMBERS = 50
_MOST_ALTERNATIVES = 20
_PLAIN = frozenset({"==", "!=", "<", "<=", ">", ">=", "between", "in", "truthy"})
_COMPARED = frozenset({"==", "!=", "<", "<=", ">", ">="})
_OPPOSITES = {"!=": "==", "none": "some", "none_of": "any_of"}
_SOME_DAY = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday


@dataclass(frozen=True, slots=True)
class VariableTest:
    """A test of a variable's value: true where `holds`, which changes only at the `cuts`.

    `values` are all values of a derived variable, or the name of its ordered type. `missing` is the verdict if the fact
    is missing (None for unknown); without the facts in `requires` the test is unknown.
    """

    variable: Variable
    cuts: Collection[Any]
    holds: Holds
    values: Collection[Any] | str = ()
    missing: bool | None = None
    requires: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Combination:
    """`and`, `or` or `!` of formulas."""

    operator: str
    parts: tuple["Formula", ...]


@dataclass(frozen=True, slots=True)
class Cases:
    """Formulas of which each holds for some requests, where its `tests` are true; elsewhere the whole is unknown."""

    parts: tuple[tuple[tuple[VariableTest, ...], "Formula"], ...]


Formula = VariableTest | Combination | Cases | bool


class ClauseTranslator:
    """Translates clauses (nodes that are not connectives) into formulas."""

    def __init__(self, vocabulary: Vocabulary, lists: Lists) -> None:
        self._vocabulary = vocabulary
        self._lists = lists
        self._comparisons: dict[tuple[str, str, object], VariableTest] = {}

    def formula(self, node: Node) -> Formula:
        """Return the formula of a clause."""
        if isinstance(node, Call) and node.money:
            return self._by_currency(node, node.money)
        if isinstance(node, Call) and node.operator in _PLAIN and len(node.arguments) == 2:
            read, literal = node.arguments
            if isinstance(read, Read) and isinstance(literal, Literal) and read.type not in {"list", "location"}:
                return self._comparison(node.operator, read.name, literal.value)
        fields = fields_of(node)
        if not fields:
            return bool(value(node, {}, self._lists))
        special = _SPECIAL.get(node.operator) if isinstance(node, Call) else None
        derived = special(self, cast(Call, node)) if special else None
        if derived is not None:
            return derived
        if len(fields) == 1 and (cuts := self._cuts(node, fields[0])) is not None:
            return self._on_field(node, fields[0], cuts)
        return self._opaque(node)

    def _by_currency(self, node: Call, scope: MoneyScope) -> Formula:
        """Translate a clause with amounts: by currency, what it says of a cart in that currency."""
        if any(isinstance(part.value, Amounts) for part in literals_of(node)):
            groups = [frozenset({currency}) for currency in sorted(scope.accepted)]
        else:
            groups = [scope.accepted]
        return Cases(
            tuple(
                (
                    tuple(self._currency_test(name, group, scope.own in group) for name in scope.currency_fields),
                    self.formula(in_currency(node, min(group))),
                )
                for group in groups
                if group and (scope.currency_fields or scope.own in group)
            )
        )

    def _currency_test(self, name: str, currencies: frozenset[str], missing: bool) -> VariableTest:
        return VariableTest(name, currencies, lambda fact: fact in currencies, missing=missing)

    def _comparison(self, operator: str, name: str, operand: Any) -> VariableTest:
        """Return the test of a fact against literal values, the most common clause; equal clauses share the object."""
        key = (operator, name, operand)
        if key not in self._comparisons:
            compare = FUNCTIONS[operator]
            cuts = operand if isinstance(operand, frozenset) else (operand,)
            self._comparisons[key] = VariableTest(name, cuts, lambda fact: bool(compare(fact, operand)))
        return self._comparisons[key]

    def _cuts(self, node: Node, name: str) -> Collection[Any] | None:
        """Return the values at which a clause on one fact may change its verdict, or None if unknown."""
        field = self._vocabulary[name]
        finite = finite_values(field)
        if finite is not None and (isinstance(node, Read) or not _is_plain(node)):
            return finite
        if not isinstance(node, Call) or not _is_plain(node) or field.type in {"list", "location"}:
            return None
        if node.operator == "truthy":
            return (0,) if field.type in NUMERIC else ("",) if field.type in TEXTUAL else ()
        operands = [part.value for part in node.arguments if isinstance(part, Literal)]
        return [cut for operand in operands for cut in (operand if isinstance(operand, frozenset) else (operand,))]

    def _on_field(self, node: Node, name: str, cuts: Collection[Any]) -> VariableTest:
        unknown = verdict(node, {name: None}, self._lists)
        missing = None if isinstance(unknown, Unknown) else unknown
        return VariableTest(name, cuts, lambda fact: bool(value(node, {name: fact}, self._lists)), missing=missing)

    def _opaque(self, node: Node) -> Formula:
        key = key_of(node)
        requires = tuple(required_fields(node))
        if isinstance(node, Call) and node.operator in _OPPOSITES:
            positive = (_OPPOSITES[node.operator], *key[1:])
            return Combination("!", (VariableTest(positive, YES_OR_NO, bool, YES_OR_NO, requires=requires),))
        return VariableTest(key, YES_OR_NO, bool, YES_OR_NO, requires=requires)

    # --- clauses with derived variables

    def compared(self, node: Call) -> Formula | None:
        """Translate a comparison of two facts."""
        if len(node.arguments) != 2 or not all(isinstance(part, Read) and part.name for part in node.arguments):
            return None
        first, second = (cast(Read, part).name for part in node.arguments)
        if first == second:
            return None
        compare, is_turned = FUNCTIONS[node.operator], first > second
        variable = ("order", *sorted((first, second)))
        return VariableTest(
            variable,
            SIGNS,
            lambda sign: bool(compare(-sign if is_turned else sign, 0)),
            SIGNS,
            requires=(first, second),
        )

    def exists(self, node: Call) -> Formula | None:
        return VariableTest(cast(Read, node.arguments[0]).name, (), lambda fact: True, missing=False)

    def missing(self, node: Call) -> Formula | None:
        """Translate `missing_some`: one of the sets of facts that are enough to miss is absent."""
        needed, *reads = node.arguments
        absent = [self._absent(cast(Read, read)) for read in reads]
        absences = list(combinations(absent, len(absent) - cast(int, cast(Literal, needed).value) + 1))
        if len(absences) > _MOST_ALTERNATIVES:
            return None
        return Combination("or", tuple(Combination("and", facts) for facts in absences))

    def _absent(self, read: Read) -> VariableTest:
        # as in JSON-logic, an empty text counts as missing
        return VariableTest(read.name, ("",) if read.type in TEXTUAL else (), lambda fact: fact == "", missing=True)

    def members(self, node: Call) -> Formula | None:
        """Translate a test of which texts are in a list field."""
        field, members = cast(Read, node.arguments[0]), cast(Literal, node.arguments[1])
        texts = cast(frozenset[str], members.value)
        if len(texts) > MOST_MEMBERS:
            return None
        parts = tuple(self._member(field, text) for text in sorted(texts))
        if node.operator == "all_of":
            return Combination("and", parts)
        return Combination("or", parts) if node.operator == "any_of" else Combination("!", (Combination("or", parts),))

    def member(self, node: Call) -> Formula | None:
        needle, haystack = node.arguments
        if isinstance(needle, Literal) and isinstance(haystack, Read) and haystack.type == "list":
            return self._member(haystack, str(needle.value))
        return None

    def _member(self, field: Read, text: str) -> Formula:
        allowed = self._vocabulary[field.name].allowed
        if allowed and text not in allowed:
            return VariableTest(field.name, (), lambda fact: False)
        return VariableTest(("has", field.name, text), YES_OR_NO, bool, YES_OR_NO, requires=(field.name,))

    def listed(self, node: Call) -> Formula | None:
        """Translate `in_list`; lists change without their rules, so only whether the list is empty now is used."""
        read, name = node.arguments
        is_empty = not self._lists.get(str(cast(Literal, name).value))
        if is_empty and isinstance(read, Read):
            return VariableTest(read.name, (), lambda fact: False)
        return self._opaque(node)

    def weekday(self, node: Call) -> Formula | None:
        moment, days, zone = node.arguments
        weekdays = cast(frozenset[int], cast(Literal, days).value)
        return self._of_moment("weekday", moment, zone, WEEKDAYS, lambda day: day in weekdays, WEEKDAYS)

    def clock(self, node: Call) -> Formula | None:
        moment, start, end, zone = node.arguments
        low, high = cast(Literal, start).value, cast(Literal, end).value

        def holds(clock: Any) -> bool:
            moment_at_clock = datetime.combine(_SOME_DAY.date(), clock, UTC)
            return bool(FUNCTIONS["time_between"](moment_at_clock, low, high, UTC))

        return self._of_moment("clock", moment, zone, (low, high), holds, "clock")

    def days(self, node: Call) -> Formula | None:
        moment, first, last, zone = node.arguments
        low: Any = cast(Literal, first).value
        high: Any = cast(Literal, last).value
        return self._of_moment("day", moment, zone, (low, high), lambda day: low <= day <= high, "day")

    def _of_moment(
        self, kind: str, moment: Node, zone: Node, cuts: Collection[Any], holds: Holds, values: Collection[Any] | str
    ) -> VariableTest | None:
        if not isinstance(moment, Read):
            return None
        variable = (kind, moment.name, str(cast(Literal, zone).raw))
        return VariableTest(variable, cuts, holds, values, requires=(moment.name,))


_SPECIAL: Mapping[str, Callable[[ClauseTranslator, Call], Formula | None]] = {
    **dict.fromkeys(_COMPARED, ClauseTranslator.compared),
    "exists": ClauseTranslator.exists,
    "missing_some": ClauseTranslator.missing,
    **dict.fromkeys(("any_of", "all_of", "none_of"), ClauseTranslator.members),
    "in": ClauseTranslator.member,
    "in_list": ClauseTranslator.listed,
    "weekday_in": ClauseTranslator.weekday,
    "time_between": ClauseTranslator.clock,
    "days_between": ClauseTranslator.days,
}


def key_of(node: Node) -> tuple[Any, ...]:
    """Return a key that is equal for clauses that are written alike."""
    if isinstance(node, Read):
        return ("read", node.name)
    if isinstance(node, Literal):
        # 0.0 and -0.0 are equal, but some operators treat them differently
        return (node.type, repr(node.value) if isinstance(node.value, float) else node.value)
    return (node.operator, *map(key_of, node.arguments))


def _is_plain(node: Node) -> bool:
    """Return whether a clause only compares one fact (or its default) with literals."""
    if not isinstance(node, Call) or node.operator not in _PLAIN:
        return False
    return all(
        isinstance(part, Read | Literal) or (isinstance(part, Call) and part.operator == "default")
        for part in node.arguments
    )
