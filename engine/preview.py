"""What a draft would have answered to a logged decision, by the same facts, beliefs and randomness. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from engine.bounds import Bounds
from engine.facts import Facts
from engine.kernel import bounds_for, draw_of, eligible_of
from engine.odds import AnyBeliefs
from engine.plan import Plan
from engine.preview_weight import Drawing, LoggedSlot, Weighed, weigh
from engine.worth import margin
from rules import Rule

MOST_REMEMBERED = 10_000


class LoggedAnswer(msgspec.Struct, frozen=True):
    """The part of a logged answer that a preview needs."""

    ranking: list[LoggedSlot]
    values: dict[str, Any]
    rules: list[str]
    fallback: bool

    @property
    def order(self) -> tuple[str, ...]:
        return tuple(one.id for one in self.ranking)


read_logged = msgspec.json.Decoder(LoggedAnswer).decode


class Bounded(NamedTuple):
    """What the rules that fired then, and those of the draft, leave room for; `same` where that is no difference."""

    before: Bounds
    draft: Bounds
    same: bool


class Case(NamedTuple):
    """A logged decision that the draft may have answered otherwise."""

    id: str
    facts: Facts
    logged: LoggedAnswer
    bounded: Bounded


class Redone(NamedTuple):
    """The draft's answer: candidates in order, and what they were drawn from (None where nobody was left)."""

    order: tuple[str, ...]
    drawing: Drawing | None


class Comparison:
    """A draft beside the plan version that made some logged decisions. Remembers what sets of rules lead to."""

    def __init__(self, before: Plan, draft: Plan) -> None:
        self.before, self.draft = before, draft
        self._rules = {rule.id: rule for rule in before.rules}
        self._alike = _frame(before) == _frame(draft)
        self._known: dict[tuple[object, ...], Bounded] = {}

    @property
    def believe_alike(self) -> bool:
        """Whether both plans make the same of what is known."""
        return self.before.ids == self.draft.ids and self.before.placement.policy == self.draft.placement.policy

    def bounded(self, values: Mapping[str, Any], fired: tuple[int, ...], logged: LoggedAnswer) -> Bounded:
        """`fired` are the draft's rules by number; the logged answer names those of then."""
        key = (fired, tuple(logged.rules), *self._refused(values))
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            known = self._known[key] = self._bounded(values, fired, logged)
        return known

    def redone(self, case: Case, beliefs: AnyBeliefs) -> Redone:
        """The draft's answer to the same customer at the same moment, by the same randomness."""
        drawing = _drawing(self.draft, beliefs, case, case.bounded.draft)
        if drawing is None:
            return Redone((), None)
        return Redone(tuple(drawing.offered[place] for place in drawing.draw.arrange().order), drawing)

    def weighed(self, case: Case, redone: Redone, beliefs: AnyBeliefs, succeeded: Mapping[str, int]) -> Weighed:
        """`beliefs` as the plan of then saw them; `succeeded`: successes by candidate."""
        before = _drawing(self.before, beliefs, case, case.bounded.before)
        if before is None:
            return Weighed(1.0, 0.0, 0.0, 0.0, 0.0, float(redone.drawing is not None))
        return weigh(case.logged.ranking, self._rewards(case, succeeded), before, redone.drawing)

    def _rewards(self, case: Case, succeeded: Mapping[str, int]) -> dict[str, float]:
        """What each success was worth: 1, or under the reward `margin` what was left of it, by the draft's own fees."""
        won = {name: float(count) for name, count in succeeded.items() if count}
        if self.draft.placement.reward != "margin":
            return won
        plans = ((self.draft, name) if name in self.draft.index else (self.before, name) for name in won)
        return {name: won[name] * margin(plan, case.facts.values, plan.index[name]) for plan, name in plans}

    def _refused(self, values: Mapping[str, Any]) -> tuple[frozenset[int], ...]:
        plans = (self.draft,) if self._alike else (self.draft, self.before)
        return tuple(frozenset(plan.eligibility.why_not(values)) for plan in plans)

    def _bounded(self, values: Mapping[str, Any], fired: tuple[int, ...], logged: LoggedAnswer) -> Bounded:
        then: tuple[Rule, ...] = tuple(self._rules[id] for id in logged.rules)
        before = bounds_for(self.before, values, then)
        draft = bounds_for(self.draft, values, tuple(self.draft.rules[number] for number in fired))
        return Bounded(before, draft, self._alike and _effects(before) == _effects(draft))


def _drawing(plan: Plan, beliefs: AnyBeliefs, case: Case, bounds: Bounds) -> Drawing | None:
    eligible = eligible_of(plan, bounds)
    if not eligible:
        return None
    draw = draw_of(plan, beliefs, case.facts, bounds, eligible, case.id)
    return Drawing(draw, tuple(plan.ids[number] for number in eligible))


def _frame(plan: Plan) -> tuple[object, ...]:
    """All but the rules that an answer hangs on."""
    placement = plan.placement
    nameless = tuple(msgspec.structs.replace(one, label="-", type="") for one in plan.candidates)
    worths = (placement.reward, placement.margin_percent, placement.typical_amount)
    return placement.shape, placement.policy, worths, nameless


def _effects(bounds: Bounds) -> tuple[object, ...]:
    return bounds.excluded.keys(), bounds.pins, bounds.boosts, bounds.values
