"""Answer logged decisions with a draft, by the same facts, beliefs and randomness. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
import numpy as np

from engine.kernel.bounds import preferred_of
from engine.kernel.experiments.evaluated import Variants
from engine.kernel.kernel import bounds_for
from engine.kernel.plan import Plan
from engine.kernel.scores import AnyBeliefs
from engine.model.facts import Facts
from engine.model.standard_vocabulary import merchant_fields
from engine.previews.estimation.binding import binding
from engine.previews.estimation.drawing import AllowedCandidates, Drawing, Positions, Request
from engine.previews.estimation.weighing import LoggedSlots, Weighed, weigh
from rules import Rule

MOST_CACHED = 10_000
AT_ONCE = 64
"""Decisions whose draws fit into a processor's cache."""

PlanKey = tuple[int, Variants]
"""The plan version that decided, and the experiments' variants."""

_beliefs_version = attrgetter("beliefs_version")


class LoggedSlot(msgspec.Struct, frozen=True):
    """A candidate in its slot, with the chance that it had of it."""

    id: str
    chance: float


class LoggedAnswer(msgspec.Struct, frozen=True):
    """The part of a logged answer that a preview needs."""

    ranking: list[LoggedSlot]
    values: dict[str, Any]
    rules: list[str]
    fallback: bool

    @property
    def order(self) -> tuple[str, ...]:
        return tuple(slot.id for slot in self.ranking)


read_logged = msgspec.json.Decoder(LoggedAnswer).decode


class Bounded(NamedTuple):
    """The candidates that the rules of the logged plan, and those of the draft, allow; `same` if answers cannot differ.

    `draft_binding` is all that the draft's answer depends on, but its beliefs.
    """

    before: AllowedCandidates
    draft: AllowedCandidates
    same: bool
    draft_binding: tuple[object, ...]


class Case(NamedTuple):
    """A logged decision whose answer the draft may change; `is_over` says that its window for outcomes has ended.

    The draft is compared with the log, or with another plan: `other` is what that plan allows.
    """

    id: str
    facts: Facts
    logged: LoggedAnswer
    bounded: Bounded
    plan_key: PlanKey
    beliefs_version: int
    is_over: bool
    other: Bounded | None = None

    @property
    def of_other(self) -> Case:
        """Return the case of the other plan beside the log."""
        return self if self.other is None else self._replace(bounded=self.other, other=None)

    @property
    def sets_other_values(self) -> bool:
        """Return whether the draft's answer has other values than that of the log, or of the other plan."""
        before = self.bounded.before if self.other is None else self.other.draft
        return before.limits.bounds.values != self.bounded.draft.limits.bounds.values

    def request(self, beliefs: AnyBeliefs) -> Request:
        return Request(self.id, self.facts, beliefs)


class DraftAnswers(NamedTuple):
    """The draft's answers: candidates in order, and their draws (None where no candidate is allowed)."""

    orders: list[tuple[str, ...]]
    drawing: Drawing | None


def batches(cases: Iterable[Case]) -> Iterator[list[Case]]:
    """Yield batches of at most `AT_ONCE` cases that differ in the request only, sorted by their beliefs."""
    groups: dict[tuple[int, int, int, bool], list[Case]] = {}
    for case in cases:
        key = (id(case.bounded), id(case.other), len(case.logged.ranking), case.is_over)
        groups.setdefault(key, []).append(case)
    for batch in groups.values():
        batch.sort(key=_beliefs_version)
        for start in range(0, len(batch), AT_ONCE):
            yield batch[start : start + AT_ONCE]


class Comparison:
    """Compares a draft with the plan version that made some logged decisions. Caches the limits by fired rules."""

    def __init__(self, before: Plan, draft: Plan) -> None:
        self.before, self.draft = before, draft
        self._rules = {rule.id: rule for rule in before.rules}
        self._same_catalogue = before.candidates == draft.candidates and (
            before.document.currency == draft.document.currency
        )
        self._cache: dict[tuple[object, ...], Bounded] = {}

    @property
    def share_beliefs(self) -> bool:
        """Return whether both plans make the same beliefs of the evidence: they differ in rules and lists alone."""
        before, draft = self.before.document, self.draft.document
        same = (before.placement, before.candidates) == (draft.placement, draft.candidates)
        return same and merchant_fields(before.fields) == merchant_fields(draft.fields)

    def bounded(self, values: Mapping[str, Any], fired: tuple[int, ...], logged: LoggedAnswer) -> Bounded:
        """Return what both plans allow; `fired` are the draft's rules by number."""
        key = (fired, tuple(logged.rules), preferred_of(values), *self._refused(values))
        bounded = self._cache.get(key)
        if bounded is None:
            if len(self._cache) >= MOST_CACHED:
                self._cache.clear()
            bounded = self._cache[key] = self._bounded(values, fired, logged)
        return bounded

    def answers(self, cases: Sequence[Case], beliefs: Sequence[AnyBeliefs]) -> DraftAnswers:
        """Return the draft's answers to the same requests, by the same randomness."""
        drawing = _drawing(cases[0].bounded.draft, cases, beliefs)
        if drawing is None:
            return DraftAnswers([()] * len(cases), None)
        orders = [tuple([drawing.offered[position] for position in order]) for order in drawing.orders().tolist()]
        return DraftAnswers(orders, drawing)

    def weighed(
        self,
        cases: Sequence[Case],
        answers: DraftAnswers,
        beliefs: Sequence[AnyBeliefs],
        rewards: Sequence[Mapping[str, float]],
    ) -> Weighed:
        """Return the shares in the estimate; `beliefs` are those of the logged plan, `rewards` by candidate."""
        before = _drawing(cases[0].bounded.before, cases, beliefs)
        return weigh(_logged(cases, rewards), before, answers.drawing)

    def _refused(self, values: Mapping[str, Any]) -> tuple[frozenset[int], ...]:
        plans = (self.draft,) if self._same_catalogue else (self.draft, self.before)
        return tuple(frozenset(plan.eligibility.exclusions(values)) for plan in plans)

    def _bounded(self, values: Mapping[str, Any], fired: tuple[int, ...], logged: LoggedAnswer) -> Bounded:
        fired_before: tuple[Rule, ...] = tuple(self._rules[id] for id in logged.rules)
        before = bounds_for(self.before, values, fired_before)
        draft = bounds_for(self.draft, values, tuple(self.draft.rules[number] for number in fired))
        bound = binding(self.draft, draft)
        same = binding(self.before, before) == bound
        return Bounded(AllowedCandidates.of(self.before, before), AllowedCandidates.of(self.draft, draft), same, bound)


def _drawing(allowed: AllowedCandidates, cases: Sequence[Case], beliefs: Sequence[AnyBeliefs]) -> Drawing | None:
    if not allowed.offered:
        return None
    return Drawing(allowed, [case.request(belief) for case, belief in zip(cases, beliefs, strict=True)])


def _logged(cases: Sequence[Case], rewards: Sequence[Mapping[str, float]]) -> LoggedSlots:
    rankings, bounded = [case.logged.ranking for case in cases], cases[0].bounded
    earned = [[won.get(slot.id, 0.0) for slot in ranking] for ranking, won in zip(rankings, rewards, strict=True)]
    return LoggedSlots(
        _positions(rankings, bounded.before),
        _positions(rankings, bounded.draft),
        np.array([[slot.chance for slot in ranking] for ranking in rankings], np.float64),
        np.array(earned, np.float64),
    )


def _positions(rankings: Sequence[Sequence[LoggedSlot]], allowed: AllowedCandidates) -> Positions:
    columns = {name: position for position, name in enumerate(allowed.offered)}
    return np.array([[columns.get(slot.id, -1) for slot in ranking] for ranking in rankings], np.intp)
