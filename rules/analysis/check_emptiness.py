"""Find rules that together hide every candidate."""

from collections.abc import Iterator, Sequence

from rules.analysis.boxes import EVERYTHING, Boxes, TooManyCases, Work, product
from rules.analysis.findings import RuleFinding
from rules.analysis.rule_set_analysis import RuleSetAnalysis

MOST_WORK = 100_000
MOST_WORK_PER_RULE = 5_000
_FEW = 3


class EmptinessChecker:
    """Looks for facts for which every candidate is hidden. Reports nothing if the search takes too much work."""

    def __init__(self, analysis: RuleSetAnalysis) -> None:
        self._analysis = analysis
        self._every = frozenset(analysis.context.candidates)
        self._left = MOST_WORK
        self._work = Work(0)

    def findings(self, *, focus: int | None = None) -> Iterator[RuleFinding]:
        """Yield a finding for each rule (or only the one in focus) that hides every candidate with rules before it."""
        every_effects, boxes = self._analysis.effects, self._analysis.boxes
        hiding = [number for number, effects in enumerate(every_effects) if effects.hidden and boxes[number]]
        if self._every - frozenset[str]().union(*(self._analysis.effects[number].hidden for number in hiding)):
            return
        for number in hiding if focus is None else [focus]:
            others = [other for other in hiding if (other < number if focus is None else other != number)]
            together = self._emptied_by(number, others)
            if together and not self._is_fight(together):
                yield self._finding(number, together[1:])

    def _emptied_by(self, number: int, others: Sequence[int]) -> tuple[int, ...] | None:
        """Return the rule and a few others that hide every candidate for some facts, or None if there are none."""
        hidden = self._analysis.effects[number].hidden
        if not self._analysis.boxes[number] or not hidden:
            return None
        allowed = min(MOST_WORK_PER_RULE, self._left)
        self._work = Work(allowed)
        effects = self._analysis.effects
        by_candidate = {name: [other for other in others if name in effects[other].hidden] for name in self._every}
        try:
            for chosen in self._choices(
                self._analysis.boxes[number] or EVERYTHING, self._every - hidden, by_candidate, (number,)
            ):
                if self._needs_first(chosen) and self._analysis.example(chosen) is not None:
                    return chosen
        except TooManyCases:
            return None
        finally:
            self._left -= allowed - self._work.left
        return None

    def _choices(
        self, boxes: Boxes, left: frozenset[str], by_candidate: dict[str, list[int]], chosen: tuple[int, ...]
    ) -> Iterator[tuple[int, ...]]:
        """Yield sets of rules that may fire together and hide all candidates in `left`."""
        if not left:
            yield chosen
            return
        rarest = min(sorted(left), key=lambda name: len(by_candidate[name]))
        for other in by_candidate[rarest]:
            self._work.spend(1)
            both = product(boxes, self._analysis.boxes[other] or [], self._work)
            if both:
                remaining = left - self._analysis.effects[other].hidden
                yield from self._choices(both, remaining, by_candidate, (*chosen, other))

    def _needs_first(self, chosen: tuple[int, ...]) -> bool:
        """Return whether the first rule is needed; if not, the finding belongs to the others."""
        others = (self._analysis.effects[other].hidden for other in chosen[1:])
        return bool(self._every - frozenset[str]().union(*others))

    def _is_fight(self, chosen: tuple[int, ...]) -> bool:
        """Return whether the rules are two that allow different candidates, which is reported as a fight."""
        required = [self._analysis.effects[number].required for number in chosen]
        return len(chosen) == 2 and None not in required and not frozenset.intersection(*filter(None, required))

    def _finding(self, number: int, others: tuple[int, ...]) -> RuleFinding:
        rules = self._analysis.rules
        example = self._analysis.example((number, *others))
        ids = tuple(rules[other].id for other in others)
        if not others:
            message = "This rule hides every candidate: if it fires, no candidate is left."
        else:
            names = " and ".join(f"“{rules[other].name}”" for other in others[:_FEW])
            more = f" and {len(others) - _FEW} more" if len(others) > _FEW else ""
            message = f"Together with {names}{more}, this rule may hide every candidate, so that no candidate is left."
        return RuleFinding(rules[number].id, "/effects", "may be empty", "warning", message, ids, example)
