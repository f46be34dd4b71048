"""Events that other systems may act on: what became of an offer, a budget that runs low, predictions that are off,
metrics that are unusual."""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from engine.model.offers.hold import Hold

EventType = Literal[
    "offer.shown", "offer.held", "offer.redeemed", "offer.released", "offer.expired", "offer.refunded", "budget.alert",
    "predictions.off", "metric.alert",
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
    """What is unusual at a placement: a share of decisions, 0 to 1, beside the usual one, since an epoch hour."""

    placement: str
    kind: Literal["fallbacks", "outcomes_stopped", "conversion"]
    value: float
    usual: float
    since_hour: int


class NewEvent(NamedTuple):
    """An event to be stored."""

    merchant_id: int
    type: EventType
    body: OfferEvent | BudgetAlert | PredictionAlert | MetricAlert


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
