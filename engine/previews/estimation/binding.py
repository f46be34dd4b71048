"""The binding of an answer: two plans with the same binding draw the same request from the same chances. Pure."""

from __future__ import annotations

from engine.kernel.bounds import Bounds
from engine.kernel.kernel import eligible_of
from engine.kernel.plan import Plan
from engine.model.placement import Candidate, Fixed, Policy, Split
from engine.model.standard_vocabulary import merchant_fields

MONEY = ("revenue", "margin")


def binding(plan: Plan, bounds: Bounds) -> tuple[object, ...]:
    """Return all but beliefs that a plan's answer depends on within limits: equal where answers cannot differ.

    The catalogue's bookkeeping is left out: labels, candidates that are not offered, and, except in a fixed order,
    the merchant's own order.
    """
    offered = [plan.candidates[number] for number in eligible_of(plan, bounds)]
    names = [candidate.id for candidate in offered]
    keeps_order = isinstance(plan.placement.policy, Fixed)
    return (
        _settings(plan, names),
        tuple(names) if keeps_order else frozenset(names),
        {slot: plan.ids[number] for slot, number in bounds.pins.items()},
        {plan.ids[number]: factor for number, factor in bounds.boosts.items() if number not in bounds.excluded},
        bounds.values,
        {candidate.id: _terms(plan, candidate) for candidate in offered},
    )


def _settings(plan: Plan, names: list[str]) -> tuple[object, ...]:
    placement = plan.placement
    amounts = (placement.margin_percent, placement.typical_amount) if placement.reward in MONEY else ()
    # A model of facts is one for all candidates: each has its traits in it.
    encoded = (merchant_fields(plan.document.fields), plan.encoding.traits) if plan.encoding else ()
    flags = (plan.keeps_order, plan.weighs_offers)
    return placement.shape, _policy(placement.policy, names), placement.reward, placement.goal, amounts, encoded, flags


def _policy(policy: Policy, names: list[str]) -> object:
    if not isinstance(policy, Split):
        return policy
    # A candidate without a weight weighs 1 in plans that leave it out.
    return {name: policy.weights.get(name, 1.0) for name in names}


def _terms(plan: Plan, candidate: Candidate) -> tuple[object, ...]:
    """Return what a candidate's own document adds to its chances."""
    fees = (candidate.fee_percent, candidate.fee_fixed) if plan.placement.reward == "margin" else ()
    return fees, candidate.offer if plan.weighs_offers else None
