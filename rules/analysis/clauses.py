"""Clauses as questions about single variables: a fact, or something that follows from facts.

What follows from a fact has a variable of its own beside it: the weekday, the clock and the calendar day of a
moment in a timezone, whether a text is in a list field, how two facts compare. Whatever else a clause may be is a
variable too, of which nothing is known but that equal clauses are true together.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations
from typing import Any, cast

from rules.analysis.boxes import Variable
from rules.analysis.domains import Holds, finite_values
from rules.language.evaluate import FUNCTIONS, Lists, Unknown, value, verdict
from rules.language.tree import Call, Literal, Node, Read, fields_of, required_fields
from rules.language.values import NUMERIC, TEXTUAL
from rules.language.vocabulary import Vocabulary

YES_OR_NO = (False, True)
SIGNS = (-1, 0, 1)
WEEKDAYS = tuple(range(7))
MOST_MEMBERS = 50
_MOST_WAYS = 20
_PLAIN = frozenset({"==", "!=", "<", "<=", ">", ">=", "between", "in", "truthy"})
_COMPARED = frozenset({"==", "!=", "<", "<=", ">", ">="})
_OPPOSITES = {"!=": "==", "none": "some", "none_of": "any_of"}
_SOME_DAY = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday


@dataclass(frozen=True, slots=True)
class Test:
    """Whether a variable's value is one for which `holds`; it changes its mind at none but the `cuts`.

    `values` are all values of a variable that is no fact, or the name of its line. `missing` is the verdict where a
    fact is missing; without the facts that it `requires`, it is unknown.
    """

    variable: Variable
    cuts: Collection[Any]
    holds: Holds
    values: Collection[Any] | str = ()
    missing: bool | None = None
    requires: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Joined:
    """`and`, `or` or `!` of what a clause comes to."""

    operator: str
    parts: tuple["Question", ...]


Question = Test | Joined | bool


class Clauses:
    """Makes questions of clauses (nodes that are no connectives)."""

    def __init__(self, vocabulary: Vocabulary, lists: Lists) -> None:
        self._vocabulary = vocabulary
        self._lists = lists
        self._comparisons: dict[tuple[str, str, object], Test] = {}

    def question(self, node: Node) -> Question:
        """What the clause asks."""
        if isinstance(node, Call) and node.operator in _PLAIN and len(node.arguments) == 2:
            read, literal = node.arguments
            if isinstance(read, Read) and isinstance(literal, Literal) and read.type not in {"list", "location"}:
                return self._comparison(node.operator, read.name, literal.value)
        fields = fields_of(node)
        if not fields:
            return bool(value(node, {}, self._lists))
        special = _SPECIAL.get(node.operator) if isinstance(node, Call) else None
        asked = special(self, cast(Call, node)) if special else None
        if asked is not None:
            return asked
        if len(fields) == 1 and (cuts := self._cuts(node, fields[0])) is not None:
            return self._on_field(node, fields[0], cuts)
        return self._opaque(node)

    def _comparison(self, operator: str, name: str, wanted: Any) -> Test:
        """The commonest clause, a fact beside a written-out value or values; equal ones are the same object."""
        key = (operator, name, wanted)
        if key not in self._comparisons:
            compare = FUNCTIONS[operator]
            cuts = wanted if isinstance(wanted, frozenset) else (wanted,)
            self._comparisons[key] = Test(name, cuts, lambda found: bool(compare(found, wanted)))
        return self._comparisons[key]

    def _cuts(self, node: Node, name: str) -> Collection[Any] | None:
        """The values at which a clause on one fact may change its mind, if that can be said."""
        field = self._vocabulary[name]
        finite = finite_values(field)
        if finite is not None and (isinstance(node, Read) or not _is_plain(node)):
            return finite
        if not isinstance(node, Call) or not _is_plain(node) or field.type in {"list", "location"}:
            return None
        if node.operator == "truthy":
            return (0,) if field.type in NUMERIC else ("",) if field.type in TEXTUAL else ()
        literals = [part.value for part in node.arguments if isinstance(part, Literal)]
        return [cut for one in literals for cut in (one if isinstance(one, frozenset) else (one,))]

    def _on_field(self, node: Node, name: str, cuts: Collection[Any]) -> Test:
        unknown = verdict(node, {name: None}, self._lists)
        missing = None if isinstance(unknown, Unknown) else unknown
        return Test(name, cuts, lambda found: bool(value(node, {name: found}, self._lists)), missing=missing)

    def _opaque(self, node: Node) -> Question:
        key = key_of(node)
        requires = tuple(required_fields(node))
        if isinstance(node, Call) and node.operator in _OPPOSITES:
            positive = (_OPPOSITES[node.operator], *key[1:])
            return Joined("!", (Test(positive, YES_OR_NO, bool, YES_OR_NO, requires=requires),))
        return Test(key, YES_OR_NO, bool, YES_OR_NO, requires=requires)

    # --- clauses with variables of their own

    def compared(self, node: Call) -> Question | None:
        """Two facts compared with each other."""
        if len(node.arguments) != 2 or not all(isinstance(part, Read) and part.name for part in node.arguments):
            return None
        first, second = (cast(Read, part).name for part in node.arguments)
        if first == second:
            return None
        compare, is_turned = FUNCTIONS[node.operator], first > second
        variable = ("order", *sorted((first, second)))
        return Test(
            variable,
            SIGNS,
            lambda sign: bool(compare(-sign if is_turned else sign, 0)),
            SIGNS,
            requires=(first, second),
        )

    def exists(self, node: Call) -> Question | None:
        return Test(cast(Read, node.arguments[0]).name, (), lambda found: True, missing=False)

    def missing(self, node: Call) -> Question | None:
        """Fewer than so many are there, so the others are absent in one of these ways."""
        needed, *reads = node.arguments
        absent = [self._absent(cast(Read, read)) for read in reads]
        ways = list(combinations(absent, len(absent) - cast(int, cast(Literal, needed).value) + 1))
        return Joined("or", tuple(Joined("and", way) for way in ways)) if len(ways) <= _MOST_WAYS else None

    def _absent(self, read: Read) -> Test:
        # as in JSON-logic, an empty text counts as missing
        return Test(read.name, ("",) if read.type in TEXTUAL else (), lambda found: found == "", missing=True)

    def members(self, node: Call) -> Question | None:
        """Which of some texts are in a list field."""
        field, members = cast(Read, node.arguments[0]), cast(Literal, node.arguments[1])
        texts = cast(frozenset[str], members.value)
        if len(texts) > MOST_MEMBERS:
            return None
        parts = tuple(self._member(field, text) for text in sorted(texts))
        if node.operator == "all_of":
            return Joined("and", parts)
        return Joined("or", parts) if node.operator == "any_of" else Joined("!", (Joined("or", parts),))

    def member(self, node: Call) -> Question | None:
        needle, haystack = node.arguments
        if isinstance(needle, Literal) and isinstance(haystack, Read) and haystack.type == "list":
            return self._member(haystack, str(needle.value))
        return None

    def _member(self, field: Read, text: str) -> Question:
        allowed = self._vocabulary[field.name].allowed
        if allowed and text not in allowed:
            return Test(field.name, (), lambda found: False)
        return Test(("has", field.name, text), YES_OR_NO, bool, YES_OR_NO, requires=(field.name,))

    def listed(self, node: Call) -> Question | None:
        """Lists change without their rules, so all that is known of one is whether it is empty now."""
        read, name = node.arguments
        is_empty = not self._lists.get(str(cast(Literal, name).value))
        if is_empty and isinstance(read, Read):
            return Test(read.name, (), lambda found: False)
        return self._opaque(node)

    def weekday(self, node: Call) -> Question | None:
        moment, days, zone = node.arguments
        wanted = cast(frozenset[int], cast(Literal, days).value)
        return self._of_moment("weekday", moment, zone, WEEKDAYS, lambda day: day in wanted, WEEKDAYS)

    def clock(self, node: Call) -> Question | None:
        moment, start, end, zone = node.arguments
        low, high = cast(Literal, start).value, cast(Literal, end).value

        def holds(clock: Any) -> bool:
            at = datetime.combine(_SOME_DAY.date(), clock, UTC)
            return bool(FUNCTIONS["time_between"](at, low, high, UTC))

        return self._of_moment("clock", moment, zone, (low, high), holds, "clock")

    def days(self, node: Call) -> Question | None:
        moment, first, last, zone = node.arguments
        low: Any = cast(Literal, first).value
        high: Any = cast(Literal, last).value
        return self._of_moment("day", moment, zone, (low, high), lambda day: low <= day <= high, "day")

    def _of_moment(
        self, what: str, moment: Node, zone: Node, cuts: Collection[Any], holds: Holds, values: Collection[Any] | str
    ) -> Test | None:
        if not isinstance(moment, Read):
            return None
        variable = (what, moment.name, str(cast(Literal, zone).raw))
        return Test(variable, cuts, holds, values, requires=(moment.name,))


_SPECIAL: Mapping[str, Callable[[Clauses, Call], Question | None]] = {
    **dict.fromkeys(_COMPARED, Clauses.compared),
    "exists": Clauses.exists,
    "missing_some": Clauses.missing,
    **dict.fromkeys(("any_of", "all_of", "none_of"), Clauses.members),
    "in": Clauses.member,
    "in_list": Clauses.listed,
    "weekday_in": Clauses.weekday,
    "time_between": Clauses.clock,
    "days_between": Clauses.days,
}


def key_of(node: Node) -> tuple[Any, ...]:
    """Equal for clauses that are written alike, wherever they stand."""
    if isinstance(node, Read):
        return ("read", node.name)
    if isinstance(node, Literal):
        # 0.0 and -0.0 are equal, but not to every operator
        return (node.type, repr(node.value) if isinstance(node.value, float) else node.value)
    return (node.operator, *map(key_of, node.arguments))


def _is_plain(node: Node) -> bool:
    """Whether a clause compares one fact (or its default) with written-out values, and nothing else."""
    if not isinstance(node, Call) or node.operator not in _PLAIN:
        return False
    return all(
        isinstance(part, Read | Literal) or (isinstance(part, Call) and part.operator == "default")
        for part in node.arguments
    )
