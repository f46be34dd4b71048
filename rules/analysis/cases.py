"""Find the cases in which a condition is surely true or surely false: boxes over the regions of its facts."""

from collections.abc import Collection, Iterable
from typing import Any, cast

from rules.analysis.boxes import ANYTHING, EVERYTHING, MOST_WORK, Box, Boxes, Variable, Work, product, union
from rules.analysis.clauses import Cases, ClauseTranslator, Combination, Formula, VariableTest
from rules.analysis.domains import ORDERED_TYPES, FiniteRegions, IntervalRegions, Regions, lowest_bit, regions_of
from rules.language.evaluate import Lists
from rules.language.tree import Call, Node, is_connective
from rules.language.vocabulary import Vocabulary

MOST_WORK_PER_SET = 2_000_000


class Space:
    """The facts of a set of rules, cut where a clause of one of the rules changes its verdict.

    Only the conditions given at the start can be analysed: others may cut elsewhere.
    """

    def __init__(self, conditions: Iterable[Node], vocabulary: Vocabulary, lists: Lists) -> None:
        self.vocabulary = vocabulary
        self.lists = lists
        self._clauses = ClauseTranslator(vocabulary, lists)
        self._formulas: dict[int, Formula] = {}
        self._cuts: dict[Variable, set[Any]] = {}
        self._values: dict[Variable, Collection[Any] | str] = {}
        self._regions: dict[Variable, Regions] = {}
        self._masks: dict[tuple[int, bool], int] = {}
        self._cases_by_node: dict[tuple[int, bool], Boxes] = {}
        self._left = MOST_WORK_PER_SET
        self._work = Work()
        self._conditions = list(conditions)  # keep the nodes alive, because their ids are keys
        for condition in self._conditions:
            self._prepare(condition)

    def _prepare(self, node: Node) -> None:
        if is_connective(node):
            for part in cast(Call, node).arguments:
                self._prepare(part)
        else:
            self._formulas[id(node)] = formula = self._clauses.formula(node)
            self._note_cuts(formula)

    def _note_cuts(self, formula: Formula) -> None:
        if isinstance(formula, Cases):
            for tests, part in formula.parts:
                for noted in (*tests, part):
                    self._note_cuts(noted)
        elif isinstance(formula, Combination):
            for part in formula.parts:
                self._note_cuts(part)
        elif isinstance(formula, VariableTest):
            self._cuts.setdefault(formula.variable, set()).update(formula.cuts)
            if not isinstance(formula.variable, str):
                self._values[formula.variable] = formula.values

    def regions(self, variable: Variable) -> Regions:
        """Return the regions of the variable's values."""
        if variable not in self._regions:
            self._regions[variable] = self._cut(variable)
        return self._regions[variable]

    def _cut(self, variable: Variable) -> Regions:
        cuts = self._cuts.get(variable, set())
        if isinstance(variable, str):
            return regions_of(self.vocabulary[variable], cuts)
        values = self._values[variable]
        return IntervalRegions(ORDERED_TYPES[values], cuts) if isinstance(values, str) else FiniteRegions(values)

    def is_inhabited(self, box: Box) -> bool:
        """Return whether some facts are surely in the box; False if that is not known.

        Facts are independent of each other, and so are the members of a list field. A timestamp can have any weekday
        and any clock of a single timezone if nothing else restricts it.
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

    def cases(self, node: Node, verdict: bool = True) -> Boxes:
        """Return the boxes in which the condition surely has the verdict. Raises TooManyCases."""
        allowed = min(MOST_WORK, self._left)
        self._work = Work(allowed)
        try:
            return self._cases(node, verdict)
        finally:
            self._left -= allowed - self._work.left

    def _cases(self, node: Node, verdict: bool) -> Boxes:
        key = (id(node), verdict)
        if key not in self._cases_by_node:
            make = self._connective_cases if is_connective(node) else self._clause_cases
            self._cases_by_node[key] = make(node, verdict)
        return self._cases_by_node[key]

    def _connective_cases(self, node: Node, verdict: bool) -> Boxes:
        call = cast(Call, node)
        if call.operator == "!":
            return self._cases(call.arguments[0], not verdict)
        if call.operator == "if":
            return self._chosen(call.arguments, verdict)
        return self._all_or_any(call.operator, verdict, (self._cases(part, verdict) for part in call.arguments))

    def _chosen(self, parts: tuple[Node, ...], verdict: bool) -> Boxes:
        """Return the cases of `if`: the chosen part has the verdict, or all parts that could be chosen have it."""
        if len(parts) == 1:
            return self._cases(parts[0], verdict)
        condition, consequent, *_ = parts
        chosen, other = self._cases(consequent, verdict), self._chosen(parts[2:], verdict)
        return union(
            [
                *product(self._cases(condition, True), chosen, self._work),
                *product(self._cases(condition, False), other, self._work),
                *product(chosen, other, self._work),
            ],
            self._work,
        )

    def _clause_cases(self, node: Node, verdict: bool) -> Boxes:
        return self._formula_cases(self._formulas[id(node)], verdict)

    def _formula_cases(self, formula: Formula, verdict: bool) -> Boxes:
        if isinstance(formula, bool):
            return EVERYTHING if formula is verdict else []
        if isinstance(formula, VariableTest):
            return self._test_cases(formula, verdict)
        if isinstance(formula, Cases):
            boxes = (self._guarded_cases(tests, part, verdict) for tests, part in formula.parts)
            return union((box for part in boxes for box in part), self._work)
        if formula.operator == "!":
            return self._formula_cases(formula.parts[0], not verdict)
        parts = (self._formula_cases(part, verdict) for part in formula.parts)
        return self._all_or_any(formula.operator, verdict, parts)

    def _guarded_cases(self, tests: tuple[VariableTest, ...], part: Formula, verdict: bool) -> Boxes:
        boxes = self._formula_cases(part, verdict)
        for test in tests:
            boxes = product(boxes, self._test_cases(test, True), self._work)
        return boxes

    def _test_cases(self, test: VariableTest, verdict: bool) -> Boxes:
        key = (id(test), verdict)
        if key not in self._masks:
            self._masks[key] = self._mask(test, verdict)
        mask = self._masks[key]
        if not mask:
            return []
        box: Box = {name: self.regions(name).present for name in test.requires}
        if mask != ANYTHING:
            box[test.variable] = mask
        return [box]

    def _mask(self, test: VariableTest, verdict: bool) -> int:
        regions = self.regions(test.variable)
        true_mask = regions.where(test.cuts, test.holds)
        mask = true_mask if verdict else regions.present & ~true_mask
        if isinstance(test.variable, str):
            return mask | ~regions.present if test.missing is verdict else mask
        # a derived value is never missing by itself: its bits for the missing value follow the first region
        return mask | ~regions.present if mask >> lowest_bit(regions.present) & 1 else mask

    def _all_or_any(self, operator: str, verdict: bool, parts: Iterable[Boxes]) -> Boxes:
        """Combine the parts: `and` is true if all parts are true and false if one is false; `or` is the opposite."""
        if (operator == "and") is not verdict:
            return union((box for part in parts for box in part), self._work)
        boxes = EVERYTHING
        for part in parts:
            boxes = product(boxes, part, self._work)
            if not boxes:
                break
        return boxes
