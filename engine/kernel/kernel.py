"""The one decision function. Pure: the same plan, beliefs, facts and key give the same answer, bit for bit.

The order is catalogue, rules, draw. Rules limit what may be shown, and the bandit chooses inside these limits. Nothing
moves after the draw, so the logged propensity is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import bandits
from engine.kernel.bounds import Bounds, apply_effects
from engine.kernel.contextual_beliefs import ContextualBeliefs
from engine.kernel.plan import Plan
from engine.kernel.scores import AnyBeliefs, CandidateScores, Floats, scores_of
from engine.kernel.value import value_weights
from engine.model.decision import Decision, Excluded, Ranked, Skipped
from engine.model.facts import Facts
from engine.model.placement import Contextual, Fixed, One, Placement, Ranking, Split, Subset, Thompson
from rules import Rule

UNLIMITED = 1_000_000


def decide(
    plan: Plan,
    beliefs: AnyBeliefs,
    facts: Facts,
    key: str,
    *,
    expires_at: str,
    arrange: Callable[[Draw], bandits.Arrangement] = lambda draw: draw.arrange(),
) -> Decision:
    """Answer for `facts` with the randomness of `key`, which is also the decision's id.

    `arrange` fills the slots of a draw; pages pass another one to show the likeliest answer.
    """
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
    """Return the limits that the catalogue and the fired rules set."""
    return apply_effects(fired, plan.index, plan.eligibility.exclusions(values), slots=most_slots(plan.placement))


def eligible_of(plan: Plan, bounds: Bounds) -> tuple[int, ...]:
    """Return the numbers of the candidates that may be shown, in the merchant's order."""
    return tuple(number for number in range(len(plan.ids)) if number not in bounds.excluded)


class Draw(NamedTuple):
    """Everything that one answer is drawn from. Candidates are indexed from 0 among the K eligible ones.

    `means` (K,) are posterior means. `slot_chances` gives the chances of a drawn slot, `rest_scores` (K,) orders the
    other slots, the highest first. `pins` maps slots, from 0, to indices; `randomness` is the key of the uniforms.
    """

    means: Floats
    hashes: NDArray[np.uint64]
    slot_chances: bandits.WinProbabilities | bandits.Shares
    rest_scores: Floats
    length: int
    drawn: int
    pins: dict[int, int]
    randomness: str

    def arrange(self) -> bandits.Arrangement:
        """Return the arrangement that the randomness selects."""
        return self._arrange(bandits.uniforms(bandits.seed_of(self.randomness), self.hashes, self.drawn))

    def likeliest(self) -> bandits.Arrangement:
        """Fill each drawn slot with its likeliest candidate, given those in the slots above."""
        return self._arrange(np.full((self.drawn, len(self.hashes)), 0.5))

    def _arrange(self, uniforms: Floats) -> bandits.Arrangement:
        return bandits.arrange(
            self.slot_chances.chances, self.rest_scores, uniforms, length=self.length, drawn=self.drawn, pins=self.pins
        )

    def chances_along(self, order: Sequence[int | None]) -> Iterator[Floats]:
        """Yield the chances (K,) in each slot, given that `order` fills the slots above it.

        None in `order` stands for a candidate that is not eligible.
        """
        return bandits.chances_along(
            order,
            self.slot_chances.chances,
            self.rest_scores,
            length=self.length,
            drawn=self.drawn,
            pins=self.pins,
        )


def draw_of(plan: Plan, beliefs: AnyBeliefs, facts: Facts, bounds: Bounds, eligible: tuple[int, ...], key: str) -> Draw:
    """Return what the answer is drawn from; `eligible` must hold at least one candidate."""
    weights = value_weights(plan, facts.values, bounds, eligible, beliefs.amounts(eligible))
    scores = scores_of(plan, beliefs, facts, weights, eligible)
    length = answer_length(plan.placement, len(eligible))
    index_of = {number: index for index, number in enumerate(eligible)}
    return Draw(
        scores.means,
        scores.hashes,
        _slot_chances(plan, scores, eligible),
        _rest_scores(plan, scores.expected, weights, eligible),
        length,
        drawn_count(plan.placement, length),
        {slot: index_of[number] for slot, number in bounds.pins.items()},
        randomness_key(plan, facts, key),
    )


def depends_on_request(plan: Plan, beliefs: AnyBeliefs, facts: Facts) -> bool:
    """Return whether the chances depend on this request (history, cart, features) and cannot be shared."""
    return bool(facts.history) or plan.placement.reward == "margin" or isinstance(beliefs, ContextualBeliefs)


def most_slots(placement: Placement) -> int:
    """Return how many slots an answer may have; a ranking is not limited."""
    match placement.shape:
        case One():
            return 1
        case Subset(limit):
            return limit
        case Ranking():
            return UNLIMITED


def randomness_key(plan: Plan, facts: Facts, key: str) -> str:
    """Return the key of the uniforms: the decision's own, or the customer's in a split, so that it is sticky.

    The placement is part of a split's key: the shares of two placements must not depend on each other.
    """
    if isinstance(plan.placement.policy, Split):
        return f"{plan.placement.key}:{facts.customer or key}"
    return key


def answer_length(placement: Placement, candidates: int) -> int:
    """Return how many slots an answer with so many eligible candidates has."""
    return min(most_slots(placement), candidates)


def drawn_count(placement: Placement, length: int) -> int:
    """Return how many of the first slots are drawn."""
    match placement.policy:
        case Fixed():
            return 0
        case Split():
            return length
        case Thompson() | Contextual() as policy:
            return min(policy.drawn, length)


def _slot_chances(
    plan: Plan, scores: CandidateScores, eligible: tuple[int, ...]
) -> bandits.WinProbabilities | bandits.Shares:
    policy = plan.placement.policy
    if isinstance(policy, Split):
        return bandits.Shares(np.array([policy.weights.get(plan.ids[number], 1.0) for number in eligible]))
    return scores.win_probabilities()


def _rest_scores(plan: Plan, expected: Floats, weights: Floats | None, eligible: tuple[int, ...]) -> Floats:
    """Return the scores (K,) that order the slots after the drawn ones: expected value, or the merchant's own order."""
    fixed = isinstance(plan.placement.policy, Fixed)
    scores = fixed_order_scores(len(eligible)) if fixed else np.asarray(expected, np.float64)
    return scores if weights is None else scores * weights


def fixed_order_scores(count: int) -> Floats:
    """Return falling scores (count,), so that the merchant's own order stands unless boosts change it."""
    return np.asarray(1.0 / (1.0 + np.arange(count)), np.float64)


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
    for slot, index in enumerate(arrangement.order):
        candidate = plan.candidates[eligible[index]]
        ranking.append(
            Ranked(
                candidate.id,
                slot + 1,
                candidate.label,
                scores[index],
                first[index],
                arrangement.chances[slot],
                _reasons(facts, candidate.id, bounds.reasons.get(eligible[index])),
            )
        )
    return ranking


def _reasons(facts: Facts, candidate: str, rule_reasons: list[str] | None) -> list[str]:
    reasons = list(rule_reasons) if rule_reasons else []
    past = facts.history.get(candidate)
    if past is not None and past.purchases:
        total = sum(other.purchases for other in facts.history.values())
        reasons.append(f"chosen in {past.purchases} of this customer's last {total} purchases")
    return reasons


def fall_back(plan: Plan, facts: Facts, key: str, *, expires_at: str) -> Decision:
    """Return the merchant's own order, for when something failed: the catalogue's limits, no rules, no draw."""
    excluded = plan.eligibility.exclusions(facts.values)
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
