"""Explain one decision: its facts, its rules clause by clause, and the chances of every slot. For pages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

import rules
from engine.kernel.kernel import Limits, bounds_for, draw_of
from engine.kernel.plan import Plan
from engine.kernel.scores import AnyBeliefs
from engine.model.decision import Decision
from engine.model.facts import Facts, Past


class RuleTrace(msgspec.Struct, frozen=True):
    """What a rule saw: `verdict` is fired, not met or skipped; `clauses` as `rules.explain` gives them."""

    id: str
    name: str
    sentence: str
    verdict: str
    missing: str | None
    clauses: Any
    effects: list[Any]


class Trace(msgspec.Struct, frozen=True):
    """Facts used, the customer's past, every rule with its clauses, in order of priority."""

    facts: dict[str, Any]
    history: dict[str, Past]
    bucket: str
    rules: list[RuleTrace]


def trace(plan: Plan, facts: Facts, decision: Decision, wording: rules.Wording) -> Trace:
    """Return all that led to a decision; `wording` is for amounts and countries, candidates get their labels."""
    named = replace(wording, candidates={candidate.id: candidate.label for candidate in plan.candidates})
    fired = set(decision.rules)
    skipped = {entry.rule: entry.field for entry in decision.skipped}
    return Trace(
        facts.values,
        facts.history,
        plan.bucket(facts.values),
        [_rule(plan, rule, facts, fired, skipped, named) for rule in plan.rules],
    )


def _rule(
    plan: Plan, rule: rules.Rule, facts: Facts, fired: set[str], skipped: dict[str, str], wording: rules.Wording
) -> RuleTrace:
    explanation = rules.explain(rule, facts.values, plan.vocabulary, plan.lists, wording)
    verdict = "fired" if rule.id in fired else "skipped" if rule.id in skipped else "not met"
    return RuleTrace(
        rule.id,
        rule.name,
        explanation.text,
        verdict,
        skipped.get(rule.id),
        explanation.to_json(),
        [rules.to_json(effect) for effect in rule.effects],
    )


def chances_by_slot(plan: Plan, beliefs: AnyBeliefs, facts: Facts, decision: Decision) -> list[dict[str, float]]:
    """Return, for each drawn slot of a decision, the chances above 0 that candidates had of it, by id.

    The dict of a pinned slot is empty.
    """
    if decision.fallback or not decision.ranking:
        return []
    fired = tuple(rule for rule in plan.rules if rule.id in decision.rules)
    bounds = bounds_for(plan, facts.values, fired)
    limits = Limits.of(plan, bounds)
    draw = draw_of(plan, beliefs, facts, limits, decision.decision_id)
    ids = [plan.ids[number] for number in limits.eligible]
    drawn = [ranked.id for ranked in decision.ranking[: draw.slots.drawn]]
    chances = draw.chances_along([ids.index(id) for id in drawn])
    pinned = {plan.ids[number] for number in bounds.pins.values()}
    return [
        {} if id in pinned else {name: chance for name, chance in zip(ids, slot.tolist(), strict=True) if chance > 0}
        for id, slot in zip(drawn, chances, strict=False)
    ]
