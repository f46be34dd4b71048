"""The body of a message: as Standard Webhooks has it, or a CloudEvents 1.0 document in structured mode."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.model.events.webhook import EventFormat, Message
from engine.model.timestamps import rfc3339

EVENTS = "/v1/events"
"""The source of CloudEvents: with it, an id names the same event as in the list of events."""
CONTENT_TYPES: dict[EventFormat, str] = {"standard": "application/json", "cloudevents": "application/cloudevents+json"}


def body_of(message: Message, format: EventFormat) -> bytes:
    """Return the JSON body of a message; its content type is in CONTENT_TYPES."""
    delivery, recorded, data = message.delivery, rfc3339(message.recorded_at), msgspec.Raw(message.body.encode())
    if format == "standard":
        return msgspec.json.encode({"type": delivery.type, "timestamp": recorded, "data": data})
    document: dict[str, Any] = {
        "specversion": "1.0",
        "id": message.id,
        "source": EVENTS,
        "type": delivery.type,
        "time": recorded,
        "datacontenttype": "application/json",
        "data": data,
    }
    # The specification wants a subject to be present only where it is not empty.
    return msgspec.json.encode(document | ({"subject": delivery.subject} if delivery.subject else {}))
