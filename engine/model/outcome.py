"""A reported outcome. Pure."""

from __future__ import annotations

import msgspec


class OutcomeRow(msgspec.Struct, array_like=True):
    """An event after a decision or, without `decision_id`, a purchase that no decision led to."""

    merchant_id: int
    event_id: str
    decision_id: str | None
    customer: str | None
    placement: str
    type: str
    candidate: str | None
    amount: int | None
    currency: str | None
    occurred_at: int
    recorded_at: int
