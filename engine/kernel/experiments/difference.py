"""Tell whether the variants of an experiment could answer a request differently, by their policies and limits. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.kernel.bounds import preferred_of
from engine.kernel.experiments.evaluated import Evaluated, Variants
from engine.kernel.experiments.overlay import changes_only_order, changes_something
from engine.kernel.kernel import MOST_CACHED_LIMITS, Question, limits_for
from engine.kernel.plan import Plan
from engine.model.experiment import Experiment, Variant


class VariantDifference:
    """Compares the plans that an experiment's variants have alone, each case once."""

    def __init__(self, experiment: Experiment, plans: Mapping[Variants, Plan]) -> None:
        self._compared = [variants_of([(experiment, variant)]) for variant in experiment.variants]
        self._plans = [plans[variants] for variants in self._compared]
        policies = [plan.placement.policy for plan in self._plans]
        self._always = any(policy != policies[0] for policy in policies)
        self._only_order = all(map(changes_only_order, experiment.variants))
        self._of_orders: dict[tuple[int, tuple[int, ...]], bool] = {}
        self._of_limits: dict[tuple[Any, ...], bool] = {}

    def differs(self, index: int, question: Question, evaluated: Evaluated) -> bool:
        """Return whether another variant than that at `index` could answer differently.

        `question.limits` are those of this variant's plan alone, or None where other experiments change it too.
        """
        if self._always:
            return True
        if self._only_order and question.limits is not None:
            return self._orders_differ(index, question.limits.eligible)
        return self._limits_differ(evaluated)

    def _orders_differ(self, index: int, eligible: tuple[int, ...]) -> bool:
        """Compare the orders of eligible candidates, which are numbered as in the plan at `index`."""
        key = (index, eligible)
        differs = self._of_orders.get(key)
        if differs is None:
            names = [self._plans[index].ids[number] for number in eligible]
            orders = (sorted(names, key=plan.index.__getitem__) for plan in self._plans)
            differs = _cached(self._of_orders, key, any(order != names for order in orders))
        return differs

    def _limits_differ(self, evaluated: Evaluated) -> bool:
        """Compare by which rules fire, which candidates the catalogue excludes, and what the customer prefers."""
        fired = tuple([evaluated.firing(variants).fired for variants in self._compared])
        key = (fired, preferred_of(evaluated.facts.values), tuple(evaluated.exclusions.items()))
        differs = self._of_limits.get(key)
        if differs is None:
            values = evaluated.facts.values
            pairs = zip(self._plans, fired, strict=True)
            signatures = [_signature(plan, values, fires) for plan, fires in pairs]
            differs = _cached(self._of_limits, key, any(signature != signatures[0] for signature in signatures[1:]))
        return differs


def variants_of(chosen: Sequence[tuple[Experiment, Variant]]) -> Variants:
    """Return the variants that make the plan another than the one in force."""
    return tuple((experiment.id, variant.id) for experiment, variant in chosen if changes_something(variant))


def _cached(cache: dict[Any, bool], key: tuple[Any, ...], value: bool) -> bool:
    """Keep an answer in a cache that is emptied when it is full."""
    if len(cache) >= MOST_CACHED_LIMITS:
        cache.clear()
    cache[key] = value
    return value


def _signature(plan: Plan, values: Mapping[str, Any], fired: tuple[int, ...]) -> tuple[Any, ...]:
    """Return what an answer for these facts depends on, besides beliefs and chance, in terms of candidates' ids."""
    limits = limits_for(plan, values, fired)
    bounds = limits.bounds
    return (
        plan.placement.policy,
        tuple(plan.ids[number] for number in limits.eligible),
        sorted((slot, plan.ids[number]) for slot, number in bounds.pins.items()),
        sorted((plan.ids[number], factor) for number, factor in bounds.boosts.items()),
        bounds.values,
    )
