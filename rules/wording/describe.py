"""Describe a rule in a single plain sentence."""

from collections.abc import Callable, Mapping
from typing import cast

from rules.language.tree import ITEM, Amounts, Call, Literal, Node, Read, Rule
from rules.language.vocabulary import Vocabulary
from rules.wording.terms import PLAIN, Wording, as_day, as_moment, as_weekday, describe_effect, listed, plain

_COMPARISONS = {
    "==": ("is", "is not"),
    "!=": ("is not", "is"),
    "<": ("is under", "is at least"),
    "<=": ("is at most", "is over"),
    ">": ("is over", "is at most"),
    ">=": ("is at least", "is under"),
    "in": ("is", "is not"),
    "in_text": ("is part of", "is not part of"),
    "starts_with": ("starts with", "does not start with"),
    "ends_with": ("ends with", "does not end with"),
    "contains": ("contains", "does not contain"),
    "any_of": ("has any of", "has none of"),
    "all_of": ("has all of", "does not have all of"),
    "none_of": ("has none of", "has any of"),
}
"""The words between two values, and the words for the opposite."""

_TIMES = {
    "<": ("is before", "is not before"),
    ">": ("is after", "is not after"),
    "<=": ("is not after", "is after"),
    ">=": ("is not before", "is before"),
}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_COMPUTED = {"+": "plus", "-": "minus", "*": "times", "/": "divided by", "%": "modulo", "cat": "followed by"}
_PREFIXES = {"min": "the least of", "max": "the greatest of"}
_OF_MONEY = frozenset({"+", "-", "%", "min", "max"})
"""Operators whose value is an amount of money if their operands are."""


def describe(described: Rule | Node, vocabulary: Vocabulary, wording: Wording = PLAIN) -> str:
    """Describe a rule, such as "Cart total is over EUR 50.00 and Country is DE or AT → Klarna is hidden".

    A condition alone gives the part before the arrow. Fields are named by their labels, everything else by `wording`.
    """
    writer = _SentenceWriter(vocabulary, wording)
    if not isinstance(described, Rule):
        return writer.text(described)
    condition = "always" if _is_true(described.condition) else writer.text(described.condition)
    return f"{condition} → {', '.join(describe_effect(effect, wording) for effect in described.effects)}"


def _literal(raw: object, holds: bool) -> str:
    """Describe a value, or a condition that does not depend on any fact."""
    if isinstance(raw, bool):
        return "always" if raw is holds else "never"
    return plain(raw if holds else not raw)


def _is_true(node: Node) -> bool:
    return isinstance(node, Literal) and node.value is True


def value_in_words(raw: object, type_: str, unit: str | None = None, wording: Wording = PLAIN) -> str:
    """Return a raw value of a fact of that type in words, such as "EUR 50.00" for 5000."""
    if type_ == "money" and isinstance(raw, int) and not isinstance(raw, bool):
        return wording.money(raw, unit or wording.currency)
    if isinstance(raw, str) and raw and type_ in _AS_TEXT:
        return _AS_TEXT[type_](raw, wording)
    return plain(raw)


_AS_TEXT: Mapping[str, Callable[[str, Wording], str]] = {
    "country": lambda raw, wording: wording.country(raw),
    "date": lambda raw, wording: as_day(raw),
    "day": lambda raw, wording: as_day(raw),
    "datetime": lambda raw, wording: as_moment(raw),
    "days": lambda raw, wording: as_weekday(raw),
}


class _SentenceWriter:
    def __init__(self, vocabulary: Vocabulary, wording: Wording) -> None:
        self._vocabulary = vocabulary
        self._wording = wording

    def text(self, node: Node, *, holds: bool = True) -> str:
        """Describe the node, or its opposite if it does not hold."""
        if isinstance(node, Literal):
            return _literal(node.raw, holds)
        if isinstance(node, Read):
            return self.name(node) if node.type != "boolean" else f"{self.name(node)} is {plain(holds)}"
        if node.operator == "!":
            return self.text(node.arguments[0], holds=not holds)
        own = _OWN.get(node.operator)
        if own:
            return own(self, node, holds)
        if node.operator in _COMPARISONS:
            return self.compared(node, holds)
        return self.computed(node)

    def name(self, node: Node) -> str:
        """Return a fact's label, or a description of a computed value."""
        if isinstance(node, Literal) and isinstance(node.value, Amounts):
            return self.value(node, None)
        if not isinstance(node, Read):
            return self.text(node)
        if node.name == ITEM:
            return "the element"
        field = self._vocabulary.get(node.name)
        return (field and field.label) or node.name

    def value(self, node: Node, like: Node | None, last: str = "or") -> str:
        """Describe a value to compare with `like`, or the elements of a list of such values, joined by `last`."""
        if not isinstance(node, Literal):
            return self.name(node)
        if isinstance(node.value, Amounts):
            return "; ".join(self._wording.money(amount, currency) for currency, amount in node.value.by_currency)
        type_ = like.type if isinstance(like, Read) and node.type not in {"day", "days"} else node.type
        field = self._vocabulary.get(like.name) if isinstance(like, Read) else None
        unit = field.unit if field else None
        raws = node.raw if isinstance(node.raw, list) else [node.raw]
        if type_ == "location":
            return plain(node.raw)
        return listed([value_in_words(raw, type_, unit, self._wording) for raw in raws], last)

    def computed(self, node: Call) -> str:
        like = _model(node) if node.operator in _OF_MONEY else None
        parts = [self.value(part, like if like and like.type == "money" else None) for part in node.arguments]
        if node.operator in _PREFIXES:
            return f"{_PREFIXES[node.operator]} {listed(parts, 'and')}"
        return f" {_COMPUTED[node.operator]} ".join(parts)

    def compared(self, node: Call, holds: bool) -> str:
        """Put the words of the operator between two values; a literal never comes first."""
        first, *others = node.arguments
        operator = node.operator
        if len(others) == 2:
            return self.chain(node, holds)
        [second] = others
        if isinstance(first, Literal) and not isinstance(second, Literal) and operator in _TURNED:
            first, second, operator = second, first, _TURNED[operator]
        if operator == "in" and second.type == "list":
            return f"{self.name(second)} {'has' if holds else 'does not have'} {self.value(first, None)}"
        words = _COMPARISONS[operator]
        if first.type in {"date", "datetime"}:
            words = _TIMES.get(operator, words)
        last = "and" if operator == "all_of" else "or"
        return f"{self.name(first)} {words[not holds]} {self.value(second, _model(node), last)}"

    def chain(self, node: Call, holds: bool) -> str:
        low, middle, high = (self.value(part, _model(node)) for part in node.arguments)
        text = f"{middle} is over {low} and under {high}" if node.operator == "<" else self._range(middle, low, high)
        return text if holds else f"not ({text})"

    def _range(self, middle: str, low: str, high: str, *, holds: bool = True) -> str:
        return f"{middle} is{'' if holds else ' not'} between {low} and {high}"

    # --- operators with their own wording

    def connective(self, node: Call, holds: bool) -> str:
        if len(node.arguments) == 1:
            return self.text(node.arguments[0], holds=holds)
        text = f" {node.operator} ".join(self._grouped(part, node.operator) for part in node.arguments)
        return text if holds else f"not ({text})"

    def _grouped(self, node: Node, outer: str) -> str:
        text = self.text(node)
        needs = isinstance(node, Call) and node.operator in {"and", "or", "if"} and node.operator != outer
        return f"({text})" if needs and len(cast(Call, node).arguments) > 1 else text

    def truthiness(self, node: Call, holds: bool) -> str:
        return f"{self.name(node.arguments[0])} is {'not ' if holds else ''}empty or zero"

    def default(self, node: Call, holds: bool) -> str:
        read, otherwise = node.arguments
        text = f"{self.name(read)} ({self.value(otherwise, read)} if missing)"
        return f"{text} is {plain(holds)}" if node.type == "boolean" else text

    def chosen(self, node: Call, holds: bool) -> str:
        parts = [self.text(part) for part in node.arguments]
        pairs = [f"{value} if {when}" for when, value in zip(parts[0:-1:2], parts[1:-1:2], strict=True)]
        text = f"{', else '.join(pairs)}, else {parts[-1]}"
        return text if holds else f"not ({text})"

    def exists(self, node: Call, holds: bool) -> str:
        return f"{self.name(node.arguments[0])} is {'' if holds else 'not '}known"

    def missing(self, node: Call, holds: bool) -> str:
        needed, *reads = node.arguments
        names = listed([self.name(read) for read in reads], "and")
        count = cast(int, cast(Literal, needed).value)
        if len(reads) == 1:
            return f"{names} is {'' if holds else 'not '}missing"
        if 1 < count < len(reads):
            return f"{'fewer than' if holds else 'at least'} {count} of {names} are known"
        text = f"{'all' if count == 1 else 'some'} of {names} are missing"
        return text if holds else f"not ({text})"

    def between(self, node: Call, holds: bool) -> str:
        middle, low, high = (self.value(part, _model(node)) for part in node.arguments)
        return self._range(middle, low, high, holds=holds)

    def part(self, node: Call, holds: bool) -> str:
        text, start, *length = map(self.text, node.arguments)
        return f"the part of {text} from character {start}{f' of length {length[0]}' if length else ''}"

    def listed(self, node: Call, holds: bool) -> str:
        text, name = node.arguments
        return f"{self.name(text)} is {'' if holds else 'not '}on the list “{self.text(name)}”"

    def days(self, node: Call, holds: bool) -> str:
        moment, first, last, zone = node.arguments
        days = f"from {self.value(first, None)} to {self.value(last, None)}"
        return f"{self.name(moment)} is {'' if holds else 'not '}{days} ({self.text(zone)})"

    def weekdays(self, node: Call, holds: bool) -> str:
        moment, days, zone = node.arguments
        return f"{self.name(moment)} is {'' if holds else 'not '}on {self.value(days, None)} ({self.text(zone)})"

    def clock(self, node: Call, holds: bool) -> str:
        moment, start, end, zone = map(self.text, node.arguments)
        return f"{moment} is {'' if holds else 'not '}from {start} to {end} ({zone})"

    def near(self, node: Call, holds: bool) -> str:
        field, centre, distance = node.arguments
        location = cast(Literal, centre).raw
        return f"{self.name(field)} is {'' if holds else 'not '}within {self.text(distance)} km of {location}"

    def bucket(self, node: Call, holds: bool) -> str:
        value, salt, low, high = map(self.text, node.arguments)
        return f"{value} is {'' if holds else 'not '}in {low} to {high} percent of “{salt}”"

    def quantified(self, node: Call, holds: bool) -> str:
        items, condition = map(self.text, node.arguments)
        words = {"some": "some element", "all": "every element", "none": "no element"}[node.operator]
        return f"{'' if holds else 'not '}for {words} of {items}: {condition}"


def _model(node: Call) -> Read | None:
    """Return the fact that a clause compares its literals with."""
    return next((read for read in map(_compared_read, node.arguments) if read), None)


def _compared_read(part: Node) -> Read | None:
    if isinstance(part, Call) and part.operator == "default":
        return _compared_read(part.arguments[0])
    if isinstance(part, Call):
        read = _model(part) if part.operator in _OF_MONEY else None
        return read if read and read.type == "money" else None
    return part if isinstance(part, Read) else None


_OWN: Mapping[str, Callable[[_SentenceWriter, Call, bool], str]] = {
    "and": _SentenceWriter.connective,
    "or": _SentenceWriter.connective,
    "if": _SentenceWriter.chosen,
    "truthy": _SentenceWriter.truthiness,
    "default": _SentenceWriter.default,
    "exists": _SentenceWriter.exists,
    "missing_some": _SentenceWriter.missing,
    "between": _SentenceWriter.between,
    "substr": _SentenceWriter.part,
    "in_list": _SentenceWriter.listed,
    "days_between": _SentenceWriter.days,
    "weekday_in": _SentenceWriter.weekdays,
    "time_between": _SentenceWriter.clock,
    "within_km": _SentenceWriter.near,
    "percent_bucket": _SentenceWriter.bucket,
    "some": _SentenceWriter.quantified,
    "all": _SentenceWriter.quantified,
    "none": _SentenceWriter.quantified,
}
