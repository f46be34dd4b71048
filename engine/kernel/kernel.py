"""The decision function. It is pure: the same plan, beliefs, facts and key give the same answer, bit for bit.

The order is catalogue, rules, draw. Rules limit the candidates, and the bandit chooses within these limits. Nothing
changes after the draw, so the logged propensity is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import bandits
from engine.kernel.beliefs import Beliefs
from engine.kernel.bounds import Bounds, apply_effects, preferred_of
from engine.kernel.offers.quote import Cart
from engine.kernel.offers.worth import offer_weights, values_of
from engine.kernel.plan import Plan
from engine.kernel.scores import AnyBeliefs, Floats, customer_counts, weighed_candidates
from engine.kernel.value import boost_weights, margin_weights
from engine.model.decision import Decision, Excluded, Ranked, Skipped
from engine.model.facts import Facts
from engine.model.placement import Contextual, Fixed, One, Placement, Ranking, Split, Subset, Thompson
from rules import Firing, Rule

UNLIMITED = 1_000_000
MOST_CACHED_LIMITS = 4096
"""Of the benchmark's 50 rules, 280 sets fired in 20,000 requests."""


class Question(NamedTuple):
    """The input of an answer, with the rules that fire; `key` is the randomness and the decision's id.

    `limits` are the limits that the rules set, if they are already computed.
    """

    facts: Facts
    key: str
    firing: Firing
    limits: Limits | None = None


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
    question = Question(facts, key, plan.compiled.evaluate(facts.values))
    return answer_to(question, plan, beliefs, expires_at=expires_at, arrange=arrange)


def answer_to(
    question: Question,
    plan: Plan,
    beliefs: AnyBeliefs,
    *,
    expires_at: str,
    arrange: Callable[[Draw], bandits.Arrangement] = lambda draw: draw.arrange(),
) -> Decision:
    """Answer a question whose rules have been evaluated."""
    facts, key, firing, limits = question
    if limits is None:
        limits = limits_for(plan, facts.values, firing.fired)
    ranking, propensity = [], 1.0
    if limits.eligible:
        arrangement = arrange(draw_of(plan, beliefs, facts, limits, key))
        ranking = _ranked(plan, facts, limits, arrangement)
        propensity = arrangement.propensity
    return Decision(
        decision_id=key,
        placement=plan.placement.key,
        plan_version=plan.version,
        beliefs_version=beliefs.version,
        ranking=ranking,
        excluded=limits.excluded,
        values=limits.bounds.values,
        rules=[plan.rules[number].id for number in firing.fired],
        skipped=[Skipped(plan.rules[number].id, field) for number, field in firing.skipped],
        experiments=[],
        propensity=propensity,
        fallback=False,
        expires_at=expires_at,
    )


def bounds_for(plan: Plan, values: Mapping[str, Any], fired: tuple[Rule, ...]) -> Bounds:
    """Return the limits that the catalogue, the fired rules and the customer set."""
    exclusions, slots = plan.eligibility.exclusions(values), most_slots(plan.placement)
    return apply_effects(fired, plan.index, exclusions, slots=slots, preferred=preferred_of(values))


def eligible_of(plan: Plan, bounds: Bounds) -> tuple[int, ...]:
    """Return the numbers of the allowed candidates, in the merchant's order."""
    if not bounds.excluded:
        return plan.numbers
    return tuple([number for number in plan.numbers if number not in bounds.excluded])


class Limits(NamedTuple):
    """The limits shared by all requests with the same fired rules and the same exclusions by the catalogue.

    `eligible` are candidate numbers in the merchant's order; `boosts` (1, K) are their weights, or (0, 0) without any.
    """

    bounds: Bounds
    eligible: tuple[int, ...]
    slots: bandits.Slots
    boosts: Floats
    excluded: list[Excluded]

    @classmethod
    def of(cls, plan: Plan, bounds: Bounds) -> Limits:
        eligible = eligible_of(plan, bounds)
        length = answer_length(plan.placement, len(eligible))
        pins = {slot: eligible.index(number) for slot, number in bounds.pins.items()}
        slots = bandits.Slots(length, drawn_count(plan.placement, length), pins)
        excluded = [Excluded(plan.ids[number], reason) for number, reason in sorted(bounds.excluded.items())]
        # Where offers are weighed, their values depend on the cart, and boosts are a part of them.
        boosts = bandits.NO_WEIGHTS if plan.weighs_offers else boost_weights(plan, bounds, eligible)
        return cls(bounds, eligible, slots, boosts, excluded)


def limits_for(plan: Plan, values: Mapping[str, Any], fired: tuple[int, ...]) -> Limits:
    """Return the limits that catalogue, fired rules and customer set. They are cached; do not change them."""
    exclusions, preferred = plan.eligibility.exclusions(values), preferred_of(values)
    key = (fired, preferred, *exclusions.items())
    limits = plan.limits.get(key)
    if limits is None:
        if len(plan.limits) >= MOST_CACHED_LIMITS:
            plan.limits.clear()
        rules = tuple(plan.rules[number] for number in fired)
        slots = most_slots(plan.placement)
        bounds = apply_effects(rules, plan.index, exclusions, slots=slots, preferred=preferred)
        limits = plan.limits[key] = Limits.of(plan, bounds)
    return limits


class Draw(NamedTuple):
    """The inputs of a draw. Candidates are indexed from 0 among the K eligible candidates."""

    candidates: bandits.Candidates
    slots: bandits.Slots
    requests: bandits.Requests

    def arrange(self) -> bandits.Arrangement:
        """Return the arrangement that the randomness selects."""
        return bandits.arrange(self.candidates, self.slots, self.requests)

    def likeliest(self) -> bandits.Arrangement:
        """Fill each drawn slot with its likeliest candidate, given the slots above."""
        return bandits.arrange_likeliest(self.candidates, self.slots, self.requests)

    def chances_along(self, order: Sequence[int | None]) -> Iterator[Floats]:
        """Yield the chances (K,) in each slot, given that `order` fills the slots above it.

        None in `order` stands for a candidate that is not eligible.
        """
        return bandits.chances_along(self.candidates, self.slots, self.requests, order)


def draw_of(plan: Plan, beliefs: AnyBeliefs, facts: Facts, limits: Limits, key: str) -> Draw:
    """Return the inputs of the draw; at least one candidate must be eligible."""
    eligible = limits.eligible
    weights = value_weights(plan, facts.values, limits, beliefs.amounts(eligible), beliefs.prices)
    candidates, weights = weighed_candidates(plan, beliefs, facts, limits.bounds, weights, eligible)
    past = customer_counts(plan, beliefs, facts, eligible)
    requests = bandits.Requests.of(randomness_key(plan, facts, key), past, weights, beliefs.customer_strength)
    return Draw(candidates, limits.slots, requests)


def value_weights(
    plan: Plan,
    values: Mapping[str, Any],
    limits: Limits,
    amounts: Floats | None = None,
    prices: Mapping[str, float] = MappingProxyType({}),
) -> Floats:
    """Return the weights (1, K) that scores are multiplied by, or (0, 0) if all eligible candidates weigh the same.

    They are margins times boosts for the reward `margin`, what an order with the offer is worth among offers, and plain
    boosts otherwise; `amounts` (K,) are expected, and `prices` those of paced budgets.
    """
    if plan.weighs_offers:
        success_values = values_of(plan, Cart.of(values), prices, limits.eligible, amounts)
        return offer_weights(limits.bounds, success_values, limits.eligible)
    if plan.placement.reward == "margin" and not plan.keeps_order:
        return margin_weights(plan, values, limits.bounds, limits.eligible, amounts)
    return limits.boosts


def shares_draws(plan: Plan, beliefs: AnyBeliefs) -> bool:
    """Return whether requests with the same bounds and beliefs share draws and weights: no cart, features, strata."""
    weighs = plan.weighs_offers or plan.placement.reward == "margin"
    return isinstance(beliefs, Beliefs) and not weighs


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
    """Return the number of slots of an answer with this many eligible candidates."""
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


def _ranked(plan: Plan, facts: Facts, limits: Limits, arrangement: bandits.Arrangement) -> list[Ranked]:
    order, chances, first, means, _ = arrangement
    eligible, reasons, purchases = limits.eligible, limits.bounds.reasons, _purchases(facts)
    ranking = []
    for slot, index in enumerate(order):
        number = eligible[index]
        candidate = plan.candidates[number]
        texts = [*reasons.get(number, ()), *purchases.get(candidate.id, ())]
        ranking.append(
            Ranked(candidate.id, slot + 1, candidate.label, means[index], first[index], chances[slot], texts)
        )
    return ranking


def _purchases(facts: Facts) -> dict[str, tuple[str]]:
    """Return a sentence about the customer's purchases for each candidate that has some."""
    if not facts.history:
        return {}
    total = sum([past.purchases for past in facts.history.values()])
    return {
        candidate: (f"chosen in {past.purchases} of this customer's last {total} purchases",)
        for candidate, past in facts.history.items()
        if past.purchases
    }


def fall_back(plan: Plan, facts: Facts, key: str, *, expires_at: str) -> Decision:
    """Return the merchant's own order after a failure: with the catalogue's limits, without rules and draw."""
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
