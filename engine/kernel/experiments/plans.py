"""Pick the plan that decides for a request while experiments run. Pure.

Each variant is compiled once, as the plan in force with the variant's changes. A decision only picks which plan
decides; the kernel stays as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any, NamedTuple

import msgspec

import rules
from engine.kernel.experiments.assignment import choose, is_within, uniform
from engine.kernel.experiments.evaluated import IN_FORCE, Evaluated, Variants, rule_sets
from engine.kernel.experiments.overlay import changes_something, held_back, overlaid
from engine.kernel.experiments.teaching import groups_of, learner_of, teaching_of
from engine.kernel.kernel import MOST_CACHED_LIMITS, limits_for
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

HELD_BACK: Variants = ((HOLDBACK_ID, NOT_PERSONALIZED),)


class PickKey(NamedTuple):
    """What decides for a request: the variants' plan, and the groups that its outcomes are counted in."""

    variants: Variants
    groups: Groups


class Pick(NamedTuple):
    """What decides for a request, the assignments behind it, and the rules that fire where they were evaluated."""

    key: PickKey
    assignments: tuple[Assignment, ...]
    firing: rules.Firing | None = None


class VariantChoice(NamedTuple):
    """A variant that decides for a request; one whose unit is not named gets the control and is not enrolled."""

    experiment: Experiment
    variant: Variant
    is_enrolled: bool


class Enrolment(NamedTuple):
    """An experiment as a request meets it: its part of the layer, and its variants' ids and weights."""

    experiment: Experiment
    layer: str
    unit: Unit
    first: float
    last: float
    is_controlled: bool
    names: tuple[str, ...]
    weights: tuple[float, ...]

    @classmethod
    def of(cls, experiment: Experiment) -> Enrolment:
        """Return the entry of an experiment."""
        first = experiment.status.offset
        return cls(
            experiment,
            experiment.layer,
            experiment.unit,
            first,
            first + experiment.share,
            experiment.status.state in CONTROLLED,
            tuple(variant.id for variant in experiment.variants),
            tuple(variant.weight for variant in experiment.variants),
        )


class ExperimentPlans:
    """The plans of a placement's experiments.

    `plans` holds one for each combination of variants that may occur, `keys` what may decide for a request.
    """

    def __init__(self, plan: Plan) -> None:
        self._base = plan
        self._experiments = plan.document.experiments
        self._holdback = plan.placement.holdback
        self._entries = [Enrolment.of(experiment) for experiment in self._experiments]
        self._has_audiences = any(experiment.audience is not None for experiment in self._experiments)
        self._audiences, self._audience_index = _audiences(plan, self._experiments)
        self._teaching = teaching_of(self._experiments)
        if _count_plans(self._experiments) > MOST_PLANS:
            raise invalid("layer", f"experiments of several layers would need more than {MOST_PLANS} plans together")
        self.in_force = PickKey(IN_FORCE, groups_of(self._teaching, {}))
        self.plans: dict[Variants, Plan] = {IN_FORCE: plan}
        self.keys = {self.in_force}
        self._keys: dict[tuple[tuple[str, str, bool], ...], PickKey] = {}
        for chosen in _combinations(self._experiments):
            key = self._key(chosen)
            self.keys.add(key)
            self._keys[tuple((each.experiment.id, each.variant.id, each.is_enrolled) for each in chosen)] = key
            if key.variants not in self.plans:
                document = overlaid(plan.document, [(choice.experiment, choice.variant) for choice in chosen])
                self.plans[key.variants] = self._compiled(document)
        if self._holdback:
            self.keys.add(PickKey(HELD_BACK, self.in_force.groups))
            self.plans[HELD_BACK] = self._compiled(held_back(plan.document))
        self._rule_sets = rule_sets(self.plans)
        self._compared = {
            experiment.id: [_variants([VariantChoice(experiment, variant, True)]) for variant in experiment.variants]
            for experiment in self._experiments
            if experiment.status.state not in CONTROLLED
        }
        self._differences: dict[tuple[Any, ...], bool] = {}

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
        chosen: list[tuple[str, str, bool]] = []
        assignments = [held] if held is not None else []
        evaluated = Evaluated(self.plans, self._rule_sets, facts)
        taken: set[str] = set()
        for entry in self._in_audience(facts):
            if entry.layer in taken:
                continue
            experiment, unit = entry.experiment, evaluated.unit(entry.unit, key)
            if unit is None:
                chosen.append((experiment.id, experiment.control.id, False))
            elif entry.first <= evaluated.position(entry.layer, unit) < entry.last:
                assignment = self._assigned(entry, unit, evaluated)
                chosen.append((experiment.id, assignment.variant, not entry.is_controlled))
                if not entry.is_controlled:
                    assignments.append(assignment)
            else:
                continue
            taken.add(entry.layer)
        decides = self._keys[tuple(chosen)]
        return Pick(decides, tuple(assignments), evaluated.firings.get(self._rule_sets[decides.variants]))

    def learner(self, key: PickKey) -> Groups:
        """Return the groups that the beliefs behind a plan are learned from."""
        return learner_of(self._teaching, key.groups)

    def _key(self, chosen: Sequence[VariantChoice]) -> PickKey:
        if not self._teaching:
            return PickKey(_variants(chosen), ())
        enrolled = {choice.experiment.id: choice.variant.id for choice in chosen if choice.is_enrolled}
        return PickKey(_variants(chosen), groups_of(self._teaching, enrolled))

    def _in_audience(self, facts: Facts) -> Sequence[Enrolment]:
        if not self._has_audiences:
            return self._entries
        fired = set(self._audiences.evaluate(facts.values).fired)
        return [
            entry
            for number, entry in enumerate(self._entries)
            if self._audience_index[number] is None or self._audience_index[number] in fired
        ]

    def _assigned(self, entry: Enrolment, unit: str, evaluated: Evaluated) -> Assignment:
        """Return the variant of a unit inside the share; everybody has the control while it decides for all."""
        experiment = entry.experiment
        if entry.is_controlled:
            return Assignment(experiment.id, experiment.control.id, experiment.status.phase, unit, differs=False)
        variant = entry.names[choose(experiment.salt, unit, entry.names, entry.weights)]
        return Assignment(
            experiment.id, variant, experiment.status.phase, unit, self._could_differ(experiment, evaluated)
        )

    def _could_differ(self, experiment: Experiment, evaluated: Evaluated) -> bool:
        """Return whether the variants could answer differently for these facts, by their policies and limits.

        It depends on which rules fire and which candidates the catalogue excludes, so answers are cached by those.
        """
        compared = self._compared[experiment.id]
        fired = tuple([evaluated.firing(variants).fired for variants in compared])
        key = (experiment.id, fired, tuple(evaluated.exclusions.items()))
        differs = self._differences.get(key)
        if differs is None:
            if len(self._differences) >= MOST_CACHED_LIMITS:
                self._differences.clear()
            values = evaluated.facts.values
            signatures = [
                _signature(self.plans[variants], values, fires) for variants, fires in zip(compared, fired, strict=True)
            ]
            differs = self._differences[key] = any(signature != signatures[0] for signature in signatures[1:])
        return differs


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
