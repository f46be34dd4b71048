"""Pick the plan that decides for a request while experiments run. Pure.

Each variant is compiled once, as the plan in force with the variant's changes. A decision only picks which plan
decides; the kernel stays as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import product
from math import prod
from typing import Any, NamedTuple

import msgspec

import rules
from engine.kernel.experiments.assignment import choose, is_within, uniform
from engine.kernel.experiments.overlay import changes_something, held_back, overlaid
from engine.kernel.experiments.teaching import groups_of, learner_of, teaching_of
from engine.kernel.kernel import limits_for
from engine.kernel.plan import Plan, PlanDocument
from engine.model.decision import Decision
from engine.model.errors import invalid
from engine.model.experiment import (
    CONTROLLED,
    HOLDBACK_ID,
    NOT_PERSONALIZED,
    Assignment,
    Experiment,
    Unit,
    Variant,
)
from engine.model.facts import Facts
from engine.model.placement import Holdback
from engine.model.scope import Groups

MOST_PLANS = 64
"""The most plans that the running experiments of one placement may lead to."""

DEVICE_ID = "device.id"

Variants = tuple[tuple[str, str], ...]
"""The variants in force for a request, as (experiment, variant); those that change nothing are left out."""

IN_FORCE: Variants = ()
HELD_BACK: Variants = ((HOLDBACK_ID, NOT_PERSONALIZED),)


class PickKey(NamedTuple):
    """What decides for a request: the variants' plan, and the groups that its outcomes are counted in."""

    variants: Variants
    groups: Groups


class Pick(NamedTuple):
    """What decides for a request, and the assignments behind it."""

    key: PickKey
    assignments: tuple[Assignment, ...]


class VariantChoice(NamedTuple):
    """A variant that decides for a request; one whose unit is not named gets the control and is not enrolled."""

    experiment: Experiment
    variant: Variant
    is_enrolled: bool


class ExperimentPlans:
    """The plans of a placement's experiments.

    `plans` holds one for each combination of variants that may occur, `keys` what may decide for a request.
    """

    def __init__(self, plan: Plan) -> None:
        self._base = plan
        self._experiments = plan.document.experiments
        self._holdback = plan.placement.holdback
        self._audiences, self._audience_index = _audiences(plan, self._experiments)
        self._teaching = teaching_of(self._experiments)
        if _count_plans(self._experiments) > MOST_PLANS:
            raise invalid("layer", f"experiments of several layers would need more than {MOST_PLANS} plans together")
        self.in_force = PickKey(IN_FORCE, groups_of(self._teaching, {}))
        self.plans: dict[Variants, Plan] = {IN_FORCE: plan}
        self.keys = {self.in_force}
        for chosen in _combinations(self._experiments):
            key = self._key(chosen)
            self.keys.add(key)
            if key.variants not in self.plans:
                document = overlaid(plan.document, [(choice.experiment, choice.variant) for choice in chosen])
                self.plans[key.variants] = self._compiled(document)
        if self._holdback:
            self.keys.add(PickKey(HELD_BACK, self.in_force.groups))
            self.plans[HELD_BACK] = self._compiled(held_back(plan.document))

    def _compiled(self, document: PlanDocument) -> Plan:
        plan = Plan(document, version=self._base.version, like=self._base)
        plan.records_strata = self._base.records_strata
        return plan

    @property
    def is_empty(self) -> bool:
        """Return whether every request is decided by the plan in force."""
        return not self._experiments and self._holdback is None

    def pick(self, facts: Facts, key: str) -> Pick:
        """Return the variants for a request; `key` is the decision's id."""
        held = _held_back(self._holdback, facts)
        if held is not None and held.variant == NOT_PERSONALIZED:
            return Pick(PickKey(HELD_BACK, self.in_force.groups), (held,))
        chosen: list[VariantChoice] = []
        assignments = [held] if held is not None else []
        if self._experiments:
            layers: set[str] = set()
            for experiment in self._in_audience(facts):
                if experiment.layer in layers:
                    continue
                unit = unit_of(experiment.unit, facts, key)
                variant, assignment = self._assign(experiment, unit, facts)
                if variant is not None:
                    layers.add(experiment.layer)
                    chosen.append(VariantChoice(experiment, variant, assignment is not None))
                if assignment is not None:
                    assignments.append(assignment)
        return Pick(self._key(chosen), tuple(assignments))

    def learner(self, key: PickKey) -> Groups:
        """Return the groups that the beliefs behind a plan are learned from."""
        return learner_of(self._teaching, key.groups)

    def _key(self, chosen: Sequence[VariantChoice]) -> PickKey:
        if not self._teaching:
            return PickKey(_variants(chosen), ())
        enrolled = {choice.experiment.id: choice.variant.id for choice in chosen if choice.is_enrolled}
        return PickKey(_variants(chosen), groups_of(self._teaching, enrolled))

    def _in_audience(self, facts: Facts) -> list[Experiment]:
        fired = set(self._audiences.evaluate(facts.values).fired)
        return [
            experiment
            for number, experiment in enumerate(self._experiments)
            if self._audience_index[number] is None or self._audience_index[number] in fired
        ]

    def _assign(
        self, experiment: Experiment, unit: str | None, facts: Facts
    ) -> tuple[Variant | None, Assignment | None]:
        """Return the variant that decides, None for the plan in force, and the assignment if the unit is enrolled."""
        if unit is None:
            return experiment.control, None
        variant = variant_of(experiment, unit)
        if variant is None:
            return None, None
        if experiment.status.state in CONTROLLED:
            return experiment.control, None
        differs = self._could_differ(experiment, facts)
        return variant, Assignment(experiment.id, variant.id, experiment.status.phase, unit, differs)

    def _could_differ(self, experiment: Experiment, facts: Facts) -> bool:
        """Return whether the variants could answer differently for these facts, by their policies and limits."""
        plans = [self.plans[_variants([VariantChoice(experiment, variant, True)])] for variant in experiment.variants]
        first = _signature(plans[0], facts)
        return any(_signature(plan, facts) != first for plan in plans[1:])


def variant_of(experiment: Experiment, unit: str) -> Variant | None:
    """Return the variant of a unit; None for one outside the enrolled share."""
    if not is_within(experiment.layer, unit, experiment.status.offset, experiment.share):
        return None
    names = [variant.id for variant in experiment.variants]
    weights = [variant.weight for variant in experiment.variants]
    return experiment.variants[choose(experiment.salt, unit, names, weights)]


def with_assignments(decision: Decision, assignments: Sequence[Assignment]) -> Decision:
    """Return the decision with the variants that led to its plan; `counted`: they could have made a difference."""
    if not assignments:
        return decision
    entries = [
        {
            "id": assignment.experiment,
            "variant": assignment.variant,
            "phase": str(assignment.phase),
            "counted": "yes" if assignment.differs else "no",
        }
        for assignment in assignments
    ]
    return msgspec.structs.replace(decision, experiments=entries)


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


def _held_back(holdback: Holdback | None, facts: Facts) -> Assignment | None:
    """Return the assignment of a known customer to the holdback or to personalization."""
    if holdback is None or facts.customer is None:
        return None
    is_held = uniform(f"{HOLDBACK_ID}:{holdback.salt}", facts.customer) < holdback.share
    return Assignment(HOLDBACK_ID, NOT_PERSONALIZED if is_held else "personalized", 1, facts.customer, True)


def _audiences(plan: Plan, experiments: Sequence[Experiment]) -> tuple[rules.CompiledRules, tuple[int | None, ...]]:
    """Return the audiences compiled as rules, and the index of each experiment's rule; None stands for everybody."""
    sources: list[dict[str, Any]] = []
    index: list[int | None] = []
    for number, experiment in enumerate(experiments):
        index.append(None if experiment.audience is None else len(sources))
        if experiment.audience is not None:
            effect = {"set": {"name": "audience", "value": True}}
            source = {"id": f"a{number:04}", "priority": -number, "when": experiment.audience, "effects": [effect]}
            sources.append(source)
    parsed = rules.parse_rules(sources, plan.vocabulary, plan.lists)
    return rules.compile_rules(parsed, plan.vocabulary, plan.lists), tuple(index)


def _count_plans(experiments: Sequence[Experiment]) -> int:
    """Return the most plans that the variants of experiments may lead to."""
    options: Counter[str] = Counter()
    for experiment in experiments:
        options[experiment.layer] += 1 if experiment.status.state in CONTROLLED else len(experiment.variants)
    return prod(1 + count for count in options.values())


def _combinations(experiments: Sequence[Experiment]) -> Iterator[list[VariantChoice]]:
    """Yield the variants that may meet in one request: at most one experiment of each layer."""
    by_layer: dict[str, list[list[VariantChoice]]] = {}
    position = {experiment.id: number for number, experiment in enumerate(experiments)}
    for experiment in experiments:
        options = by_layer.setdefault(experiment.layer, [[]])
        options.append([VariantChoice(experiment, experiment.control, is_enrolled=False)])
        if experiment.status.state not in CONTROLLED:
            options.extend([VariantChoice(experiment, variant, is_enrolled=True)] for variant in experiment.variants)
    for picked in product(*by_layer.values()):
        yield sorted((choice for option in picked for choice in option), key=lambda choice: position[choice[0].id])


def _variants(chosen: Sequence[VariantChoice]) -> Variants:
    """Return the variants that make the plan another than the one in force."""
    return tuple((choice.experiment.id, choice.variant.id) for choice in chosen if changes_something(choice.variant))


def _signature(plan: Plan, facts: Facts) -> tuple[Any, ...]:
    """Return what an answer for these facts depends on, besides beliefs and chance, in terms of candidates' ids."""
    firing = plan.compiled.evaluate(facts.values)
    limits = limits_for(plan, facts.values, firing.fired)
    bounds = limits.bounds
    return (
        plan.placement.policy,
        tuple(plan.ids[number] for number in limits.eligible),
        sorted((slot, plan.ids[number]) for slot, number in bounds.pins.items()),
        sorted((plan.ids[number], factor) for number, factor in bounds.boosts.items()),
        bounds.values,
    )
