"""Which of the latest decisions an experiment would have reached, and where its variants could have differed. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

import rules
from engine.configuration.validation import compiled
from engine.kernel.experiments.plans import ExperimentPlans
from engine.kernel.experiments.units import unit_of
from engine.kernel.plan import Plan, PlanDocument
from engine.model.errors import EngineError
from engine.model.experiment import Experiment, ExperimentStatus, Variant
from engine.model.facts import Facts
from rules import RuleError


class VariantReach(msgspec.Struct, frozen=True):
    """Of the decisions in the audience, how many a variant could have answered otherwise than the control."""

    variant: str
    inside: int
    differing: int


def membership(
    condition: object, vocabulary: rules.Vocabulary, lists: Mapping[str, frozenset[str]]
) -> Callable[[Mapping[str, Any]], bool]:
    """Return what says whether facts are in an audience; nobody is in one that cannot be read, None is everybody."""
    if condition is None:
        return lambda facts: True
    effect = {"set": {"name": "audience", "value": True}}
    try:
        parsed = rules.parse_rules([{"id": "audience", "when": condition, "effects": [effect]}], vocabulary, lists)
    except RuleError:
        return lambda facts: False
    compiled = rules.compile_rules(parsed, vocabulary, lists)
    return lambda facts: bool(compiled.evaluate(facts).fired)


def reaches(
    document: PlanDocument, experiment: Experiment, facts: Sequence[Facts], *, like: Plan | None = None
) -> list[VariantReach]:
    """Return the reach of each variant but the control; those that make no plan are left out.

    Whether a variant differs follows from policies and limits, as it does while the experiment runs.
    """
    reached = (_reach(document, experiment, variant, facts, like) for variant in experiment.variants[1:])
    return [reach for reach in reached if reach is not None]


def _reach(
    document: PlanDocument, experiment: Experiment, variant: Variant, facts: Sequence[Facts], like: Plan | None
) -> VariantReach | None:
    alone = msgspec.structs.replace(
        experiment,
        unit="decision",
        share=1.0,
        learning="shared",
        variants=(experiment.control, variant),
        status=ExperimentStatus(state="running"),
    )
    placement = msgspec.structs.replace(document.placement, holdback=None)
    document = msgspec.structs.replace(document, placement=placement, experiments=(alone,))
    try:
        plans = ExperimentPlans(compiled(placement.key, document, 0, like=like))
    except EngineError:
        return None
    picked = [plans.pick(each, f"dec_{number}").assignments for number, each in enumerate(facts)]
    inside = [assignments[0] for assignments in picked if assignments]
    return VariantReach(variant.id, len(inside), sum(assignment.differs for assignment in inside))


def device_in(facts: str) -> str | None:
    """Return the unit of the device in facts as JSON."""
    return unit_of("device", Facts(values=msgspec.json.decode(facts)), "")
