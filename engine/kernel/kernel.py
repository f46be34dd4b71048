"""The one decision function. Pure: the same plan, beliefs, facts and key give the same answer, bit for bit.

Order: catalogue -> rules -> draw. Rules bound, the bandit chooses inside; after the draw nothing moves, so the
logged propensity is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import bandits
from engine.kernel.bounds import Bounds, bounds_of
from engine.kernel.contextual_beliefs import ContextualBeliefs
from engine.kernel.plan import Plan
from engine.kernel.scores import AnyBeliefs, CandidateScores, Floats, scores_of
from engine.kernel.value import worth
from engine.model.decision import Decision, Excluded, Ranked, Skipped
from engine.model.facts import Facts
from engine.model.placement import Contextual, Fixed, One, Placement, Ranking, Split, Subset, Thompson
from rules import Rule

MANY = 1_000_000


def decide(
    plan: Plan,
    beliefs: AnyBeliefs,
    facts: Facts,
    key: str,
    *,
    expires_at: str,
    arrange: Callable[[Draw], bandits.Arrangement] = lambda draw: draw.arrange(),
) -> Decision:
    """Answer for `facts` with the randomness of `key`, which is also the decision's id."""
    firing = plan.compiled.evaluate(facts.values)
    fired = tuple(plan.rules[number] for number in firing.fired)
    bounds = bounds_for(plan, facts.values, fired)
    eligible = eligible_of(plan, bounds)
    ranking, propensity = [], 1.0
    if eligible:
        draw = draw_of(plan, beliefs, facts, bounds, eligible, key)
        arrangement = arrange(draw)
        ranking = _ranked(plan, facts, bounds, eligible, draw.means, arrangement)
        propensity = arrangement.propensity
    return Decision(
        decision_id=key,
        placement=plan.placement.key,
        plan_version=plan.version,
        beliefs_version=beliefs.version,
        ranking=ranking,
        excluded=[Excluded(plan.ids[number], reason) for number, reason in sorted(bounds.excluded.items())],
        values=bounds.values,
        rules=[rule.id for rule in fired],
        skipped=[Skipped(plan.rules[number].id, field) for number, field in firing.skipped],
        experiments=[],
        propensity=propensity,
        fallback=False,
        expires_at=expires_at,
    )


def bounds_for(plan: Plan, values: Mapping[str, Any], fired: tuple[Rule, ...]) -> Bounds:
    """What the catalogue and the rules that fired leave room for."""
    return bounds_of(fired, plan.index, plan.eligibility.why_not(values), slots=most_slots(plan.placement))


def eligible_of(plan: Plan, bounds: Bounds) -> tuple[int, ...]:
    return tuple(number for number in range(len(plan.ids)) if number not in bounds.excluded)


class Draw(NamedTuple):
    """All that one answer is drawn from; candidates are counted from 0 among the eligible.

    `lots` have the chances of the drawn slots, which hang on `randomness`; `rest` orders the other slots.
    """

    means: Floats
    hashes: NDArray[np.uint64]
    slot_chances: bandits.WinProbabilities | bandits.Shares
    rest: Floats
    length: int
    drawn: int
    pins: dict[int, int]
    randomness: str

    def arrange(self) -> bandits.Arrangement:
        """The answer that the randomness leads to."""
        return self._with(bandits.uniforms(bandits.seed_of(self.randomness), self.hashes, self.drawn))

    def likeliest(self) -> bandits.Arrangement:
        """Each drawn slot with the one that most likely gets it, given those above."""
        return self._with(np.full((self.drawn, len(self.hashes)), 0.5))

    def _with(self, uniforms: Floats) -> bandits.Arrangement:
        return bandits.arrange(
            self.slot_chances.chances, self.rest, uniforms, length=self.length, drawn=self.drawn, pins=self.pins
        )

    def along(self, order: Sequence[int | None]) -> Iterator[Floats]:
        """The chances in each slot, had `order` filled those above it; None is who takes no part."""
        return bandits.chances_along(
            order, self.slot_chances.chances, self.rest, length=self.length, drawn=self.drawn, pins=self.pins
        )


def draw_of(plan: Plan, beliefs: AnyBeliefs, facts: Facts, bounds: Bounds, eligible: tuple[int, ...], key: str) -> Draw:
    """`eligible` holds at least one candidate."""
    weights = worth(plan, facts.values, bounds, eligible, beliefs.amounts(eligible))
    scores = scores_of(plan, beliefs, facts, weights, eligible)
    length, drawn, randomness = room(plan, facts, key, len(eligible))
    local = {number: place for place, number in enumerate(eligible)}
    return Draw(
        scores.means,
        scores.hashes,
        _chances_of_slots(plan, scores, eligible),
        _rest(plan, scores.expected, weights, eligible),
        length,
        drawn,
        {slot: local[number] for slot, number in bounds.pins.items()},
        randomness,
    )


def depends_on_request(plan: Plan, beliefs: AnyBeliefs, facts: Facts) -> bool:
    """Whether a request is drawn from other chances than the others with the same bounds and beliefs."""
    return bool(facts.history) or plan.placement.reward == "margin" or isinstance(beliefs, ContextualBeliefs)


def most_slots(placement: Placement) -> int:
    """How many slots an answer may have; a ranking has as many as it needs."""
    match placement.shape:
        case One():
            return 1
        case Subset(limit):
            return limit
        case Ranking():
            return MANY


def room(plan: Plan, facts: Facts, key: str, candidates: int) -> tuple[int, int, str]:
    """How many slots the answer has, how many of them are drawn, and what their randomness hangs on."""
    length = min(most_slots(plan.placement), candidates)
    match plan.placement.policy:
        case Fixed():
            return length, 0, key
        case Split():
            return length, length, f"{plan.placement.key}:{facts.customer or key}"
        case Thompson() | Contextual() as policy:
            return length, min(policy.drawn, length), key


def _chances_of_slots(
    plan: Plan, scores: CandidateScores, eligible: tuple[int, ...]
) -> bandits.WinProbabilities | bandits.Shares:
    policy = plan.placement.policy
    if isinstance(policy, Split):
        return bandits.Shares(np.array([policy.weights.get(plan.ids[number], 1.0) for number in eligible]))
    return scores.win_probabilities()


def _rest(plan: Plan, means: Floats, weights: Floats | None, eligible: tuple[int, ...]) -> Floats:
    """What orders the slots that are not drawn: expected worth, or the merchant's own order where it is fixed."""
    fixed = isinstance(plan.placement.policy, Fixed)
    scores = np.asarray(1.0 / (1.0 + np.arange(len(eligible))) if fixed else means, np.float64)
    return scores if weights is None else scores * weights


def _ranked(
    plan: Plan,
    facts: Facts,
    bounds: Bounds,
    eligible: tuple[int, ...],
    means: Any,
    arrangement: bandits.Arrangement,
) -> list[Ranked]:
    scores = means.tolist()
    first = arrangement.first.tolist()
    ranking = []
    for slot, place in enumerate(arrangement.order):
        candidate = plan.candidates[eligible[place]]
        ranking.append(
            Ranked(
                candidate.id,
                slot + 1,
                candidate.label,
                scores[place],
                first[place],
                arrangement.chances[slot],
                _reasons(facts, candidate.id, bounds.reasons.get(eligible[place])),
            )
        )
    return ranking


def _reasons(facts: Facts, candidate: str, by_rules: list[str] | None) -> list[str]:
    reasons = list(by_rules) if by_rules else []
    past = facts.history.get(candidate)
    if past is not None and past.purchases:
        total = sum(other.purchases for other in facts.history.values())
        reasons.append(f"chosen in {past.purchases} of this customer's last {total} purchases")
    return reasons


def chances_by_slot(plan: Plan, beliefs: AnyBeliefs, facts: Facts, decision: Decision) -> list[dict[str, float]]:
    """For each drawn slot of a decision, the chance that every candidate had of it, by id; for pages.

    A slot that was pinned has none: its dict is empty.
    """
    if decision.fallback or not decision.ranking:
        return []
    fired = tuple(rule for rule in plan.rules if rule.id in decision.rules)
    bounds = bounds_for(plan, facts.values, fired)
    eligible = eligible_of(plan, bounds)
    draw = draw_of(plan, beliefs, facts, bounds, eligible, decision.decision_id)
    names = [plan.ids[number] for number in eligible]
    places = {name: place for place, name in enumerate(names)}
    pinned = {plan.ids[number] for number in bounds.pins.values()}
    slots: list[dict[str, float]] = []
    drawn = decision.ranking[: draw.drawn]
    for one, at in zip(drawn, draw.along([places[one.id] for one in drawn]), strict=False):
        known = {} if one.id in pinned else dict(zip(names, at.tolist(), strict=True))
        slots.append({name: chance for name, chance in known.items() if chance > 0})
    return slots


def fall_back(plan: Plan, facts: Facts, key: str, *, expires_at: str) -> Decision:
    """The merchant's own order, for when something broke: eligible by catalogue, no rules, nothing drawn."""
    excluded = plan.eligibility.why_not(facts.values)
    eligible = [number for number in range(len(plan.ids)) if number not in excluded]
    return Decision(
        decision_id=key,
        placement=plan.placement.key,
        plan_version=plan.version,
        beliefs_version=0,
        ranking=[
            Ranked(plan.ids[number], rank + 1, plan.candidates[number].label, 0.0, float(rank == 0), 1.0, [])
            for rank, number in enumerate(eligible[: most_slots(plan.placement)])
        ],
        excluded=[Excluded(plan.ids[number], reason) for number, reason in sorted(excluded.items())],
        values={},
        rules=[],
        skipped=[],
        experiments=[],
        propensity=1.0,
        fallback=True,
        expires_at=expires_at,
    )
