"""Events that other systems may act on: what became of an offer, and a budget that is being used up. Pure."""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from engine.model.offers.hold import Hold

EventType = Literal[
    "offer.shown", "offer.held", "offer.redeemed", "offer.released", "offer.expired", "offer.refunded", "budget.alert"
]


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


class NewEvent(NamedTuple):
    """An event to be stored."""

    merchant_id: int
    type: EventType
    body: OfferEvent | BudgetAlert


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
