"""Who gets which alerts by mail. Pure."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from engine.model.documents.field_types import MailAddress
from engine.model.events.event import EventType

ALERT_TYPES: tuple[EventType, ...] = (
    "outage.noticed", "outage.ended", "metric.alert", "budget.alert", "arm.jumped", "predictions.off",
    "experiment.completed",
)  # fmt: skip
"""The events that people act on; each is written once for one thing."""


class NewAlertRecipient(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An e-mail address and the alerts that it gets."""

    recipient: MailAddress
    types: Annotated[tuple[EventType, ...], Meta(min_length=1)]


class AlertRecipient(NamedTuple):
    """A recipient of a merchant's alerts. `read_up_to` is the last event that mails were made of."""

    id: str
    merchant_id: int
    version: int
    recipient: str
    types: tuple[EventType, ...]
    read_up_to: int
    created_at: int
