"""Features as GrowthBook's SDKs read them: of what is the same for everybody, and of decisions.

After GrowthBook's "Build your own SDK" (specification 0.7.1) and the answers of its proxy to remote evaluations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from engine.decisions.requests.answers import DecisionAnswer
from engine.decisions.requests.constant_answer import ConstantAnswer
from engine.model.experiment import Experiment, Unit
from engine.model.placement import One, Shape
from web.api.openfeature.flags import SEPARATOR, EvaluatedFlag, FlagOrder, Primitive

DECISION = "@decision"
"""After a placement's key: the feature that says which decision it is. No placement's key contains @."""

FeatureValue = dict[str, Any] | Primitive


class TrackedExperiment(msgspec.Struct, frozen=True, rename="camel"):
    """An experiment, for the tracking callback: of its variations, only the id of the customer's own, else null."""

    key: str
    phase: str
    variations: list[str | None]


class TrackedResult(msgspec.Struct, frozen=True, rename="camel"):
    """The variant that the server gave: its number from 0, and its id as `key`."""

    variation_id: int
    key: str
    value: str
    hash_attribute: str
    hash_value: str
    feature_id: str
    in_experiment: bool = True
    hash_used: bool = True


class Track(msgspec.Struct, frozen=True):
    """What an SDK reports to its tracking callback when it reads the feature."""

    experiment: TrackedExperiment
    result: TrackedResult


class ForceRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """The decided value. `id` is the decision's, which SDKs call `ruleId`."""

    id: str
    force: FeatureValue
    tracks: list[Track] = []


class SdkFeature(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A value for everybody, or a decided one. A feature with neither has no value: the application's own counts."""

    default_value: FeatureValue | msgspec.UnsetType = msgspec.UNSET
    rules: list[ForceRule] = []


class FeaturesPayload(msgspec.Struct, frozen=True):
    """Features by key: `payment_methods`, `payment_methods~show_cvv`, `payment_methods@decision`."""

    features: Annotated[dict[str, SdkFeature], Meta(description="GrowthBook's feature definitions, by key.")]


def constant_features(placement: str, shape: Shape, answer: ConstantAnswer) -> Iterator[tuple[str, SdkFeature]]:
    """Yield the features of what a placement answers to everybody."""
    if answer.ranking is not None:
        value: FeatureValue | msgspec.UnsetType = {"ranking": answer.ranking, "values": answer.values}
        if isinstance(shape, One):
            value = answer.ranking[0] if answer.ranking else msgspec.UNSET
        yield placement, SdkFeature(value)
    for name, value in answer.values.items():
        yield f"{placement}{SEPARATOR}{name}", SdkFeature(value)


def decided_features(flags: Sequence[EvaluatedFlag], tracks: list[Track]) -> Iterator[tuple[str, SdkFeature]]:
    """Yield the flags of one decision as features, the placement's first, and the feature of the decision itself."""
    placement = flags[0]
    metadata = placement.metadata
    for flag in flags:
        if flag.value is msgspec.UNSET:
            yield flag.key, SdkFeature()
            continue
        value = msgspec.structs.asdict(flag.value) if isinstance(flag.value, FlagOrder) else flag.value
        yield flag.key, SdkFeature(rules=[ForceRule(str(metadata["decision_id"]), value, tracks)])
    yield f"{placement.key}{DECISION}", SdkFeature(metadata)


def tracks_of(answer: DecisionAnswer, experiments: Sequence[Experiment], customer: str | None) -> list[Track]:
    """Return the experiments of an answer in which another variant could have answered differently.

    Only then the customer was exposed. `experiments` are those of the plan in force; the holdback is none of them.
    """
    by_id = {experiment.id: experiment for experiment in experiments}
    tracks = []
    for assignment in answer.assignments:
        experiment = by_id.get(assignment.experiment)
        variants = [variant.id for variant in experiment.variants] if experiment else []
        if experiment is None or not assignment.differs or assignment.variant not in variants:
            continue
        number = variants.index(assignment.variant)
        variations = [id if id == assignment.variant else None for id in variants]
        attribute, value = _unit(experiment.unit, answer, customer)
        placement = answer.decision.placement
        result = TrackedResult(number, assignment.variant, assignment.variant, attribute, value, placement)
        tracks.append(Track(TrackedExperiment(experiment.id, str(assignment.phase), variations), result))
    return tracks


def _unit(unit: Unit, answer: DecisionAnswer, customer: str | None) -> tuple[str, str]:
    """Return the attribute by which a unit was assigned, and its value as the client sent it."""
    values: Mapping[str, Any] = answer.facts.values
    match unit:
        case "customer":
            return "id", customer or ""
        case "device":
            return "device.id", str(values.get("device.id", ""))
        case "decision":
            return "decision_id", answer.decision.decision_id
