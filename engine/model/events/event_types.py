"""The types of events: what each says, an example, and which events must arrive in their order. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, get_args

from engine.model.events.event import (
    ArmJump,
    BudgetAlert,
    CandidateOutage,
    CompletedExperiment,
    EndpointTest,
    EventBody,
    EventType,
    MetricAlert,
    OfferEvent,
    PredictionAlert,
    PublishedVersion,
    UpdatedPreference,
    WeekOff,
)


class EventKind(NamedTuple):
    """A type of event. `subject` are the fields of the body that say what it is about; without any, no order is kept.

    `note` explains fields of the body to developers.

    All types that begin with the same word and have the same subject keep one order.
    """

    summary: str
    example: EventBody
    subject: tuple[str, ...] = ()
    note: str = ""


_OUTAGE = CandidateOutage("payment_methods", "klarna", "2026-11-21T09:30:00.000Z")


def _offer(*, held: int = 0, discount: int = 0, returned: int = 0, order: str = "") -> OfferEvent:
    decision = "dec_019a5b3ec1f07d1e9b6a2f4c8d0e1a2b"
    return OfferEvent("hold_5f2c", "ten-percent", "offers", decision, order, "EUR", held, discount, returned)


_OFFER, _PLACEMENT, _CANDIDATE = ("hold_id",), ("placement",), ("placement", "candidate_id")
EVENT_TYPES: Mapping[EventType, EventKind] = {
    "version.published": EventKind(
        "A plan version of a placement decides from now on.",
        PublishedVersion("payment_methods", 14, "no Klarna for large carts", emergency=False),
        _PLACEMENT,
    ),
    "experiment.completed": EventKind(
        "An experiment was stopped or concluded.",
        CompletedExperiment("payment_methods", "paypal-first", "concluded", "b", "more purchases"),
        ("placement", "experiment_id"),
        "One that is stopped first and concluded later sends two.",
    ),
    "offer.held": EventKind("A decision set the cost of an offer aside.", _offer(held=1290), _OFFER),
    "offer.shown": EventKind("A customer has seen an offer.", _offer(held=1290), _OFFER),
    "offer.redeemed": EventKind("An order used an offer.", _offer(discount=1290, order="4711"), _OFFER),
    "offer.released": EventKind("The cost of an offer was set free before its time.", _offer(), _OFFER),
    "offer.expired": EventKind("Nobody used an offer within its time.", _offer(), _OFFER),
    "offer.refunded": EventKind(
        "A refund gave a discount back, or a part of it.", _offer(discount=1290, returned=645, order="4711"), _OFFER
    ),
    "budget.alert": EventKind(
        "Half, 80% or all of a budget is spent or held.",
        BudgetAlert("spring", 80, None),
        ("budget",),
        "`day` is the epoch day of a daily budget.",
    ),
    "preference.updated": EventKind(
        "A customer, your server or a person of your team changed preferences. The event does not say whose.",
        UpdatedPreference(("default_method",), "customer"),
    ),
    "outage.noticed": EventKind("A candidate seems to be down.", _OUTAGE, _CANDIDATE),
    "outage.ended": EventKind("A candidate that seemed to be down succeeds again.", _OUTAGE, _CANDIDATE),
    "arm.jumped": EventKind(
        "The success rate of a candidate changed at once.",
        ArmJump("payment_methods", "klarna"),
        _CANDIDATE,
        "At most one a day for each candidate.",
    ),
    "metric.alert": EventKind(
        "Fallbacks rose, outcomes stopped, decisions are slow, or a day is outside the band of its past.",
        MetricAlert("payment_methods", "fallbacks", 0.031, 0.0004, 498812),
        _PLACEMENT,
        "`value` and `usual` are shares of decisions; of the kind `latency`, milliseconds that 19 of 20 stay within.",
    ),
    "predictions.off": EventKind(
        "What a contextual model expected differs from what came by more than noise.",
        PredictionAlert("payment_methods", (WeekOff("klarna", 20777, 214.6, 158.0),)),
        _PLACEMENT,
        "Days are epoch days.",
    ),
    "endpoint.test": EventKind("Somebody asked for a test message.", EndpointTest("we_7d41b0c2a95e8f36")),
}
TEST_TYPE: EventType = "endpoint.test"
SUBSCRIBABLE: tuple[EventType, ...] = tuple(name for name in get_args(EventType) if name != TEST_TYPE)
"""The types that an endpoint may choose; a test message goes to the endpoint that was tested alone."""


def subject_of(type: EventType, body: Mapping[str, Any]) -> str:
    """Return what an event is about; events of the same subject are sent in their order. Empty: in any order."""
    fields = EVENT_TYPES[type].subject
    family = type.partition(".")[0]
    return ":".join((family, *(str(body[name]) for name in fields))) if fields else ""
