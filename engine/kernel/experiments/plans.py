"""Pick the plan that decides for a request while experiments run. Pure.

Each variant is compiled once, as the plan in force with the variant's changes. A decision only picks which plan
decides; the kernel stays as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from engine.kernel.experiments.assignment import choose, is_within, uniform
from engine.kernel.experiments.difference import VariantDifference, variants_of
from engine.kernel.experiments.enrolments import Enrolment, Enrolments
from engine.kernel.experiments.evaluated import IN_FORCE, Evaluated, Variants, rule_sets
from engine.kernel.experiments.overlay import held_back, overlaid
from engine.kernel.experiments.shares import HourlyShares, hour_of
from engine.kernel.experiments.teaching import groups_of, learner_of, teaching_of
from engine.kernel.kernel import Question, limits_for
from engine.kernel.plan import Plan, PlanDocument
from engine.model.decision import Decision
from engine.model.errors import invalid
from engine.model.experiment import (
    CONTROLLED,
    HOLDBACK_ID,
    NOT_PERSONALIZED,
    Assignment,
    Experiment,
    GivenChance,
    Variant,
)
from engine.model.facts import Facts
from engine.model.placement import Holdback
from engine.model.scope import Groups

MOST_PLANS = 64
"""The most plans that the running experiments of one placement may lead to."""
TOO_MANY = "too many experiments run in layers of their own: use a layer of another one, with a lower share, or end one"

HELD_BACK: Variants = ((HOLDBACK_ID, NOT_PERSONALIZED),)


class PickKey(msgspec.Struct, frozen=True, order=True, cache_hash=True):
    """The key of a request's plan: the variants' plan, and the groups that its outcomes are counted in."""

    variants: Variants
    groups: Groups


class Pick(NamedTuple):
    """The plan that decides a request, the assignments behind it, and the question with what was evaluated for it."""

    key: PickKey
    assignments: tuple[Assignment, ...]
    question: Question


class VariantChoice(NamedTuple):
    """A variant that decides for a request; one whose unit is not named gets the control and is not enrolled."""

    experiment: Experiment
    variant: Variant
    is_enrolled: bool


NOTHING_GIVEN: Mapping[str, GivenChance] = MappingProxyType({})
NOT_ENROLLED = -1
"""Stands for the control where a request is not enrolled, instead of the index of a variant."""


class ExperimentPlans:
    """The plans of a placement's experiments.

    `plans` holds one for each combination of variants that may occur, `keys` what may decide for a request.
    """

    def __init__(self, plan: Plan) -> None:
        self._base = plan
        self._experiments = plan.document.experiments
        self._holdback = plan.placement.holdback
        self._enrolments = Enrolments(plan, self._experiments)
        self._teaching = teaching_of(self._experiments)
        if _count_plans(self._experiments) > MOST_PLANS:
            raise invalid("layer", TOO_MANY)
        self.in_force = PickKey(IN_FORCE, groups_of(self._teaching, {}))
        self.plans: dict[Variants, Plan] = {IN_FORCE: plan}
        self.keys = {self.in_force}
        self._keys: dict[tuple[tuple[int, int], ...], PickKey] = {}
        self._compile()
        self.shares = {
            experiment.id: HourlyShares(experiment, {})
            for experiment in self._experiments
            if experiment.is_adaptive and experiment.status.state not in CONTROLLED
        }
        """The shares of experiments in which a bandit moves them; replaced whole by whoever reads them."""
        self._rule_sets = rule_sets(self.plans)
        self._differences = {
            number: VariantDifference(experiment, self.plans)
            for number, experiment in enumerate(self._experiments)
            if experiment.status.state not in CONTROLLED
        }

    def _compile(self) -> None:
        """Compile the plan of each combination of variants, and of those who are held back."""
        numbers = {experiment.id: number for number, experiment in enumerate(self._experiments)}
        for chosen in _combinations(self._experiments):
            key = self._key(chosen)
            self.keys.add(key)
            self._keys[tuple((numbers[choice.experiment.id], _index(choice)) for choice in chosen)] = key
            if key.variants not in self.plans:
                document = overlaid(self._base.document, [(choice.experiment, choice.variant) for choice in chosen])
                self.plans[key.variants] = self._compiled(document)
        if self._holdback:
            self.keys.add(PickKey(HELD_BACK, self.in_force.groups))
            self.plans[HELD_BACK] = self._compiled(held_back(self._base.document))

    def _compiled(self, document: PlanDocument) -> Plan:
        plan = Plan(document, version=self._base.version, like=self._base)
        plan.records_strata = self._base.records_strata
        return plan

    @property
    def is_empty(self) -> bool:
        """Return whether every request is decided by the plan in force."""
        return not self._experiments and self._holdback is None

    def pick(
        self,
        facts: Facts,
        key: str,
        settled_variants: Mapping[str, GivenChance] = NOTHING_GIVEN,
        *,
        without_holdback: bool = False,
    ) -> Pick:
        """Return the variants for a request; `key` is the decision's id.

        `settled_variants` are by experiment the variants that are settled already, where a bandit moves the shares.
        `without_holdback` returns what would decide if the customer were not held back.
        """
        evaluated = Evaluated(self.plans, self._rule_sets, facts)
        held = None if without_holdback else _held_back(self._holdback, facts)
        if held is not None and held.variant == NOT_PERSONALIZED:
            decides = PickKey(HELD_BACK, self.in_force.groups)
            return Pick(decides, (held,), Question(facts, key, evaluated.firing(HELD_BACK)))
        chosen = [
            (entry, unit, self._split(entry, unit, key, settled_variants))
            for entry, unit in self._enrolments.of(facts, key)
        ]
        decides = self._keys[tuple([(entry.number, index) for entry, _, index in chosen])]
        firing = evaluated.firing(decides.variants)
        limits = None
        if len(chosen) == 1:
            # The variant's plan is its own alone, so what limits it is found once for both answer and difference.
            limits = limits_for(self.plans[decides.variants], facts.values, firing.fired)
        question = Question(facts, key, firing, limits)
        assignments = [] if held is None else [held]
        for entry, unit, index in chosen:
            if unit is not None and index != NOT_ENROLLED:
                differs = self._differences[entry.number].differs(index, question, evaluated)
                assignment = _assignment(entry, index, unit, differs=differs)
                assignments.append(
                    self._with_chance(assignment, index, key, settled_variants) if self.shares else assignment
                )
        return Pick(decides, tuple(assignments), question)

    def _split(self, entry: Enrolment, unit: str | None, key: str, settled_variants: Mapping[str, GivenChance]) -> int:
        """Return the index of a unit's variant; everybody has the control while it decides for all."""
        if unit is None or entry.is_controlled:
            return NOT_ENROLLED
        experiment = entry.experiment
        shares = self.shares.get(experiment.id)
        if shares is None:
            return entry.split(unit)
        names = [variant.id for variant in experiment.variants]
        settled = settled_variants.get(experiment.id)
        if settled is not None and settled.variant in names:
            return names.index(settled.variant)
        return choose(experiment.salt, unit, names, shares.during(hour_of(key)))

    def _with_chance(
        self, assignment: Assignment, index: int, key: str, settled_variants: Mapping[str, GivenChance]
    ) -> Assignment:
        """Add the chance of the variant where a bandit moves the shares."""
        shares = self.shares.get(assignment.experiment)
        if shares is None:
            return assignment
        settled = settled_variants.get(assignment.experiment)
        is_settled = settled is not None and settled.variant == assignment.variant
        chance = settled.chance if settled is not None and is_settled else shares.during(hour_of(key))[index]
        return msgspec.structs.replace(assignment, chance=chance)

    def learner(self, key: PickKey) -> Groups:
        """Return the groups that the beliefs behind a plan are learned from."""
        return learner_of(self._teaching, key.groups)

    def _key(self, chosen: Sequence[VariantChoice]) -> PickKey:
        variants = variants_of([(choice.experiment, choice.variant) for choice in chosen])
        if not self._teaching:
            return PickKey(variants, ())
        enrolled = {choice.experiment.id: choice.variant.id for choice in chosen if choice.is_enrolled}
        return PickKey(variants, groups_of(self._teaching, enrolled))


def _index(choice: VariantChoice) -> int:
    """Return the index of a choice's variant."""
    return choice.experiment.variants.index(choice.variant) if choice.is_enrolled else NOT_ENROLLED


def _assignment(entry: Enrolment, index: int, unit: str, *, differs: bool) -> Assignment:
    experiment = entry.experiment
    return Assignment(experiment.id, experiment.variants[index].id, experiment.status.phase, unit, differs)


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
            **({} if assignment.chance is None else {"chance": repr(assignment.chance)}),
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
