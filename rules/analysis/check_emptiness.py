"""Rules that together leave nothing to show."""

from collections.abc import Iterator, Sequence

from rules.analysis.boxes import EVERYTHING, Boxes, TooMuch, Work, product
from rules.analysis.findings import Finding
from rules.analysis.study import Study

MOST_WORK = 100_000
MOST_WORK_A_RULE = 5_000
_FEW = 3


class Emptiness:
    """Looks for facts for which every candidate is hidden. Of what takes too much work, nothing is said."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._every = frozenset(study.setting.candidates)
        self._left = MOST_WORK
        self._work = Work(0)

    def findings(self, *, focus: int | None = None) -> Iterator[Finding]:
        """For each rule (or the one in focus), how those before it and it leave nothing."""
        hiding = [number for number, deed in enumerate(self._study.deeds) if deed.hidden and self._study.boxes[number]]
        if self._every - frozenset[str]().union(*(self._study.deeds[number].hidden for number in hiding)):
            return
        for number in hiding if focus is None else [focus]:
            others = [one for one in hiding if (one < number if focus is None else one != number)]
            together = self._emptied_by(number, others)
            if together and not self._is_fight(together):
                yield self._finding(number, together[1:])

    def _emptied_by(self, number: int, others: Sequence[int]) -> tuple[int, ...] | None:
        """The rule and few others that hide every candidate for some facts, or None if there are none."""
        hidden = self._study.deeds[number].hidden
        if not self._study.boxes[number] or not hidden:
            return None
        allowed = min(MOST_WORK_A_RULE, self._left)
        self._work = Work(allowed)
        by_candidate = {name: [one for one in others if name in self._study.deeds[one].hidden] for name in self._every}
        try:
            for chosen in self._choices(
                self._study.boxes[number] or EVERYTHING, self._every - hidden, by_candidate, (number,)
            ):
                if self._needs(chosen) and self._study.example(chosen) is not None:
                    return chosen
        except TooMuch:
            return None
        finally:
            self._left -= allowed - self._work.left
        return None

    def _choices(
        self, boxes: Boxes, left: frozenset[str], by_candidate: dict[str, list[int]], chosen: tuple[int, ...]
    ) -> Iterator[tuple[int, ...]]:
        """Sets of rules that may fire together and hide all that is `left`."""
        if not left:
            yield chosen
            return
        rarest = min(sorted(left), key=lambda name: len(by_candidate[name]))
        for other in by_candidate[rarest]:
            self._work.spend(1)
            both = product(boxes, self._study.boxes[other] or [], self._work)
            if both:
                yield from self._choices(both, left - self._study.deeds[other].hidden, by_candidate, (*chosen, other))

    def _needs(self, chosen: tuple[int, ...]) -> bool:
        """Whether the first rule is needed, for otherwise the others alone are what to look at."""
        others = (self._study.deeds[other].hidden for other in chosen[1:])
        return bool(self._every - frozenset[str]().union(*others))

    def _is_fight(self, chosen: tuple[int, ...]) -> bool:
        """Two rules that allow different candidates are found as rules that fight."""
        required = [self._study.deeds[number].required for number in chosen]
        return len(chosen) == 2 and None not in required and not frozenset.intersection(*filter(None, required))

    def _finding(self, number: int, others: tuple[int, ...]) -> Finding:
        rules = self._study.rules
        example = self._study.example((number, *others))
        ids = tuple(rules[other].id for other in others)
        if not others:
            message = "This rule hides every candidate: where it fires, there is nothing to show."
        else:
            names = " and ".join(f"“{rules[other].name}”" for other in others[:_FEW])
            more = f" and {len(others) - _FEW} more" if len(others) > _FEW else ""
            message = (
                f"Together with {names}{more}, this rule may hide every candidate, so that there is nothing to show."
            )
        return Finding(rules[number].id, "/effects", "may be empty", "warning", message, ids, example)
