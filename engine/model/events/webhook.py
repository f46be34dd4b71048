"""Webhooks: endpoints of merchants, deliveries of events to them, and attempts. Pure."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from engine.model.events.event import EventType

DeliveryState = Literal["waiting", "delivered", "parked"]
Fault = Literal[
    "", "status", "redirect", "timeout", "unresolved", "internal_address", "connection", "tls", "answer", "unsendable"
]
"""Why an attempt failed; empty where it did not.

`unresolved`: the host has no address; `answer`: the answer is no HTTP or too large; `unsendable`: the server's settings
do not allow the address any more, or the secret cannot be read.
"""
EventFormat = Literal["standard", "cloudevents"]
"""The body of a message: that of Standard Webhooks, or CloudEvents 1.0. The headers are the same."""
MOST_URL = 2000


class NewEndpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where events are sent to, and which."""

    url: Annotated[str, Meta(max_length=MOST_URL, description="An `https` address on the internet.")]
    types: Annotated[tuple[EventType, ...], Meta(min_length=1, description="The types of events to send.")]
    description: Annotated[str, Meta(max_length=200, description="What receives the events.")] = ""
    enabled: bool = True
    format: Annotated[
        EventFormat,
        Meta(
            description="The body of messages: `type`, `timestamp` and `data`, or a CloudEvents 1.0 document. "
            "Both have the same headers and signatures."
        ),
    ] = "standard"


class Endpoint(NamedTuple):
    """An endpoint. Secrets are sealed, times are epoch milliseconds; the previous secret is empty where there is none.

    `read_up_to` is the last event that deliveries were made of, `fault` says why the engine disabled the endpoint.
    """

    id: str
    merchant_id: int
    version: int
    url: str
    description: str
    types: tuple[EventType, ...]
    enabled: bool
    secret: str
    previous_secret: str
    previous_until: int
    read_up_to: int
    created_at: int
    fault: str
    format: EventFormat

    def has_two_secrets(self, now: int) -> bool:
        """Return whether the previous secret still signs messages at an instant (epoch ms)."""
        return self.previous_until > now


class EndpointState(NamedTuple):
    """How deliveries to an endpoint do: how many wait and are parked, and when one was delivered last (epoch ms)."""

    queued: int = 0
    parked: int = 0
    delivered_at: int | None = None


class Delivery(NamedTuple):
    """An event for an endpoint; parked once `attempts` reaches `most_attempts`. Times are epoch milliseconds."""

    endpoint_id: str
    event_id: int
    type: EventType
    subject: str
    state: DeliveryState
    attempts: int
    most_attempts: int
    next_at: int
    created_at: int


class DeliveryAttempt(NamedTuple):
    """One attempt of a delivery; `status` is that of HTTP, None without an answer."""

    endpoint_id: str
    event_id: int
    attempt: int
    started_at: int
    milliseconds: int
    status: int | None
    fault: Fault


class LoggedDelivery(NamedTuple):
    """A delivery with its attempts, the oldest first."""

    delivery: Delivery
    attempts: tuple[DeliveryAttempt, ...]


class Message(NamedTuple):
    """A delivery that is due, with the event that it carries."""

    delivery: Delivery
    body: str
    recorded_at: int

    @property
    def id(self) -> str:
        """Return the id by which a receiver knows a message that it had before."""
        return f"evt_{self.delivery.event_id}"
