"""A set of rules as a check sees it: in their order, each with the cases in which it fires and what it then does."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rules.analysis.boxes import Boxes, TooMuch, Work, covers, lies_in, meet, product
from rules.analysis.cases import MOST_WORK_A_SET, Space
from rules.analysis.examples import Facts, example
from rules.language.effects import Boost, Exclude, Pin, Require, Set
from rules.language.evaluate import Lists
from rules.language.tree import Rule
from rules.language.vocabulary import Vocabulary
from rules.wording.terms import PLAIN, Wording

MANY = 1_000_000


@dataclass(frozen=True, slots=True)
class Setting:
    """What rules are checked against.

    `candidates` are the labels of those that take part, by id in the merchant's own order, `slots` is how many places
    an answer has at most, and `wording` how the messages call things.
    """

    vocabulary: Vocabulary
    lists: Lists
    candidates: Mapping[str, str]
    slots: int = MANY
    wording: Wording = PLAIN

    def label(self, candidate: str) -> str:
        """What the merchant calls the candidate."""
        return self.candidates.get(candidate) or candidate


@dataclass(frozen=True, slots=True)
class Deeds:
    """What a rule does to the candidates that there are."""

    hidden: frozenset[str]
    required: frozenset[str] | None
    pins: tuple[Pin, ...]
    boosted: tuple[str, ...]
    sets: tuple[Set, ...]

    @property
    def subjects(self) -> frozenset[tuple[str, object]]:
        """What it is about: rules that share none of these have nothing to do with each other."""
        candidates = self.hidden.union(self.boosted, (pin.candidate for pin in self.pins))
        return frozenset(
            [
                *(("candidate", name) for name in candidates),
                *(("slot", pin.slot) for pin in self.pins),
                *(("value", one.name) for one in self.sets),
                *([("hides", True)] if self.hidden else []),
            ]
        )


def deeds_of(rule: Rule, setting: Setting) -> Deeds:
    """The rule's effects, without what is about candidates or places that are not there."""
    every = frozenset(setting.candidates)
    hidden = {name for effect in rule.effects if isinstance(effect, Exclude) for name in effect.candidates}
    required = [frozenset(effect.candidates) for effect in rule.effects if isinstance(effect, Require)]
    kept = frozenset.intersection(every, *required)
    return Deeds(
        (every & hidden) | (every - kept),
        kept if required else None,
        tuple(
            one for one in rule.effects if isinstance(one, Pin) and one.candidate in every and one.slot <= setting.slots
        ),
        tuple(name for one in rule.effects if isinstance(one, Boost) for name in one.candidates if name in every),
        tuple(one for one in rule.effects if isinstance(one, Set)),
    )


class Study:
    """Rules by priority, with what is known of when they fire. Of a rule that is too large, nothing is."""

    def __init__(self, rules: Iterable[Rule], setting: Setting) -> None:
        self.setting = setting
        self.rules: Sequence[Rule] = sorted(rules, key=lambda rule: (-rule.priority, rule.id))
        self.space = Space((rule.condition for rule in self.rules), setting.vocabulary, setting.lists)
        self.deeds = [deeds_of(rule, setting) for rule in self.rules]
        self.boxes = [self._boxes(rule) for rule in self.rules]
        self._work = Work(MOST_WORK_A_SET)
        self._implied: dict[tuple[int, int], bool] = {}

    def _boxes(self, rule: Rule) -> Boxes | None:
        try:
            return self.space.cases(rule.condition)
        except TooMuch:
            return None

    def implies(self, first: int, second: int) -> bool:
        """Whether the second rule surely fires whenever the first does; rules by their place in the order."""
        key = (first, second)
        if key not in self._implied:
            self._implied[key] = self._imply(self.boxes[first], self.boxes[second])
        return self._implied[key]

    def _imply(self, inner: Boxes | None, outer: Boxes | None) -> bool:
        if not inner or not outer:
            return False
        if len(outer) == 1:
            return all(lies_in(box, outer[0]) for box in inner)
        try:
            return covers(outer, inner, self._work)
        except TooMuch:
            return False

    def together(self, numbers: Sequence[int]) -> Boxes:
        """The cases in which all of these rules may fire. Raises TooMuch."""
        boxes, work = self.boxes[numbers[0]] or [], Work()
        for number in numbers[1:]:
            boxes = product(boxes, self.boxes[number] or [], work)
        return boxes

    def example(self, numbers: Sequence[int]) -> Facts | None:
        """Facts for which all of these rules surely fire, or None where none were found."""
        try:
            boxes = self.together(numbers)
        except TooMuch:
            return None
        return example(boxes, [self.rules[number].condition for number in numbers], self.space)

    def can_meet(self, first: int, second: int) -> bool | None:
        """Whether both rules surely fire for some facts; None where that takes an example to know."""
        ones, others = self.boxes[first] or [], self.boxes[second] or []
        found: bool | None = False
        if not self._may_spend(len(ones) * len(others)):
            return found
        for one in ones:
            for other in others:
                both = meet(one, other)
                if both is not None:
                    if self.space.is_inhabited(both):
                        return True
                    found = None
        return found

    def _may_spend(self, pairs: int) -> bool:
        try:
            self._work.spend(pairs)
        except TooMuch:
            return False
        return True
