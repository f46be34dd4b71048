"""A rule in one plain sentence."""

from collections.abc import Callable, Mapping
from typing import cast

from rules.language.tree import ITEM, Call, Literal, Node, Read, Rule
from rules.language.vocabulary import Vocabulary
from rules.wording.terms import PLAIN, Wording, as_day, as_moment, as_weekday, describe_effect, listed, plain

_BETWEEN_TWO = {
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
"""What stands between two values, and what if it is not so."""

_TIMES = {
    "<": ("is before", "is not before"),
    ">": ("is after", "is not after"),
    "<=": ("is not after", "is after"),
    ">=": ("is not before", "is before"),
}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_COMPUTED = {"+": "plus", "-": "minus", "*": "times", "/": "divided by", "%": "modulo"}
_BEFORE_ALL = {"min": "the least of", "max": "the greatest of", "cat": "the text", "substr": "the part of"}


def describe(subject: Rule | Node, vocabulary: Vocabulary, wording: Wording = PLAIN) -> str:
    """One sentence for a rule, such as "Cart total is over EUR 50.00 and Country is DE or AT → Klarna is hidden".

    For a condition alone, its part before the arrow. Fields are called by their labels, all else by `wording`.
    """
    writer = _Writer(vocabulary, wording)
    if not isinstance(subject, Rule):
        return writer.text(subject)
    condition = "always" if _is_true(subject.condition) else writer.text(subject.condition)
    return f"{condition} → {', '.join(describe_effect(effect, wording) for effect in subject.effects)}"


def _literal(raw: object, is_so: bool) -> str:
    """A condition that does not depend on any fact, or a value."""
    if isinstance(raw, bool):
        return "always" if raw is is_so else "never"
    return plain(raw if is_so else not raw)


def _is_true(node: Node) -> bool:
    return isinstance(node, Literal) and node.value is True


def value_in_words(raw: object, type_: str, unit: str | None = None, wording: Wording = PLAIN) -> str:
    """A raw value of a fact of that type, such as 5000 as "EUR 50.00"."""
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


class _Writer:
    def __init__(self, vocabulary: Vocabulary, wording: Wording) -> None:
        self._vocabulary = vocabulary
        self._wording = wording

    def text(self, node: Node, *, is_so: bool = True) -> str:
        """The node in words, or where it is not so, its opposite."""
        if isinstance(node, Literal):
            return _literal(node.raw, is_so)
        if isinstance(node, Read):
            return self.name(node) if node.type != "boolean" else f"{self.name(node)} is {plain(is_so)}"
        if node.operator == "!":
            return self.text(node.arguments[0], is_so=not is_so)
        own = _OWN.get(node.operator)
        if own:
            return own(self, node, is_so)
        if node.operator in _BETWEEN_TWO:
            return self.compared(node, is_so)
        return self.computed(node)

    def name(self, node: Node) -> str:
        """A fact's label, or what else is in the place of one."""
        if not isinstance(node, Read):
            return self.text(node)
        if node.name == ITEM:
            return "the element"
        field = self._vocabulary.get(node.name)
        return (field and field.label) or node.name

    def value(self, node: Node, like: Node | None) -> str:
        """A value to compare with `like`, or in a list of such."""
        if not isinstance(node, Literal):
            return self.name(node)
        type_ = like.type if isinstance(like, Read) and node.type not in {"day", "days"} else node.type
        field = self._vocabulary.get(like.name) if isinstance(like, Read) else None
        unit = field.unit if field else None
        raws = node.raw if isinstance(node.raw, list) else [node.raw]
        if type_ in {"location", "list"}:
            return plain(node.raw)
        return listed([value_in_words(raw, type_, unit, self._wording) for raw in raws], "or")

    def computed(self, node: Call) -> str:
        like = _model(node)
        parts = [self.value(part, like if like and like.type == "money" else None) for part in node.arguments]
        if node.operator in _BEFORE_ALL:
            return f"{_BEFORE_ALL[node.operator]} {listed(parts, 'and')}"
        return f" {_COMPUTED[node.operator]} ".join(parts)

    def compared(self, node: Call, is_so: bool) -> str:
        """Two values with the words of the operator between them, a written-out one never first."""
        first, *others = node.arguments
        operator = node.operator
        if len(others) == 2:
            return self.chain(node, is_so)
        [second] = others
        if isinstance(first, Literal) and not isinstance(second, Literal) and operator in _TURNED:
            first, second, operator = second, first, _TURNED[operator]
        if operator == "in" and second.type == "list":
            return f"{self.name(second)} {'has' if is_so else 'does not have'} {self.value(first, None)}"
        words = _BETWEEN_TWO[operator]
        if first.type in {"date", "datetime"}:
            words = _TIMES.get(operator, words)
        return f"{self.name(first)} {words[not is_so]} {self.value(second, _model(node))}"

    def chain(self, node: Call, is_so: bool) -> str:
        low, middle, high = (self.value(part, _model(node)) for part in node.arguments)
        text = f"{middle} is over {low} and under {high}" if node.operator == "<" else self._range(middle, low, high)
        return text if is_so else f"not ({text})"

    def _range(self, middle: str, low: str, high: str, *, is_so: bool = True) -> str:
        return f"{middle} is{'' if is_so else ' not'} between {low} and {high}"

    # --- operators with words of their own

    def connective(self, node: Call, is_so: bool) -> str:
        if len(node.arguments) == 1:
            return self.text(node.arguments[0], is_so=is_so)
        text = f" {node.operator} ".join(self._grouped(part, node.operator) for part in node.arguments)
        return text if is_so else f"not ({text})"

    def _grouped(self, node: Node, outer: str) -> str:
        text = self.text(node)
        needs = isinstance(node, Call) and node.operator in {"and", "or", "if"} and node.operator != outer
        return f"({text})" if needs and len(cast(Call, node).arguments) > 1 else text

    def truth(self, node: Call, is_so: bool) -> str:
        return f"{self.name(node.arguments[0])} is {'not ' if is_so else ''}empty or zero"

    def default(self, node: Call, is_so: bool) -> str:
        read, otherwise = node.arguments
        text = f"{self.name(read)} ({self.value(otherwise, read)} if missing)"
        return f"{text} is {plain(is_so)}" if node.type == "boolean" else text

    def chosen(self, node: Call, is_so: bool) -> str:
        parts = [self.text(part) for part in node.arguments]
        pairs = [f"{value} if {when}" for when, value in zip(parts[0:-1:2], parts[1:-1:2], strict=True)]
        text = f"{', else '.join(pairs)}, else {parts[-1]}"
        return text if is_so else f"not ({text})"

    def exists(self, node: Call, is_so: bool) -> str:
        return f"{self.name(node.arguments[0])} is {'' if is_so else 'not '}known"

    def missing(self, node: Call, is_so: bool) -> str:
        needed, *reads = node.arguments
        names = listed([self.name(read) for read in reads], "and")
        count = cast(int, cast(Literal, needed).value)
        if len(reads) == 1:
            return f"{names} is {'' if is_so else 'not '}missing"
        text = f"{'some' if count == len(reads) else f'all but {count - 1}'} of {names} are missing"
        return text if is_so else f"not ({text})"

    def between(self, node: Call, is_so: bool) -> str:
        middle, low, high = (self.value(part, _model(node)) for part in node.arguments)
        return self._range(middle, low, high, is_so=is_so)

    def listed(self, node: Call, is_so: bool) -> str:
        text, name = node.arguments
        return f"{self.name(text)} is {'' if is_so else 'not '}on the list “{self.text(name)}”"

    def days(self, node: Call, is_so: bool) -> str:
        moment, first, last, zone = node.arguments
        days = f"from {self.value(first, None)} to {self.value(last, None)}"
        return f"{self.name(moment)} is {'' if is_so else 'not '}{days} ({self.text(zone)})"

    def weekdays(self, node: Call, is_so: bool) -> str:
        moment, days, zone = node.arguments
        return f"{self.name(moment)} is {'' if is_so else 'not '}on {self.value(days, None)} ({self.text(zone)})"

    def clock(self, node: Call, is_so: bool) -> str:
        moment, start, end, zone = map(self.text, node.arguments)
        return f"{moment} is {'' if is_so else 'not '}from {start} to {end} ({zone})"

    def near(self, node: Call, is_so: bool) -> str:
        here, there, distance = node.arguments
        place = cast(Literal, there).raw
        return f"{self.name(here)} is {'' if is_so else 'not '}within {self.text(distance)} km of {place}"

    def bucket(self, node: Call, is_so: bool) -> str:
        value, salt, low, high = map(self.text, node.arguments)
        return f"{value} is {'' if is_so else 'not '}in {low} to {high} percent of “{salt}”"

    def quantified(self, node: Call, is_so: bool) -> str:
        items, condition = map(self.text, node.arguments)
        words = {"some": "some element", "all": "every element", "none": "no element"}[node.operator]
        return f"{'' if is_so else 'not '}for {words} of {items}: {condition}"


def _model(node: Call) -> Read | None:
    """The fact that the written-out values of a clause are values of."""
    reads = (
        part.arguments[0] if isinstance(part, Call) and part.operator == "default" else part for part in node.arguments
    )
    return next((read for read in reads if isinstance(read, Read)), None)


_OWN: Mapping[str, Callable[[_Writer, Call, bool], str]] = {
    "and": _Writer.connective,
    "or": _Writer.connective,
    "if": _Writer.chosen,
    "truthy": _Writer.truth,
    "default": _Writer.default,
    "exists": _Writer.exists,
    "missing_some": _Writer.missing,
    "between": _Writer.between,
    "in_list": _Writer.listed,
    "days_between": _Writer.days,
    "weekday_in": _Writer.weekdays,
    "time_between": _Writer.clock,
    "within_km": _Writer.near,
    "percent_bucket": _Writer.bucket,
    "some": _Writer.quantified,
    "all": _Writer.quantified,
    "none": _Writer.quantified,
}
