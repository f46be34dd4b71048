"""Analyse a set of rules: in order of priority, with the cases in which each fires and its effects."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rules.analysis.boxes import Boxes, TooManyCases, Work, covers, lies_in, meet, product
from rules.analysis.cases import MOST_WORK_PER_SET, Space
from rules.analysis.examples import Facts, example
from rules.language.effects import Boost, Exclude, Pin, Require, Set
from rules.language.evaluate import Lists
from rules.language.tree import Rule
from rules.language.vocabulary import Vocabulary
from rules.wording.terms import PLAIN, Wording

UNLIMITED = 1_000_000


@dataclass(frozen=True, slots=True)
class CheckContext:
    """The settings that rules are checked against.

    `candidates` are the labels of all candidates by id, in the merchant's order; `slots` is the most that an answer
    shows; `wording` names things in messages.
    """

    vocabulary: Vocabulary
    lists: Lists
    candidates: Mapping[str, str]
    slots: int = UNLIMITED
    wording: Wording = PLAIN

    def label(self, candidate: str) -> str:
        """Return the merchant's label of the candidate, or its id."""
        return self.candidates.get(candidate) or candidate


@dataclass(frozen=True, slots=True)
class RuleEffects:
    """The effects of a rule on the existing candidates."""

    hidden: frozenset[str]
    required: frozenset[str] | None
    pins: tuple[Pin, ...]
    boosted: tuple[str, ...]
    sets: tuple[Set, ...]

    @property
    def subjects(self) -> frozenset[tuple[str, object]]:
        """Return the subjects of the effects: rules without a common subject cannot interact."""
        candidates = self.hidden.union(self.boosted, (pin.candidate for pin in self.pins))
        return frozenset(
            [
                *(("candidate", name) for name in candidates),
                *(("slot", pin.slot) for pin in self.pins),
                *(("value", setting.name) for setting in self.sets),
                *([("hides", True)] if self.hidden else []),
            ]
        )


def effects_of(rule: Rule, context: CheckContext) -> RuleEffects:
    """Return the rule's effects, without candidates and slots that do not exist."""
    every = frozenset(context.candidates)
    hidden = {name for effect in rule.effects if isinstance(effect, Exclude) for name in effect.candidates}
    required = [frozenset(effect.candidates) for effect in rule.effects if isinstance(effect, Require)]
    pins = [effect for effect in rule.effects if isinstance(effect, Pin)]
    boosts = [effect for effect in rule.effects if isinstance(effect, Boost)]
    allowed = frozenset.intersection(every, *required)
    return RuleEffects(
        (every & hidden) | (every - allowed),
        allowed if required else None,
        tuple(pin for pin in pins if pin.candidate in every and pin.slot <= context.slots),
        tuple(name for boost in boosts for name in boost.candidates if name in every),
        tuple(effect for effect in rule.effects if isinstance(effect, Set)),
    )


class RuleSetAnalysis:
    """Rules by priority, with the boxes in which each fires; None for a rule that is too large to analyse."""

    def __init__(self, rules: Iterable[Rule], context: CheckContext) -> None:
        self.context = context
        self.rules: Sequence[Rule] = sorted(rules, key=lambda rule: (-rule.priority, rule.id))
        self.space = Space((rule.condition for rule in self.rules), context.vocabulary, context.lists)
        self.effects = [effects_of(rule, context) for rule in self.rules]
        self.boxes = [self._boxes(rule) for rule in self.rules]
        self._work = Work(MOST_WORK_PER_SET)
        self._implied: dict[tuple[int, int], bool] = {}

    def _boxes(self, rule: Rule) -> Boxes | None:
        try:
            return self.space.cases(rule.condition)
        except TooManyCases:
            return None

    def implies(self, first: int, second: int) -> bool:
        """Return whether the second rule surely fires whenever the first does; both are indices in `rules`."""
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
        except TooManyCases:
            return False

    def together(self, indices: Sequence[int]) -> Boxes:
        """Return the cases in which all of these rules may fire. Raises TooManyCases."""
        boxes, work = self.boxes[indices[0]] or [], Work()
        for index in indices[1:]:
            boxes = product(boxes, self.boxes[index] or [], work)
        return boxes

    def example(self, indices: Sequence[int]) -> Facts | None:
        """Return facts for which all of these rules surely fire, or None if none were found."""
        try:
            boxes = self.together(indices)
        except TooManyCases:
            return None
        return example(boxes, [self.rules[index].condition for index in indices], self.space)

    def can_meet(self, first: int, second: int) -> bool | None:
        """Return whether both rules surely fire for some facts; None if only an example can tell."""
        first_boxes, second_boxes = self.boxes[first] or [], self.boxes[second] or []
        if not self._may_spend(len(first_boxes) * len(second_boxes)):
            return False
        result: bool | None = False
        for first_box in first_boxes:
            for second_box in second_boxes:
                both = meet(first_box, second_box)
                if both is not None:
                    if self.space.is_inhabited(both):
                        return True
                    result = None
        return result

    def _may_spend(self, pairs: int) -> bool:
        try:
            self._work.spend(pairs)
        except TooManyCases:
            return False
        return True
