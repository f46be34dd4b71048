"""Events that other systems may act on. Pure. None names a customer or a person."""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from engine.model.offers.hold import Hold

EventType = Literal[
    "version.published", "experiment.completed",
    "offer.shown", "offer.held", "offer.redeemed", "offer.released", "offer.expired", "offer.refunded", "budget.alert",
    "preference.updated", "outage.noticed", "outage.ended", "arm.jumped", "metric.alert", "predictions.off",
    "endpoint.test",
]  # fmt: skip


class OfferEvent(msgspec.Struct, frozen=True):
    """A hold after what the event says; amounts are minor units, `held` is set aside, `discount` was redeemed."""

    hold_id: str
    offer_id: str
    placement: str
    decision_id: str | None
    order_id: str
    currency: str
    held: int
    discount: int
    returned: int


class BudgetAlert(msgspec.Struct, frozen=True):
    """A budget of which `percent` is spent or held; `day` is the epoch day that it counts, null without one."""

    budget: str
    percent: int
    day: int | None


class WeekOff(msgspec.Struct, frozen=True):
    """Successes that a model expected in seven days, and those that came; `candidate_id` is null for all together."""

    candidate_id: str | None
    first_day: int
    expected: float
    successes: float


class PredictionAlert(msgspec.Struct, frozen=True):
    """A model whose predictions differ from results by more than noise: the weeks in which they do (epoch days)."""

    placement: str
    weeks: tuple[WeekOff, ...]


class MetricAlert(msgspec.Struct, frozen=True):
    """What is unusual at a placement: a share of decisions, 0 to 1, beside the usual one, since an epoch hour.

    Of the kind `latency`, the milliseconds that 19 of 20 decisions stay within.
    """

    placement: str
    kind: Literal["fallbacks", "outcomes_stopped", "conversion", "latency"]
    value: float
    usual: float
    since_hour: int


class PublishedVersion(msgspec.Struct, frozen=True):
    """A plan version that decides from now on; `reason` is what its publisher wrote."""

    placement: str
    version: int
    reason: str
    emergency: bool


class CompletedExperiment(msgspec.Struct, frozen=True):
    """An experiment that enrols nobody any more; `winner` is a variant's id, null where none was chosen yet."""

    placement: str
    experiment_id: str
    state: Literal["stopped", "concluded"]
    winner: str | None
    reason: str


class UpdatedPreference(msgspec.Struct, frozen=True):
    """The fields of preferences that a customer has otherwise now; who and what is not stored outside their data."""

    fields: tuple[str, ...]
    source: Literal["customer", "server", "person"]


class CandidateOutage(msgspec.Struct, frozen=True):
    """A candidate that seems to be down, or is back; `since` is when the outage began (RFC 3339)."""

    placement: str
    candidate_id: str
    since: str


class ArmJump(msgspec.Struct, frozen=True):
    """A candidate whose success rate has changed at once: what was learned before counts no more."""

    placement: str
    candidate_id: str


class EndpointTest(msgspec.Struct, frozen=True):
    """A message that somebody sent to see whether an endpoint receives messages."""

    endpoint_id: str


EventBody = (
    PublishedVersion
    | CompletedExperiment
    | OfferEvent
    | BudgetAlert
    | UpdatedPreference
    | CandidateOutage
    | ArmJump
    | MetricAlert
    | PredictionAlert
    | EndpointTest
)


class NewEvent(NamedTuple):
    """An event to be stored."""

    merchant_id: int
    type: EventType
    body: EventBody


class StoredEvent(NamedTuple):
    """An event with its number, which grows; `body` is JSON."""

    id: int
    type: EventType
    body: str
    recorded_at: int


def offer_event(hold: Hold, type: EventType) -> NewEvent:
    """Return the event of a hold."""
    body = OfferEvent(
        hold.id,
        hold.offer,
        hold.placement,
        hold.decision_id or None,
        hold.order_id,
        hold.currency,
        hold.amount if hold.state == "live" else 0,
        hold.spent,
        hold.returned,
    )
    return NewEvent(hold.merchant_id, type, body)
