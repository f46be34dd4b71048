"""Evaluate for one request what experiments ask for, each thing at most once. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from hashlib import blake2b

import rules
from engine.kernel.experiments.assignment import uniform
from engine.kernel.plan import Plan
from engine.model.experiment import Unit
from engine.model.facts import Facts

DEVICE_ID = "device.id"

Variants = tuple[tuple[str, str], ...]
"""The variants in force for a request, as (experiment, variant); those that change nothing are left out."""

IN_FORCE: Variants = ()


class Evaluated:
    """What was evaluated for one request: each set of rules, each layer and the catalogue at most once."""

    def __init__(self, plans: Mapping[Variants, Plan], rule_sets: Mapping[Variants, int], facts: Facts) -> None:
        self._plans = plans
        self._rule_sets = rule_sets
        self.facts = facts
        self.firings: dict[int, rules.Firing] = {}
        self._positions: dict[tuple[str, str], float] = {}
        self._units: dict[Unit, str | None] = {}

    def unit(self, unit: Unit, key: str) -> str | None:
        """Return the name of the unit that the request belongs to; `key` is the decision's id."""
        if unit not in self._units:
            self._units[unit] = unit_of(unit, self.facts, key)
        return self._units[unit]

    def firing(self, variants: Variants) -> rules.Firing:
        """Return the rules that fire in the plan of some variants."""
        rule_set = self._rule_sets[variants]
        firing = self.firings.get(rule_set)
        if firing is None:
            firing = self.firings[rule_set] = self._plans[variants].compiled.evaluate(self.facts.values)
        return firing

    @cached_property
    def exclusions(self) -> Mapping[int, str]:
        """Return what the catalogue excludes from the plan in force; variants exclude the same candidates."""
        return self._plans[IN_FORCE].eligibility.exclusions(self.facts.values)

    def position(self, layer: str, unit: str) -> float:
        """Return where a unit falls in a layer, 0 to 1."""
        position = self._positions.get((layer, unit))
        if position is None:
            position = self._positions[layer, unit] = uniform(layer, unit)
        return position


def rule_sets(plans: Mapping[Variants, Plan]) -> dict[Variants, int]:
    """Return the number of each plan's set of rules: in plans with the same number the same rules fire."""
    sets: list[tuple[rules.Rule, ...]] = []
    numbers = {}
    for variants, plan in plans.items():
        if plan.rules not in sets:
            sets.append(plan.rules)
        numbers[variants] = sets.index(plan.rules)
    return numbers


def unit_of(unit: Unit, facts: Facts, key: str) -> str | None:
    """Return the name of the unit that a request belongs to; None where the request does not say it."""
    match unit:
        case "customer":
            return facts.customer
        case "decision":
            return key
        case "device":
            device = facts.values.get(DEVICE_ID)
            # What a checkout calls a device may identify a person, and units are kept longer than facts.
            return blake2b(device.encode(), digest_size=16).hexdigest() if isinstance(device, str) else None
