"""Experiments: variants of a placement's plan that are compared on customers drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

from engine.model.documents.metric import ALWAYS_MEASURED, MetricName
from engine.model.placement import Id, Label, Moment, Percent, Policy, RuleDocument, Value

Unit = Literal["customer", "device", "decision"]
"""What is assigned to a variant, and counted. A device is the fact `device.id`."""

Method = Literal["sequential", "group_sequential", "fixed"]
"""`sequential` results hold at every look, `group_sequential` ones at five looks spread evenly over `maximum_days`,
`fixed` ones once, when the planned number of units has matured."""

LOOKS = 5

LearningMode = Literal["apart", "shared", "control_only"]
"""Which outcomes teach the bandits during a test.

`apart`: each variant learns from its own, and begins with what was learned before the start. `shared`: all learn from
all. `control_only`: all learn from the control and from decisions outside the experiment.
"""

Allocation = Literal["fixed", "bandit"]
"""`fixed` keeps the weights. `bandit` begins with them, and moves customers who come for the first time, hour by hour,
towards the variants that are probably the best."""

State = Literal["draft", "in_review", "approved", "running", "paused", "stopped", "concluded", "archived"]

CONTROLLED: tuple[State, ...] = ("paused", "stopped")
"""States in which everybody gets the control."""
OPEN: tuple[State, ...] = ("running", "paused")
"""States of experiments that take up a part of their layer."""

HOLDBACK_ID = "holdback"
NOT_PERSONALIZED = "not_personalized"


class Variant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a variant changes in the plan; a variant that changes nothing is the plan in force.

    `rules_off` are ids of rules that do not run, `rules` are added, or replace the rule with their id. `order` names
    candidates that come first in the merchant's order; `candidates_off` are not offered. `values` are set unless a
    rule sets them.
    """

    id: Id
    name: Label
    weight: Annotated[float, Meta(gt=0, le=1e6, description="Share of the split, relative to the others'.")] = 1.0
    rules_off: Annotated[tuple[Id, ...], Meta(max_length=5_000)] = ()
    rules: Annotated[tuple[RuleDocument, ...], Meta(max_length=100)] = ()
    order: Annotated[tuple[Id, ...], Meta(max_length=500)] = ()
    candidates_off: Annotated[tuple[Id, ...], Meta(max_length=500)] = ()
    policy: Policy | None = None
    values: Annotated[
        dict[Annotated[str, Meta(min_length=1, max_length=200)], bool | int | float | Value], Meta(max_length=50)
    ] = {}


class Guardrail(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A metric that no variant may worsen by more than `tolerated_percent` of the control's value: `checkout_time` and
    shares of `declined`, `abandoned` and `refunded` worsen by rising."""

    metric: MetricName
    tolerated_percent: Percent = 5.0


class EarlierPhase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A phase that is over, with what it differed in; `weights` are the variants'. Times are epoch milliseconds."""

    phase: Annotated[int, Meta(ge=1)]
    started_at: int
    ended_at: int
    share: float
    weights: tuple[float, ...]
    audience: Any = None


class LogEstimate(msgspec.Struct, frozen=True):
    """What the log said of a variant when the experiment started, from so many decisions.

    `lift` is the relative change of conversion over what was in force (0.02 is +2%), `error` its standard error.
    """

    variant: str
    lift: float
    error: float
    decisions: int


class MetricCap(msgspec.Struct, frozen=True):
    """The largest amount that counts of a decision, in minor units or milliseconds; it is fixed before the first unit.

    All but the largest thousandth of `values` purchases from before the start were at most so much.
    """

    metric: MetricName
    amount: int
    values: int


class ExperimentStatus(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The state of an experiment; only actions such as `start` change it.

    A change of split, share or audience begins a new `phase`, whose results begin again; `earlier` are those before.
    `offset` is where its share of the layer begins. `authors` are persons who changed it; times are epoch milliseconds.
    `log` is what counts beside the customers where `counts_log` is set. `measured` are the metrics that units are
    measured for since the start, `margin_percent` is that of purchases without a decision.
    """

    state: State = "draft"
    phase: Annotated[int, Meta(ge=1)] = 1
    offset: Annotated[float, Meta(ge=0, le=1)] = 0.0
    authors: tuple[str, ...] = ()
    asked_by: str = ""
    approved_by: str = ""
    started_at: int | None = None
    phase_started_at: int | None = None
    ended_at: int | None = None
    reason: str = ""
    winner: str = ""
    before_archive: State | None = None
    earlier: Annotated[tuple[EarlierPhase, ...], Meta(max_length=1000)] = ()
    log: tuple[LogEstimate, ...] = ()
    caps: tuple[MetricCap, ...] = ()
    measured: tuple[MetricName, ...] = ()
    margin_percent: float = 0.0


class Experiment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A comparison of 2 to 10 variants; the first is the control.

    `share` of the units in the `audience` (a condition over facts, or null for everybody) are enrolled, and split by
    the variants' weights. Experiments in the same `layer` never share a unit. `maximum_days` ends it, `minimum_days`
    keeps it from being concluded earlier.
    """

    id: Id
    name: Label
    hypothesis: Annotated[str, Meta(max_length=2000)] = ""
    notes: Annotated[str, Meta(max_length=5000)] = ""
    unit: Unit = "customer"
    share: Annotated[float, Meta(gt=0, le=1)] = 1.0
    audience: Any = None
    layer: Id = "main"
    variants: Annotated[tuple[Variant, ...], Meta(min_length=2, max_length=10)]
    primary: MetricName = "conversion"
    secondary: Annotated[tuple[MetricName, ...], Meta(max_length=12)] = ()
    guardrails: Annotated[tuple[Guardrail, ...], Meta(max_length=12)] = ()
    method: Method = "sequential"
    learning: LearningMode = "apart"
    allocation: Allocation = "fixed"
    floor: Annotated[
        float, Meta(ge=0.01, le=0.1, description="With `bandit`, the share that each variant gets at least.")
    ] = 0.05
    minimum_effect_percent: Annotated[
        float, Meta(gt=0, le=1000, description="The relative change of the primary metric that should be found.")
    ] = 5.0
    minimum_days: Annotated[int, Meta(ge=0, le=365)] = 7
    maximum_days: Annotated[int, Meta(ge=1, le=365)] = 28
    starts_at: Moment | None = None
    counts_log: Annotated[
        bool, Meta(description="Count what the log said before the start as evidence beside the customers.")
    ] = False
    publishes_winner: Annotated[
        bool,
        Meta(
            description="Publish the winner by itself, or put it into the draft where a second person must approve "
            "changes."
        ),
    ] = False
    status: ExperimentStatus = msgspec.field(default_factory=ExperimentStatus)

    @property
    def control(self) -> Variant:
        """Return the variant that the others are compared with."""
        return self.variants[0]

    @property
    def is_adaptive(self) -> bool:
        """Return whether a bandit moves the shares of the variants."""
        return self.allocation == "bandit"

    @property
    def salt(self) -> str:
        """Return what makes the assignment of this experiment independent of all others.

        It stays the same in a new phase, so that nobody moves whose variant still stands.
        """
        return self.id

    def in_phase(self, phase: int) -> Experiment | None:
        """Return the experiment as it was in a phase, None where there was no such phase."""
        if phase == self.status.phase:
            return self
        past = next((each for each in self.status.earlier if each.phase == phase), None)
        if past is None:
            return None
        status = msgspec.structs.replace(
            self.status, phase=phase, phase_started_at=past.started_at, ended_at=past.ended_at
        )
        return msgspec.structs.replace(
            self, share=past.share, audience=past.audience, status=status, variants=self.weighted(past.weights)
        )

    def weighted(self, weights: Sequence[float]) -> tuple[Variant, ...]:
        """Return the variants with other weights."""
        pairs = zip(self.variants, weights, strict=True)
        return tuple(msgspec.structs.replace(variant, weight=weight) for variant, weight in pairs)

    @property
    def metrics(self) -> tuple[MetricName, ...]:
        """Return every metric that is looked at, the primary one first, each once."""
        guarded = (guardrail.metric for guardrail in self.guardrails)
        return tuple(dict.fromkeys((self.primary, *self.secondary, *guarded)))

    @property
    def measured(self) -> frozenset[MetricName]:
        """Return the metrics that units are measured for since the start; only these can be watched later."""
        return ALWAYS_MEASURED | frozenset(self.status.measured)


class Assignment(msgspec.Struct, frozen=True):
    """The variant of an experiment that a decision was made by.

    `differs` says whether another variant could have answered differently for these facts; `unit` is who was assigned.
    `chance` is the exact probability of this variant where a bandit moves the shares, 1 for a unit that has it already.
    """

    experiment: str
    variant: str
    phase: int
    unit: str
    differs: bool
    chance: float | None = None


class GivenChance(NamedTuple):
    """The variant of a unit that is settled already, and the chance that is logged with it."""

    variant: str
    chance: float
