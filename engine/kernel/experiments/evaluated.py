"""Evaluate for one request what experiments ask for, each thing at most once. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import rules
from engine.kernel.plan import Plan
from engine.model.facts import Facts

Variants = tuple[tuple[str, str], ...]
"""The variants in force for a request, as (experiment, variant); those that change nothing are left out."""

IN_FORCE: Variants = ()


class Evaluated:
    """The evaluations for one request: each set of rules and the catalogue at most once."""

    def __init__(self, plans: Mapping[Variants, Plan], rule_sets: Mapping[Variants, int], facts: Facts) -> None:
        self._plans = plans
        self._rule_sets = rule_sets
        self.facts = facts
        self._firings: dict[int, rules.Firing] = {}

    def firing(self, variants: Variants) -> rules.Firing:
        """Return the rules that fire in the plan of some variants."""
        rule_set = self._rule_sets[variants]
        firing = self._firings.get(rule_set)
        if firing is None:
            firing = self._firings[rule_set] = self._plans[variants].compiled.evaluate(self.facts.values)
        return firing

    @cached_property
    def exclusions(self) -> Mapping[int, str]:
        """Return what the catalogue excludes from the plan in force; variants exclude the same candidates."""
        return self._plans[IN_FORCE].eligibility.exclusions(self.facts.values)


def rule_sets(plans: Mapping[Variants, Plan]) -> dict[Variants, int]:
    """Return the number of each plan's set of rules: in plans with the same number the same rules fire."""
    sets: list[tuple[rules.Rule, ...]] = []
    numbers = {}
    for variants, plan in plans.items():
        if plan.rules not in sets:
            sets.append(plan.rules)
        numbers[variants] = sets.index(plan.rules)
    return numbers
