"""Documents with defaults, so that a test names only what it is about."""

from __future__ import annotations

from typing import Any

from engine.kernel.beliefs import ArmBelief, Beliefs, Knowledge, make_beliefs
from engine.kernel.kernel import decide
from engine.kernel.plan import Plan, PlanDocument
from engine.kernel.spread import Spread
from engine.model.decision import Decision
from engine.model.facts import Facts, History
from engine.model.placement import Candidate, FieldDocument, ListDocument, Placement, RuleDocument, Thompson
from engine.model.standard_vocabulary import STANDARD

METHODS = ("card", "paypal", "klarna", "ideal", "sepa_debit", "apple_pay")
CART_OVER_100 = {">": [{"var": "cart.total"}, 10_000]}
ALWAYS = {"==": [1, 1]}
EXPIRES = "2026-11-21T10:00:00.000Z"


def placement(**changes: Any) -> Placement:
    """Return a placement; its credit is `cascade`, whose counts are easy to predict."""
    return Placement(**({"key": "payment_methods", "name": "Payment methods", "credit": "cascade"} | changes))


def candidates(*ids: str) -> tuple[Candidate, ...]:
    return tuple(candidate(id, position=number) for number, id in enumerate(ids or METHODS))


def candidate(id: str, **changes: Any) -> Candidate:
    return Candidate(**({"id": id, "label": id.replace("_", " ").title()} | changes))


def rule(*effects: dict[str, Any], when: Any = ALWAYS, **changes: Any) -> RuleDocument:
    return RuleDocument(**({"id": "r1", "name": "The rule", "when": when, "effects": effects} | changes))


def plan(
    *rules: RuleDocument,
    placement: Placement | None = None,
    candidates: tuple[Candidate, ...] | None = None,
    fields: tuple[FieldDocument, ...] = STANDARD,
    lists: tuple[ListDocument, ...] = (),
    currency: str | None = None,
) -> Plan:
    all_candidates = candidates_of(*METHODS) if candidates is None else candidates
    document = PlanDocument(
        placement=placement or default_placement(),
        candidates=all_candidates,
        rules=rules,
        fields=fields,
        lists=lists,
        currency=currency,
    )
    return Plan(document, version=1)


candidates_of = candidates
default_placement = placement


def beliefs(plan: Plan, *, version: int = 1, **counts: tuple[int, int]) -> Beliefs:
    """Return beliefs from (trials, successes): `beliefs(plan, card=(100, 40))`; other candidates have no trials."""
    policy = plan.placement.policy
    return make_beliefs(
        plan,
        Knowledge({name: ArmBelief(*count) for name, count in counts.items()}),
        version=version,
        bucket="",
        spread=Spread(policy.floor if isinstance(policy, Thompson) else 0.0),
    )


beliefs_of = beliefs


def answer(
    plan: Plan,
    *,
    beliefs: Beliefs | None = None,
    history: History | None = None,
    customer: str | None = None,
    key: str = "dec_1",
    **facts: Any,
) -> Decision:
    """Decide with the kernel; name facts as in `cart_total=1`, where the first `_` is the dot of `cart.total`."""
    values = {name.replace("_", ".", 1): value for name, value in facts.items()}
    return decide(plan, beliefs or beliefs_of(plan), Facts(values, history or {}, customer), key, expires_at=EXPIRES)


def order(decision: Decision) -> list[str]:
    return [ranked.id for ranked in decision.ranking]
