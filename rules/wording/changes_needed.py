"""What would have to be otherwise for a rule to fire: the fewest clauses, in words."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

from rules.analysis.boxes import EVERYTHING, TooMuch, Work, product
from rules.analysis.cases import Space
from rules.analysis.clauses import key_of
from rules.language.evaluate import Lists, Values, read_values, verdict
from rules.language.own_forms import WEEKDAYS
from rules.language.tree import Call, Literal, Node, Rule, fields_of, is_connective
from rules.language.vocabulary import Vocabulary
from rules.wording.describe import describe, value_in_words
from rules.wording.terms import PLAIN, Wording, as_weekday, listed

MOST_WAYS = 5
_MOST_KEPT = 60

Demand = tuple[tuple[Any, ...], bool]
"""A clause by its key, and what it would have to be. Clauses that are written alike are one."""

Way = frozenset[Demand]


@dataclass(frozen=True, slots=True)
class Need:
    """A clause that would have to become otherwise.

    `path` is the JSON pointer to it in the rule, `wanted` whether it would have to be true or false, `fields` are the
    facts that it reads. `is_lacking` says that one of them is missing or of another type than declared.
    """

    path: str
    wanted: bool
    fields: tuple[str, ...]
    text: str
    is_lacking: bool


def changes_needed(
    rule: Rule, facts: Mapping[str, object], vocabulary: Vocabulary, lists: Lists, wording: Wording = PLAIN
) -> list[tuple[Need, ...]]:
    """The smallest sets of clauses that would have to become otherwise for the rule to fire, fewest first.

    `facts` are raw JSON values by dotted name. The list is empty for a rule that fires, and for one that no facts
    can make fire; at most five sets are given.
    """
    values = read_values(rule.condition, facts, vocabulary)
    if verdict(rule.condition, values, lists) is True:
        return []
    finder = _Finder(rule.condition, values, vocabulary, lists)
    possible = (way for way in finder.ways(rule.condition, True) if finder.is_possible(way))
    needed = sorted((finder.open_of(way) for way in possible), key=len)
    writer = _Writer(facts, values, vocabulary, wording)
    return [
        tuple(writer.need(finder.clauses[key], wanted) for key, wanted in finder.in_order(way))
        for way in _smallest(needed)[:MOST_WAYS]
    ]


def _smallest(ways: Iterable[Way]) -> list[Way]:
    """The ways that hold no other whole; they come by size."""
    kept: list[Way] = []
    for way in ways:
        if not any(other <= way for other in kept):
            kept.append(way)
    return kept


class _Finder:
    """Finds what makes a condition true: sets of demands on its clauses, those met already among them."""

    def __init__(self, condition: Node, values: Values, vocabulary: Vocabulary, lists: Lists) -> None:
        self.clauses = {key_of(clause): clause for clause in reversed(list(_clauses(condition)))}
        self._order = list(reversed(self.clauses))
        self._values = values
        self._lists = lists
        self._space = Space([condition], vocabulary, lists)

    def in_order(self, way: Way) -> list[Demand]:
        """The demands as their clauses first stand in the rule."""
        return sorted(way, key=lambda demand: self._order.index(demand[0]))

    def is_possible(self, way: Way) -> bool:
        """Whether all the demands can be met at once, as far as is known."""
        boxes, work = EVERYTHING, Work()
        try:
            for key, wanted in way:
                boxes = product(boxes, self._space.cases(self.clauses[key], wanted), work)
        except TooMuch:
            return True
        return bool(boxes)

    def is_met(self, demand: Demand) -> bool:
        """Whether the clause is what it would have to be."""
        key, wanted = demand
        return verdict(self.clauses[key], self._values, self._lists) is wanted

    def open_of(self, way: Way) -> Way:
        """The demands that are not met yet."""
        return frozenset(demand for demand in way if not self.is_met(demand))

    def ways(self, node: Node, wanted: bool) -> list[Way]:
        """Sets of demands, each of which makes the node what is wanted; those with the least left to do are kept."""
        if not is_connective(node):
            demand = (key_of(node), wanted)
            return [frozenset([demand])] if fields_of(node) or self.is_met(demand) else []
        call = cast(Call, node)
        if call.operator == "!":
            return self.ways(call.arguments[0], not wanted)
        if call.operator == "if":
            return self._best(self._chosen(call.arguments, wanted))
        parts = [self.ways(part, wanted) for part in call.arguments]
        if (call.operator == "and") is not wanted:
            return self._best(way for part in parts for way in part)
        found: list[Way] = [frozenset()]
        for part in parts:
            found = self._best(_both(found, part))
        return found

    def _chosen(self, parts: tuple[Node, ...], wanted: bool) -> list[Way]:
        if len(parts) == 1:
            return self.ways(parts[0], wanted)
        condition, then, *_ = parts
        chosen, other = self.ways(then, wanted), self._chosen(parts[2:], wanted)
        return [*_both(self.ways(condition, True), chosen), *_both(self.ways(condition, False), other)]

    def _best(self, ways: Iterable[Way]) -> list[Way]:
        return sorted(dict.fromkeys(ways), key=lambda way: len(self.open_of(way)))[:_MOST_KEPT]


def _both(first: Iterable[Way], second: list[Way]) -> list[Way]:
    return [one | other for one in first for other in second]


class _Writer:
    def __init__(self, facts: Mapping[str, object], values: Values, vocabulary: Vocabulary, wording: Wording) -> None:
        self._facts = facts
        self._values = values
        self._vocabulary = vocabulary
        self._wording = wording

    def need(self, node: Node, wanted: bool) -> Need:
        """A demand on a clause in words, beside what there is."""
        fields = fields_of(node)
        asked = node if wanted else Call("!", (node,), "boolean", node.path)
        text = f"{self._demand(describe(asked, self._vocabulary, self._wording), fields)}; {self._now(node, fields)}"
        return Need(node.path, wanted, fields, text, any(self._values[name] is None for name in fields))

    def _demand(self, text: str, fields: tuple[str, ...]) -> str:
        """ "Cart total is under EUR 50.00" as "Cart total would have to be under EUR 50.00"."""
        label = self._label(fields[0])
        rest = text.removeprefix(label).lstrip()
        for verb, demanded in _DEMANDS.items():
            if text.startswith(label) and rest.startswith(verb + " "):
                return f"{label} {demanded} {rest.removeprefix(verb).lstrip()}"
        return f"“{text}” would have to be true"

    def _now(self, node: Node, fields: tuple[str, ...]) -> str:
        """What the facts are, such as "it is EUR 32.00"."""
        if len(fields) == 1:
            return f"it {self._state(node, fields[0])}"
        return listed([f"{self._label(name)} {self._state(node, name)}" for name in fields], "and")

    def _state(self, node: Node, name: str) -> str:
        field, raw = self._vocabulary[name], self._facts.get(name)
        if raw is None:
            return "is missing"
        if self._values[name] is None:
            return f"cannot be used: {field.problem_with(raw)}"
        reading = _READINGS.get(node.operator) if isinstance(node, Call) else None
        if reading:
            zone = cast(Literal, cast(Call, node).arguments[-1]).value
            return f"is {reading(cast(datetime, self._values[name]).astimezone(cast(ZoneInfo, zone)))} there"
        if field.type == "list":
            return f"has {listed([str(item) for item in cast(list[str], raw)] or ['nothing'], 'and')}"
        return f"is {value_in_words(raw, field.type, field.unit, self._wording)}"

    def _label(self, name: str) -> str:
        return self._vocabulary[name].label or name


def _clauses(node: Node) -> Iterator[Node]:
    if is_connective(node):
        for part in cast(Call, node).arguments:
            yield from _clauses(part)
    else:
        yield node


_READINGS: Mapping[str, Callable[[datetime], str]] = {
    "weekday_in": lambda there: as_weekday(WEEKDAYS[there.weekday()]),
    "time_between": lambda there: f"{there:%H:%M}",
}

_DEMANDS = {
    "is not": "must not be",
    "is": "would have to be",
    "has none of": "must have none of",
    "has": "would have to have",
    "does not": "must not",
    "starts with": "would have to start with",
    "ends with": "would have to end with",
    "contains": "would have to contain",
}
"""Verbs of the descriptions, those that begin others later."""
