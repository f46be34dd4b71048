"""The one decision function. Pure: the same plan, beliefs, facts and key give the same answer, bit for bit.

The order is catalogue, rules, draw. Rules limit what may be shown, and the bandit chooses inside these limits. Nothing
moves after the draw, so the logged propensity is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import bandits
from engine.kernel.beliefs import Beliefs
from engine.kernel.bounds import Bounds, apply_effects
from engine.kernel.choice_beliefs import ChoiceBeliefs
from engine.kernel.plan import Plan
from engine.kernel.scores import AnyBeliefs, Floats, candidates_of, customer_counts, split_weights
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
        ranking = _ranked(plan, facts, bounds, eligible, arrangement)
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
    if not bounds.excluded:
        return plan.numbers
    return tuple([number for number in plan.numbers if number not in bounds.excluded])


class Draw(NamedTuple):
    """Everything that one answer is drawn from. Candidates are indexed from 0 among the K eligible ones."""

    candidates: bandits.Candidates
    slots: bandits.Slots
    requests: bandits.Requests

    def arrange(self) -> bandits.Arrangement:
        """Return the arrangement that the randomness selects."""
        return bandits.arrange(self.candidates, self.slots, self.requests)

    def likeliest(self) -> bandits.Arrangement:
        """Fill each drawn slot with its likeliest candidate, given those in the slots above."""
        return bandits.arrange_likeliest(self.candidates, self.slots, self.requests)

    def chances_along(self, order: Sequence[int | None]) -> Iterator[Floats]:
        """Yield the chances (K,) in each slot, given that `order` fills the slots above it.

        None in `order` stands for a candidate that is not eligible.
        """
        return bandits.chances_along(self.candidates, self.slots, self.requests, order)


def draw_of(plan: Plan, beliefs: AnyBeliefs, facts: Facts, bounds: Bounds, eligible: tuple[int, ...], key: str) -> Draw:
    """Return what the answer is drawn from; `eligible` must hold at least one candidate."""
    weights = value_weights(plan, facts.values, bounds, eligible, beliefs.amounts(eligible))
    candidates = candidates_of(plan, beliefs, facts, bounds, weights, eligible)
    if isinstance(plan.placement.policy, Split):
        weights = split_weights(plan, plan.placement.policy, eligible)
    elif isinstance(beliefs, ChoiceBeliefs) and beliefs.counts_money:
        # The scores hold the weights already: what earns most depends on what all others earn.
        weights = bandits.NO_WEIGHTS
    past = customer_counts(plan, beliefs, facts, eligible)
    requests = bandits.Requests.of(randomness_key(plan, facts, key), past, weights, beliefs.customer_strength)
    return Draw(candidates, slots_of(plan, bounds, eligible), requests)


def slots_of(plan: Plan, bounds: Bounds, eligible: tuple[int, ...]) -> bandits.Slots:
    """Return how many slots the answer has, how many of them are drawn, and where pins stand."""
    length = answer_length(plan.placement, len(eligible))
    pins = {slot: eligible.index(number) for slot, number in bounds.pins.items()}
    return bandits.Slots(length, drawn_count(plan.placement, length), pins)


def shares_draws(plan: Plan, beliefs: AnyBeliefs) -> bool:
    """Return whether requests with the same bounds and beliefs share draws and weights: no cart, features, strata."""
    return plan.placement.reward != "margin" and isinstance(beliefs, Beliefs)


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


def _ranked(
    plan: Plan, facts: Facts, bounds: Bounds, eligible: tuple[int, ...], arrangement: bandits.Arrangement
) -> list[Ranked]:
    order, chances, first, means, _ = arrangement
    ranking = []
    for slot, index in enumerate(order):
        number = eligible[index]
        candidate = plan.candidates[number]
        reasons = _reasons(facts, candidate.id, bounds.reasons.get(number))
        ranking.append(
            Ranked(candidate.id, slot + 1, candidate.label, means[index], first[index], chances[slot], reasons)
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
