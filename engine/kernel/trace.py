"""Everything about one answer, in the order in which it came about."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

import rules
from engine.kernel.plan import Plan
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
    """All that led to a decision; `wording` is how amounts and countries are said, candidates go by their labels."""
    named = replace(wording, candidates={candidate.id: candidate.label for candidate in plan.candidates})
    fired = set(decision.rules)
    skipped = {one.rule: one.field for one in decision.skipped}
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
