"""The inputs of a decision: facts, and what the customer did before. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

UNAVAILABLE = "availability.unavailable"
"""Holds what cannot be had now: the reason by candidate id. The engine fills it, so it is logged and replayed."""

REPORTED = "availability.reported"
"""Holds the candidates that the merchant reports as unavailable: the reason by id. Logged like the above."""

WITHHELD = "availability.withheld"
"""Holds the offers that a held-back customer would have been shown, for whoever compares; no decision reads it."""

PREFERRED = "preferences.preferred"
"""Holds the candidates that the customer wants first, in this order: the reason by id. Logged like the above."""

REFUSED = "preferences.excluded"
"""Holds the candidates that the customer does not want: the reason by candidate id. Logged like the above."""

SOURCE = "request.source"
"""Says who made a decision where it was not the server: OFFLINE. No decision reads it."""

OFFLINE = "offline"
"""The source of decisions that a client made by a snapshot."""


class Past(msgspec.Struct, frozen=True, array_like=True):
    """What a customer did with one candidate before: recency-weighted trials and successes, and plain purchases."""

    trials: float
    successes: float
    purchases: int


History = dict[str, Past]


class Facts(msgspec.Struct, frozen=True):
    """The inputs of a decision: `values` by dotted name, `history` by candidate id, the customer's keyed hash."""

    values: dict[str, Any]
    history: History = {}
    customer: str | None = None


def derive(values: dict[str, Any], history: History, *, now: str) -> None:
    """Add the facts that the engine knows itself: the time (RFC 3339, UTC) and the customer's purchases."""
    values["time.now"] = now
    if history:
        purchases = sum(past.purchases for past in history.values())
        values["history.purchases"] = purchases
        if purchases:
            values["history.favourite"] = max(history, key=lambda name: (history[name].successes, name))
