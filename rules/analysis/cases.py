"""The cases in which a condition is surely true, or surely false: boxes over the regions of the facts it reads."""

from collections.abc import Collection, Iterable
from typing import Any, cast

from rules.analysis.boxes import ANYTHING, EVERYTHING, MOST_WORK, Box, Boxes, Variable, Work, product, union
from rules.analysis.clauses import Clauses, Joined, Question, Test
from rules.analysis.domains import LINES, Intervals, Regions, Values, lowest, regions_of
from rules.language.evaluate import Lists
from rules.language.tree import Call, Node, is_connective
from rules.language.vocabulary import Vocabulary

MOST_WORK_A_SET = 2_000_000


class Space:
    """The facts of a set of rules, cut where a clause of one of them changes its mind.

    Conditions that were not given at the start cannot be asked about: they may cut elsewhere.
    """

    def __init__(self, conditions: Iterable[Node], vocabulary: Vocabulary, lists: Lists) -> None:
        self.vocabulary = vocabulary
        self.lists = lists
        self._clauses = Clauses(vocabulary, lists)
        self._questions: dict[int, Question] = {}
        self._cuts: dict[Variable, set[Any]] = {}
        self._values: dict[Variable, Collection[Any] | str] = {}
        self._regions: dict[Variable, Regions] = {}
        self._masks: dict[tuple[int, bool], int] = {}
        self._known: dict[tuple[int, bool], Boxes] = {}
        self._left = MOST_WORK_A_SET
        self._work = Work()
        self._conditions = list(conditions)  # keeps the nodes alive, whose identities are keys
        for condition in self._conditions:
            self._prepare(condition)

    def _prepare(self, node: Node) -> None:
        if is_connective(node):
            for part in cast(Call, node).arguments:
                self._prepare(part)
        else:
            self._questions[id(node)] = question = self._clauses.question(node)
            self._note_cuts(question)

    def _note_cuts(self, question: Question) -> None:
        if isinstance(question, Joined):
            for part in question.parts:
                self._note_cuts(part)
        elif isinstance(question, Test):
            self._cuts.setdefault(question.variable, set()).update(question.cuts)
            if not isinstance(question.variable, str):
                self._values[question.variable] = question.values

    def regions(self, variable: Variable) -> Regions:
        """How the variable's values are cut."""
        if variable not in self._regions:
            self._regions[variable] = self._cut(variable)
        return self._regions[variable]

    def _cut(self, variable: Variable) -> Regions:
        cuts = self._cuts.get(variable, set())
        if isinstance(variable, str):
            return regions_of(self.vocabulary[variable], cuts)
        values = self._values[variable]
        return Intervals(LINES[values], cuts) if isinstance(values, str) else Values(values)

    def is_inhabited(self, box: Box) -> bool:
        """Whether some facts are surely in the box; False where that is not known.

        Facts do not depend on each other, nor does what a list has. A moment can have any weekday and any clock of
        one timezone as long as nothing else is asked of it.
        """
        zones: dict[str, str] = {}
        for variable in box:
            if isinstance(variable, str) or variable[0] == "has":
                continue
            kind, name, *rest = variable
            if kind not in {"weekday", "clock"} or zones.setdefault(name, rest[0]) != rest[0]:
                return False
            if box[name] != self.regions(name).present:
                return False
        return True

    def cases(self, node: Node, wanted: bool = True) -> Boxes:
        """The boxes in which the condition is surely `wanted`. Raises TooMuch."""
        allowed = min(MOST_WORK, self._left)
        self._work = Work(allowed)
        try:
            return self._cases(node, wanted)
        finally:
            self._left -= allowed - self._work.left

    def _cases(self, node: Node, wanted: bool) -> Boxes:
        key = (id(node), wanted)
        if key not in self._known:
            make = self._of_connective if is_connective(node) else self._of_clause
            self._known[key] = make(node, wanted)
        return self._known[key]

    def _of_connective(self, node: Node, wanted: bool) -> Boxes:
        call = cast(Call, node)
        if call.operator == "!":
            return self._cases(call.arguments[0], not wanted)
        if call.operator == "if":
            return self._chosen(call.arguments, wanted)
        return self._all_or_any(call.operator, wanted, (self._cases(part, wanted) for part in call.arguments))

    def _chosen(self, parts: tuple[Node, ...], wanted: bool) -> Boxes:
        """Of `if`: the part that is chosen is wanted, or whichever could be chosen is."""
        if len(parts) == 1:
            return self._cases(parts[0], wanted)
        condition, then, *_ = parts
        chosen, other = self._cases(then, wanted), self._chosen(parts[2:], wanted)
        return union(
            [
                *product(self._cases(condition, True), chosen, self._work),
                *product(self._cases(condition, False), other, self._work),
                *product(chosen, other, self._work),
            ],
            self._work,
        )

    def _of_clause(self, node: Node, wanted: bool) -> Boxes:
        return self._of_question(self._questions[id(node)], wanted)

    def _of_question(self, question: Question, wanted: bool) -> Boxes:
        if isinstance(question, bool):
            return EVERYTHING if question is wanted else []
        if isinstance(question, Test):
            return self._of_test(question, wanted)
        if question.operator == "!":
            return self._of_question(question.parts[0], not wanted)
        return self._all_or_any(question.operator, wanted, (self._of_question(part, wanted) for part in question.parts))

    def _of_test(self, test: Test, wanted: bool) -> Boxes:
        key = (id(test), wanted)
        if key not in self._masks:
            self._masks[key] = self._mask(test, wanted)
        mask = self._masks[key]
        if not mask:
            return []
        box: Box = {name: self.regions(name).present for name in test.requires}
        if mask != ANYTHING:
            box[test.variable] = mask
        return [box]

    def _mask(self, test: Test, wanted: bool) -> int:
        regions = self.regions(test.variable)
        found = regions.where(test.cuts, test.holds)
        mask = found if wanted else regions.present & ~found
        if isinstance(test.variable, str):
            return mask | ~regions.present if test.missing is wanted else mask
        # what follows from facts is never missing by itself: the bits of the missing value go with the first region
        return mask | ~regions.present if mask >> lowest(regions.present) & 1 else mask

    def _all_or_any(self, operator: str, wanted: bool, parts: Iterable[Boxes]) -> Boxes:
        """`and` is true if all parts are, and false if one is; `or` the other way round."""
        if (operator == "and") is not wanted:
            return union((box for part in parts for box in part), self._work)
        boxes = EVERYTHING
        for part in parts:
            boxes = product(boxes, part, self._work)
            if not boxes:
                break
        return boxes
