"""Find the fewest clauses that would have to change for a rule to fire, and describe them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

from rules.analysis.boxes import EVERYTHING, TooManyCases, Work, product
from rules.analysis.cases import Space
from rules.analysis.clauses import key_of
from rules.language.evaluate import Lists, Values, read_values, verdict
from rules.language.own_forms import WEEKDAYS
from rules.language.tree import Amounts, Call, Literal, MoneyScope, Node, Rule, fields_of, is_connective
from rules.language.values import read_currency
from rules.language.vocabulary import Vocabulary
from rules.wording.describe import describe, value_in_words
from rules.wording.terms import PLAIN, Wording, as_weekday, listed

MOST_WAYS = 5
_MOST_KEPT = 60

Requirement = tuple[tuple[Any, ...], bool]
"""The key of a clause, and the verdict that it must have. Clauses that are written alike share a key."""

ChangeSet = frozenset[Requirement]


@dataclass(frozen=True, slots=True)
class Need:
    """A clause that would have to change.

    `path` is the JSON pointer to it in the rule, `required` is the verdict that it must have, `fields` are the facts
    that it reads, and `text` describes the change.
    """

    path: str
    required: bool
    fields: tuple[str, ...]
    text: str


def changes_needed(
    rule: Rule, facts: Mapping[str, object], vocabulary: Vocabulary, lists: Lists, wording: Wording = PLAIN
) -> list[tuple[Need, ...]]:
    """Return the smallest sets of clauses that would have to change for the rule to fire, fewest first, at most five.

    `facts` are raw JSON values by dotted name. The list is empty if the rule fires, and if it can never fire.
    """
    values = read_values(rule.condition, facts, vocabulary)
    if verdict(rule.condition, values, lists) is True:
        return []
    finder = _ChangeFinder(rule.condition, values, vocabulary, lists)
    possible = (changes for changes in finder.change_sets(rule.condition, True) if finder.is_possible(changes))
    needed = sorted((finder.unmet(changes) for changes in possible), key=len)
    writer = _NeedWriter(facts, values, vocabulary, wording)
    return [
        tuple(writer.need(finder.clauses[key], required) for key, required in finder.in_order(changes))
        for changes in _smallest(needed)[:MOST_WAYS]
    ]


def _smallest(change_sets: Iterable[ChangeSet]) -> list[ChangeSet]:
    """Return the sets that contain no other set; they are given by size."""
    minimal: list[ChangeSet] = []
    for changes in change_sets:
        if not any(other <= changes for other in minimal):
            minimal.append(changes)
    return minimal


class _ChangeFinder:
    """Finds sets of requirements on clauses that make a condition true, including requirements that are met already."""

    def __init__(self, condition: Node, values: Values, vocabulary: Vocabulary, lists: Lists) -> None:
        self.clauses = {key_of(clause): clause for clause in reversed(list(_clauses(condition)))}
        self._order = list(reversed(self.clauses))
        self._values = values
        self._lists = lists
        self._space = Space([condition], vocabulary, lists)

    def in_order(self, changes: ChangeSet) -> list[Requirement]:
        """Return the requirements in the order in which their clauses first appear in the rule."""
        return sorted(changes, key=lambda requirement: self._order.index(requirement[0]))

    def is_possible(self, changes: ChangeSet) -> bool:
        """Return whether all requirements can be met at once, as far as the analysis can tell."""
        boxes, work = EVERYTHING, Work()
        try:
            for key, required in changes:
                boxes = product(boxes, self._space.cases(self.clauses[key], required), work)
        except TooManyCases:
            return True
        return bool(boxes)

    def is_met(self, requirement: Requirement) -> bool:
        """Return whether the clause has the required verdict."""
        key, required = requirement
        return verdict(self.clauses[key], self._values, self._lists) is required

    def unmet(self, changes: ChangeSet) -> ChangeSet:
        """Return the requirements that are not met yet."""
        return frozenset(requirement for requirement in changes if not self.is_met(requirement))

    def change_sets(self, node: Node, required: bool) -> list[ChangeSet]:
        """Return sets of requirements that each give the node the required verdict, those with the fewest changes."""
        if not is_connective(node):
            requirement = (key_of(node), required)
            return [frozenset([requirement])] if fields_of(node) or self.is_met(requirement) else []
        call = cast(Call, node)
        if call.operator == "!":
            return self.change_sets(call.arguments[0], not required)
        if call.operator == "if":
            return self._best(self._chosen(call.arguments, required))
        parts = [self.change_sets(part, required) for part in call.arguments]
        if (call.operator == "and") is not required:
            return self._best(changes for part in parts for changes in part)
        combined: list[ChangeSet] = [frozenset()]
        for part in parts:
            combined = self._best(_both(combined, part))
        return combined

    def _chosen(self, parts: tuple[Node, ...], required: bool) -> list[ChangeSet]:
        if len(parts) == 1:
            return self.change_sets(parts[0], required)
        condition, consequent, *_ = parts
        chosen, other = self.change_sets(consequent, required), self._chosen(parts[2:], required)
        return [*_both(self.change_sets(condition, True), chosen), *_both(self.change_sets(condition, False), other)]

    def _best(self, change_sets: Iterable[ChangeSet]) -> list[ChangeSet]:
        return sorted(dict.fromkeys(change_sets), key=lambda changes: len(self.unmet(changes)))[:_MOST_KEPT]


def _both(first: Iterable[ChangeSet], second: list[ChangeSet]) -> list[ChangeSet]:
    return [left | right for left in first for right in second]


class _NeedWriter:
    def __init__(self, facts: Mapping[str, object], values: Values, vocabulary: Vocabulary, wording: Wording) -> None:
        self._facts = facts
        self._values = values
        self._vocabulary = vocabulary
        self._wording = wording

    def need(self, node: Node, required: bool) -> Need:
        """Describe a required change of a clause beside the current value."""
        fields = fields_of(node)
        scope = node.money if isinstance(node, Call) else None
        if scope and not scope.accepts(self._values):
            return Need(node.path, required, fields, self._currency_demand(scope))
        if scope:
            return self._need_of_amount(cast(Call, node), scope, required, fields)
        return self._need(node, required, fields, fields)

    def _need_of_amount(self, node: Call, scope: MoneyScope, required: bool, fields: tuple[str, ...]) -> Need:
        """Describe the change in the currency of these facts: with its amounts only, and without naming it."""
        currency = self._currency(scope)
        plain = replace(self._only(node, currency), money=None)
        return self._need(plain, required, fields, tuple(name for name in fields if name not in scope.currency_fields))

    def _only(self, node: Call, currency: str) -> Call:
        """Return the clause with only that currency of amounts by currency."""
        parts: list[Node] = []
        for part in node.arguments:
            if isinstance(part, Literal) and isinstance(part.value, Amounts):
                amounts = tuple((code, amount) for code, amount in part.value.by_currency if code == currency)
                parts.append(replace(part, value=replace(part.value, by_currency=amounts)))
            else:
                parts.append(self._only(part, currency) if isinstance(part, Call) else part)
        return replace(node, arguments=tuple(parts))

    def _currency(self, scope: MoneyScope) -> str:
        return next((str(self._values[name]) for name in scope.currency_fields if self._values[name]), scope.own)

    def _currency_demand(self, scope: MoneyScope) -> str:
        currencies = listed(sorted(scope.accepted), "or") or "one currency"
        return (
            f"{self._label(scope.amount)} would have to be in {currencies}; it is in {self._currency(scope)}, "
            "for which the rule gives no amount"
        )

    def _need(self, node: Node, required: bool, fields: tuple[str, ...], shown: tuple[str, ...]) -> Need:
        target = node if required else Call("!", (node,), "boolean", node.path)
        demand = self._demand(describe(target, self._vocabulary, self._wording), shown)
        return Need(node.path, required, fields, f"{demand}; {self._current_values(node, shown)}")

    def _demand(self, text: str, fields: tuple[str, ...]) -> str:
        """Return "Cart total would have to be under EUR 50.00" for "Cart total is under EUR 50.00"."""
        label = self._label(fields[0])
        rest = text.removeprefix(label).lstrip()
        for verb, demanded in _DEMANDS.items():
            if text.startswith(label) and rest.startswith(verb + " "):
                return f"{label} {demanded} {rest.removeprefix(verb).lstrip()}"
        return f"“{text}” would have to be true"

    def _current_values(self, node: Node, fields: tuple[str, ...]) -> str:
        """Describe the current facts, such as "it is EUR 32.00"."""
        if len(fields) == 1:
            return f"it {self._state(node, fields[0])}"
        return listed([f"{self._label(name)} {self._state(node, name)}" for name in fields], "and")

    def _state(self, node: Node, name: str) -> str:
        field, raw = self._vocabulary[name], self._facts.get(name)
        if raw is None:
            return "is missing"
        if self._values[name] is None:
            return f"cannot be used: {field.problem_with(raw)}"
        reading = _LOCAL_READINGS.get(node.operator) if isinstance(node, Call) else None
        if reading:
            zone = cast(Literal, cast(Call, node).arguments[-1]).value
            return f"is {reading(cast(datetime, self._values[name]).astimezone(cast(ZoneInfo, zone)))} there"
        if field.type == "list":
            return f"has {listed([str(item) for item in cast(list[str], raw)] or ['nothing'], 'and')}"
        return f"is {value_in_words(raw, field.type, self._unit(name), self._wording)}"

    def _unit(self, name: str) -> str | None:
        """Return the unit of a fact; an amount is in the currency of the facts beside it."""
        field = self._vocabulary[name]
        if field.type != "money" or not self._vocabulary.currency:
            return field.unit
        beside = self._facts.get(self._vocabulary.currency_field(name) or "")
        return read_currency(beside) or field.unit

    def _label(self, name: str) -> str:
        return self._vocabulary[name].label or name


def _clauses(node: Node) -> Iterator[Node]:
    if is_connective(node):
        for part in cast(Call, node).arguments:
            yield from _clauses(part)
    else:
        yield node


_LOCAL_READINGS: Mapping[str, Callable[[datetime], str]] = {
    "weekday_in": lambda local_time: as_weekday(WEEKDAYS[local_time.weekday()]),
    "time_between": lambda local_time: f"{local_time:%H:%M}",
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
"""Verbs of the descriptions; a prefix of another verb comes after it."""
