"""A rule in one plain sentence."""

from collections.abc import Callable, Mapping
from typing import cast

from rules.codes import DECIMALS
from rules.effects import Boost, Effect, Exclude, Pin, Require, Set
from rules.tree import ITEM, Call, Literal, Node, Read, Rule
from rules.vocabulary import Vocabulary

_MOST_SHOWN = 5

_BETWEEN_TWO = {
    "==": "is",
    "!=": "is not",
    "<": "is under",
    "<=": "is at most",
    ">": "is over",
    ">=": "is at least",
    "in": "is",
    "in_list": "is on the list",
    "in_text": "is part of",
    "starts_with": "starts with",
    "ends_with": "ends with",
    "contains": "contains",
    "any_of": "has any of",
    "all_of": "has all of",
    "none_of": "has none of",
    "+": "plus",
    "-": "minus",
    "*": "times",
    "/": "divided by",
    "%": "modulo",
    "default": "or else",
}
_BEFORE_ALL = {"min": "the least of", "max": "the greatest of", "cat": "the text", "substr": "the part of"}
_TIMES = {"<": "is before", ">": "is after", "<=": "is at latest", ">=": "is at earliest"}


def describe(subject: Rule | Node, vocabulary: Vocabulary) -> str:
    """One sentence for a rule, such as "cart.total is over 50.00 and geo.country is DE or AT -> hide klarna".

    For a condition alone, its part before the arrow. Amounts of money are shown with their decimal point.
    """
    writer = _Writer(vocabulary)
    if not isinstance(subject, Rule):
        return writer.text(subject)
    effects = ", ".join(describe_effect(effect) for effect in subject.effects)
    return f"{writer.text(subject.condition)} -> {effects}"


def describe_effect(effect: Effect) -> str:
    """What an effect does, such as "hide klarna"."""
    match effect:
        case Exclude(candidates):
            return f"hide {_listed(candidates, 'and')}"
        case Require(candidates):
            return f"show only {_listed(candidates, 'and')}"
        case Pin(candidate, slot):
            return f"show {candidate} in place {slot}"
        case Boost(candidates, factor):
            return f"multiply the score of {_listed(candidates, 'and')} by {factor:g}"
        case Set(name, value):
            return f"set {name} to {_plain(value)}"


class _Writer:
    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary

    def text(self, node: Node) -> str:
        if isinstance(node, Literal):
            return _plain(node.raw)
        if isinstance(node, Read):
            return self._field(node)
        own = _OWN.get(node.operator)
        if own:
            return own(self, node)
        if node.operator in _BEFORE_ALL:
            return f"{_BEFORE_ALL[node.operator]} {_listed([self.text(part) for part in node.arguments], 'and')}"
        return self._joined(node)

    def _field(self, node: Read) -> str:
        if node.name == ITEM:
            return "the element"
        field = self._vocabulary.get(node.name)
        return (field and field.label) or node.name

    def _joined(self, node: Call) -> str:
        """Two or three values with the words of the operator between them."""
        words = _BETWEEN_TWO[node.operator]
        if any(part.type in {"date", "datetime"} for part in node.arguments):
            words = _TIMES.get(node.operator, words)
        model = self._money(node)
        return f" {words} ".join(self._value(part, model) for part in node.arguments)

    def _money(self, node: Call) -> Read | None:
        reads = (part for part in node.arguments if isinstance(part, Read) and part.type == "money")
        return next(reads, None)

    def _value(self, node: Node, money: Read | None) -> str:
        if not isinstance(node, Literal) or isinstance(node.raw, bool):
            return self.text(node)
        raws = node.raw if isinstance(node.raw, list) else [node.raw]
        texts = [self._amount(raw, money) if money and isinstance(raw, int) else _plain(raw) for raw in raws]
        return _listed(texts, "or")

    def _amount(self, minor: int, money: Read) -> str:
        field = self._vocabulary.get(money.name)
        unit = (field and field.unit) or ""
        digits = DECIMALS.get(unit, 2)
        return f"{minor / 10**digits:,.{digits}f} {unit}".rstrip()

    # --- operators with words of their own

    def connective(self, node: Call) -> str:
        parts = [self._grouped(part, node.operator) for part in node.arguments]
        return f" {node.operator} ".join(parts)

    def _grouped(self, node: Node, outer: str) -> str:
        text = self.text(node)
        needs = isinstance(node, Call) and node.operator in {"and", "or", "if"} and node.operator != outer
        return f"({text})" if needs and len(cast(Call, node).arguments) > 1 else text

    def negated(self, node: Call) -> str:
        return f"not ({self.text(node.arguments[0])})"

    def truth(self, node: Call) -> str:
        return f"{self.text(node.arguments[0])} is not empty or zero"

    def chosen(self, node: Call) -> str:
        parts = [self.text(part) for part in node.arguments]
        pairs = [f"{value} if {when}" for when, value in zip(parts[0:-1:2], parts[1:-1:2], strict=True)]
        return f"{', else '.join(pairs)}, else {parts[-1]}"

    def exists(self, node: Call) -> str:
        return f"{self.text(node.arguments[0])} is known"

    def missing(self, node: Call) -> str:
        needed, *reads = node.arguments
        names = _listed([self.text(read) for read in reads], "and")
        count = cast(int, cast(Literal, needed).value)
        if len(reads) == 1:
            return f"{names} is missing"
        return f"{'some' if count == len(reads) else f'all but {count - 1}'} of {names} are missing"

    def between(self, node: Call) -> str:
        value, low, high = node.arguments
        money = self._money(node)
        return f"{self.text(value)} is between {self._value(low, money)} and {self._value(high, money)}"

    def days(self, node: Call) -> str:
        moment, first, last, zone = map(self.text, node.arguments)
        return f"{moment} is from {first} to {last} ({zone})"

    def weekdays(self, node: Call) -> str:
        moment, days, zone = node.arguments
        return f"{self.text(moment)} is on {self._value(days, None)} ({self.text(zone)})"

    def clock(self, node: Call) -> str:
        moment, start, end, zone = map(self.text, node.arguments)
        return f"{moment} is from {start} to {end} ({zone})"

    def near(self, node: Call) -> str:
        here, there, distance = node.arguments
        return f"{self.text(here)} is within {self.text(distance)} km of {cast(Literal, there).raw}"

    def bucket(self, node: Call) -> str:
        value, salt, low, high = map(self.text, node.arguments)
        return f'{value} is in {low} to {high} percent of "{salt}"'

    def quantified(self, node: Call) -> str:
        items, condition = map(self.text, node.arguments)
        words = {"some": "some element", "all": "every element", "none": "no element"}[node.operator]
        return f"for {words} of {items}: {condition}"


_OWN: Mapping[str, Callable[[_Writer, Call], str]] = {
    "and": _Writer.connective,
    "or": _Writer.connective,
    "!": _Writer.negated,
    "if": _Writer.chosen,
    "truthy": _Writer.truth,
    "exists": _Writer.exists,
    "missing_some": _Writer.missing,
    "between": _Writer.between,
    "days_between": _Writer.days,
    "weekday_in": _Writer.weekdays,
    "time_between": _Writer.clock,
    "within_km": _Writer.near,
    "percent_bucket": _Writer.bucket,
    "some": _Writer.quantified,
    "all": _Writer.quantified,
    "none": _Writer.quantified,
}


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return _listed([_plain(item) for item in value], "or")
    return value if isinstance(value, str) else f"{value}"


def _listed(texts: list[str] | tuple[str, ...], last: str) -> str:
    """ "a, b or c", with the end of long lists counted instead of named."""
    if len(texts) > _MOST_SHOWN + 1:
        return f"{', '.join(texts[:_MOST_SHOWN])} {last} {len(texts) - _MOST_SHOWN} more"
    return f" {last} ".join(part for part in (", ".join(texts[:-1]), texts[-1]) if part)
