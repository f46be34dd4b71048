"""Read outcomes from messages of Segment's libraries. Pure.

After Segment's HTTP tracking API and the names of its e-commerce specification (version 2). Amounts there are decimal
numbers in units of the currency; here they are whole minor units.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, get_args

import msgspec
from msgspec import Meta

from engine.model.errors import FieldProblem
from rules.language.codes import decimals_of
from web.api.feedback import Outcome, OutcomeType
from web.http.request_reading import UnreadItem
from web.http.validation_errors import validation_error

TYPES = {
    "checkout step viewed": "shown",
    "payment info entered": "selected",
    "order completed": "converted",
    "order refunded": "refunded",
    "coupon applied": "redeemed",
}
"""Outcomes by the names of events, in lowercase; events may also have the names of outcomes."""
CANDIDATES = ("candidate_id", "payment_method", "coupon_id")
AMOUNTS = ("total", "revenue", "value")
"""Properties in the order in which they are looked for."""
MOST_DIGITS = 18
"""Of an amount: 1e999999999 would take a gigabyte as a whole number."""

FLOAT_SLACK = Decimal("0.0001")
"""Of a minor unit: a shop that adds up floats sends 0.30000000000000004."""


class SegmentMessage(msgspec.Struct, frozen=True, rename="camel"):
    """The parts of a message that are read."""

    type: str
    message_id: Annotated[str, Meta(min_length=1, max_length=128)]
    event: str = ""
    user_id: str | int | None = None
    timestamp: datetime | None = None
    properties: dict[str, Any] = {}


def outcome_of(message: Mapping[str, Any], currency: str) -> Outcome | UnreadItem | None:
    """Return the outcome that a message reports; None for a message that reports none.

    An outcome needs `properties.decision_id`. Without it, a completed order with a `userId` and a payment method is a
    purchase that counts in the customer's history. `currency` is that of amounts without one.
    """
    try:
        read = msgspec.convert(message, SegmentMessage)
    except msgspec.ValidationError as error:
        return UnreadItem({"event_id": message.get("messageId")}, validation_error(error, SegmentMessage))
    name = read.event.strip().lower()
    type = name if name in get_args(OutcomeType) else TYPES.get(name)
    properties = read.properties
    decision_id = properties.get("decision_id")
    if read.type != "track" or type is None or (decision_id is None and type != "converted"):
        return None
    document: dict[str, Any] = {"event_id": read.message_id, "occurred_at": read.timestamp}
    candidate = next((properties[key] for key in CANDIDATES if properties.get(key) is not None), None)
    if decision_id is not None:
        document |= {"decision_id": decision_id, "type": type, "candidate_id": candidate}
    elif read.user_id is None or candidate is None:
        return None
    else:
        document |= {"customer_id": str(read.user_id), "method_id": candidate}
    if type in ("converted", "refunded"):
        code = properties.get("currency") or currency
        code = code.strip().upper() if isinstance(code, str) else code
        key = next((key for key in AMOUNTS if properties.get(key) is not None), None)
        if key is not None:
            minor = minor_units(properties[key], code)
            if minor is None:
                problem = FieldProblem(f"properties/{key}", "is not an amount of its currency, such as 49.99 of EUR")
                return UnreadItem(document, problem)
            document |= {"amount": minor, "currency": code}
    try:
        return msgspec.convert(document, Outcome)
    except msgspec.ValidationError as error:
        return UnreadItem(document, validation_error(error, Outcome))


def minor_units(amount: object, currency: object) -> int | None:
    """Return a decimal amount in whole minor units; None where it has more digits than the currency."""
    if isinstance(amount, bool) or not isinstance(amount, int | float | str) or not isinstance(currency, str):
        return None
    try:
        minor = Decimal(str(amount)).scaleb(decimals_of(currency.upper()))
        if minor.adjusted() >= MOST_DIGITS:
            return None
        nearest, slack = minor.to_integral_value(), FLOAT_SLACK if isinstance(amount, float) else 0
        return int(nearest) if abs(minor - nearest) <= slack else None
    except (ArithmeticError, ValueError):
        return None
