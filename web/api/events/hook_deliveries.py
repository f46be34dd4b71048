"""What was sent to the endpoints of webhooks: the log of deliveries, sending again, and test messages."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.model.actor import Actor
from engine.model.events.event import EventType
from engine.model.events.webhook import DeliveryAttempt, DeliveryState, Fault, LoggedDelivery
from engine.model.timestamps import rfc3339
from engine.service import Engine
from web.api.common_types import Limit, Moment
from web.api.events.hook_endpoints import ITEM, TAG
from web.http.request_reading import row_number
from web.http.responses import NO_STORE, json_response
from web.openapi.operation import Answer, Operation


class DeliveriesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: Limit = 50
    cursor: Annotated[str, Meta(pattern=r"\A[0-9]{0,15}\Z", description="`next` of the previous page.")] = ""
    state: Annotated[DeliveryState, Meta(description="Only messages in this state.")] | None = None


class AttemptItem(msgspec.Struct, frozen=True):
    """One attempt. `status` is that of HTTP, null without an answer; `fault` is empty for a success."""

    started_at: Moment
    milliseconds: int
    status: int | None
    fault: Fault


class DeliveryItem(msgspec.Struct, frozen=True):
    """A message: an event for an endpoint. `retry_at` is the next attempt; null unless the message waits."""

    event_id: int
    type: EventType
    state: DeliveryState
    created_at: Moment
    retry_at: Moment | None
    attempts: list[AttemptItem]


class DeliveriesPage(msgspec.Struct, frozen=True):
    """Messages, the newest first, and the cursor of the next page."""

    items: list[DeliveryItem]
    next: str | None


class SentAgain(msgspec.Struct, frozen=True):
    """How many messages are sent again."""

    count: int


@get(
    f"{ITEM}/deliveries",
    **Operation(
        TAG, "List what was sent to a webhook", {200: Answer("Messages", DeliveriesPage)}, query=DeliveriesQuery
    ).route(),
)
async def list_deliveries(
    access: NamedDependency[Access],
    engine: NamedDependency[Engine],
    id: FromPath[str],
    parameters: NamedDependency[DeliveriesQuery],
) -> Response[bytes]:
    limit, before = parameters.limit, int(parameters.cursor) if parameters.cursor else None
    rows = await engine.webhooks.page(access.merchant.id, id, state=parameters.state, before=before, limit=limit + 1)
    following = str(rows[limit - 1].delivery.event_id) if len(rows) > limit else None
    return json_response(DeliveriesPage([delivery_item(row) for row in rows[:limit]], following), headers=NO_STORE)


@post(
    f"{ITEM}/test",
    **Operation(
        TAG,
        "Send a test message",
        {202: Answer("The message, which is sent within seconds and once", DeliveryItem)},
        "Its type is `endpoint.test`.",
        errors=(409,),
    ).route(),
)
async def test(actor: NamedDependency[Actor], engine: NamedDependency[Engine], id: FromPath[str]) -> Response[bytes]:
    return json_response(delivery_item(await engine.webhooks.test(actor, id)), status=202, headers=NO_STORE)


@post(
    f"{ITEM}/resend",
    **Operation(
        TAG,
        "Send all parked messages again",
        {202: Answer("They are sent within seconds", SentAgain)},
        errors=(409,),
    ).route(),
)
async def resend_parked(
    actor: NamedDependency[Actor], engine: NamedDependency[Engine], id: FromPath[str]
) -> Response[bytes]:
    return json_response(SentAgain(await engine.webhooks.send_again(actor, id)), status=202, headers=NO_STORE)


@post(
    f"{ITEM}/deliveries/{{event:int}}/resend",
    **Operation(
        TAG,
        "Send a message again",
        {202: Answer("It is sent within seconds", DeliveryItem)},
        "Also one that was delivered: it has the same `webhook-id`.",
        errors=(409,),
    ).route(),
)
async def resend(
    actor: NamedDependency[Actor], engine: NamedDependency[Engine], id: FromPath[str], event: FromPath[int]
) -> Response[bytes]:
    await engine.webhooks.send_again(actor, id, row_number(event))
    row = await engine.webhooks.delivery(actor.merchant_id, id, event)
    return json_response(delivery_item(row), status=202, headers=NO_STORE)


def delivery_item(row: LoggedDelivery) -> DeliveryItem:
    """Return a message as the log of deliveries shows it."""
    delivery = row.delivery
    retry_at = rfc3339(delivery.next_at) if delivery.state == "waiting" else None
    attempts = [_attempt(attempt) for attempt in row.attempts]
    return DeliveryItem(
        delivery.event_id, delivery.type, delivery.state, rfc3339(delivery.created_at), retry_at, attempts
    )


def _attempt(attempt: DeliveryAttempt) -> AttemptItem:
    return AttemptItem(rfc3339(attempt.started_at), attempt.milliseconds, attempt.status, attempt.fault)


handlers = [list_deliveries, test, resend_parked, resend]
