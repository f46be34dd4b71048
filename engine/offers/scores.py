"""What is predicted of each offer for a customer, without showing or holding any."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from engine.decisions.decide import Decider
from engine.decisions.requests.answers import decision_id
from engine.kernel.kernel import draw_of, limits_for
from engine.kernel.offers.quote import Cart
from engine.kernel.offers.worth import values_of
from engine.learning.active import Active
from engine.model.decision import Excluded
from engine.model.facts import Facts


class OfferScore(msgspec.Struct, frozen=True):
    """What is predicted of an offer, amounts in minor units of its currency.

    `success` is the posterior mean of the placement's reward, such as a redemption. `discount` is what it takes off,
    `success_value` what a success brings in less its cost at the present price of its budgets, `expected` their
    product. `first_chance` is its chance to be shown first.
    """

    id: str
    success: float
    discount: int
    success_value: float
    expected: float
    first_chance: float


class OfferScores(msgspec.Struct, frozen=True):
    """The offers that may be shown, the likeliest first, and why others may not; `prices` are of paced budgets."""

    plan_version: int
    beliefs_version: int
    scores: list[OfferScore]
    excluded: list[Excluded]
    prices: dict[str, float]


async def score_offers(
    decider: Decider, merchant_id: int, placement: str, customer_id: str | None, context: Mapping[str, Any]
) -> OfferScores:
    """Return what is predicted of a placement's offers; a customer who is held back is predicted as any other."""
    active, facts = await decider.look(merchant_id, placement, customer_id, context)
    return scores_of(active, facts)


def scores_of(active: Active, facts: Facts) -> OfferScores:
    """Return the scores of offers for facts that were read."""
    deciding, question = active.personalized(facts, decision_id(0))
    plan, (_, beliefs) = deciding.plan, deciding.for_facts(facts.values)
    limits = limits_for(plan, facts.values, question.firing.fired)
    prices, scores = dict(beliefs.prices), []
    if limits.eligible:
        likeliest = draw_of(plan, beliefs, facts, limits, question.key).likeliest()
        cart = Cart.of(facts.values)
        success_values = values_of(plan, cart, prices, limits.eligible).tolist()
        costs = dict(zip(plan.offer_table.ids, plan.offer_table.amounts(cart).tolist(), strict=True))
        rows = zip(limits.eligible, likeliest.means, success_values, likeliest.first, strict=True)
        scores = [
            OfferScore(plan.ids[number], mean, costs.get(plan.ids[number], 0), value, mean * value, chance)
            for number, mean, value, chance in rows
        ]
    scores.sort(key=lambda score: (-score.first_chance, -score.expected, score.id))
    return OfferScores(plan.version, beliefs.version, scores, limits.excluded, prices)
