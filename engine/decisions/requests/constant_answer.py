"""What a placement answers to everybody. It needs no decision: nothing is drawn, logged or learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from engine.kernel.kernel import decide
from engine.learning.active import Active
from engine.model.facts import Facts


class ConstantAnswer(NamedTuple):
    """The parts of an answer that are the same for every guest.

    `values` are those that rules set. `ranking` has the ids in their order; it is None where it depends on the request.
    """

    values: Mapping[str, bool | int | float | str]
    ranking: list[str] | None


def constant_answer(active: Active) -> ConstantAnswer:
    """Return what of a placement's answer depends neither on facts nor on chance nor on what is learned."""
    plan = active.plan
    if plan.compiled.fields or not active.experiments.is_empty:
        return ConstantAnswer({}, None)
    decision = decide(plan, active.flat, Facts(dict(active.availability_facts), {}, None), "", expires_at="")
    # Rules that move the order do not count for a customer who refuses personalization.
    varies = plan.offers or plan.eligibility.reads_facts or plan.order_rules
    has_order = plan.keeps_order and not varies
    return ConstantAnswer(decision.values, [ranked.id for ranked in decision.ranking] if has_order else None)
