"""Webhooks: endpoints that events are sent to. A secret is shown once, when it is made."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.clock import now_ms
from engine.model.actor import Actor
from engine.model.events.event import EventType
from engine.model.events.webhook import Endpoint, EndpointState, EventFormat, NewEndpoint
from engine.model.timestamps import rfc3339
from engine.service import Engine
from engine.webhooks.endpoints import LONGEST_OVERLAP_HOURS, MOST_ENDPOINTS, OVERLAP_HOURS
from web.api.common_types import Moment, Page, part_of
from web.http.responses import NO_STORE, json_response
from web.openapi import examples
from web.openapi.operation import Answer, Operation

TAG = "Webhooks"
PATH = "/v1/webhooks"
ITEM = f"{PATH}/{{id:str}}"


class SecretRotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long messages are signed with the old secret beside the new one."""

    overlap_hours: Annotated[int, Meta(ge=0, le=LONGEST_OVERLAP_HOURS)] = OVERLAP_HOURS


class WebhookEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint without its secret. `fault` says why the server disabled it; empty where it did not."""

    id: str
    url: str
    types: list[EventType]
    description: str
    enabled: bool
    format: EventFormat
    fault: str
    version: Annotated[int, Meta(ge=1, description="Counts the changes; `If-Match` takes it in quotes.")]
    created_at: Moment
    old_secret_until: Annotated[Moment | None, Meta(description="Until then, two secrets sign each message.")]
    queued: Annotated[int, Meta(description="Messages that are still to be delivered.")]
    parked: Annotated[int, Meta(description="Messages that all attempts failed for.")]
    delivered_at: Annotated[Moment | None, Meta(description="The last time at which a message was delivered.")]


class CreatedWebhook(WebhookEndpoint, frozen=True, kw_only=True):
    """An endpoint with a new secret; this is the only response that shows `secret`."""

    secret: str


class WebhookEndpoints(msgspec.Struct, frozen=True):
    """A page of endpoints, the oldest first, and the cursor of the next page."""

    items: list[WebhookEndpoint]
    next: str | None


@get(
    PATH,
    **Operation(TAG, "List webhooks", {200: Answer("The endpoints", WebhookEndpoints)}, query=Page).route(),
)
async def list_endpoints(
    access: NamedDependency[Access], engine: NamedDependency[Engine], parameters: NamedDependency[Page]
) -> Response[bytes]:
    items, cursor = part_of(await engine.webhooks.all(access.merchant.id), parameters)
    states = await engine.webhooks.states(access.merchant.id)
    body = WebhookEndpoints([WebhookEndpoint(**endpoint_fields(each, states.get(each.id))) for each in items], cursor)
    return json_response(body, headers=NO_STORE)


@post(
    PATH,
    **Operation(
        TAG,
        "Create a webhook",
        {201: Answer("The endpoint with its secret", CreatedWebhook, ("Location", "ETag"))},
        f"Events from now on are sent to it. At most {MOST_ENDPOINTS} endpoints.",
        body=NewEndpoint,
        example=examples.WEBHOOK,
        errors=(409,),
    ).route(),
)
async def create(
    actor: NamedDependency[Actor], engine: NamedDependency[Engine], document: NamedDependency[NewEndpoint]
) -> Response[bytes]:
    endpoint, secret = await engine.webhooks.create(actor, document)
    body = CreatedWebhook(**endpoint_fields(endpoint), secret=secret)
    headers = {**NO_STORE, "Location": f"{PATH}/{endpoint.id}"}
    return json_response(body, status=201, version=endpoint.version, headers=headers)


@get(ITEM, **Operation(TAG, "Show a webhook", {200: Answer("The endpoint", WebhookEndpoint, ("ETag",))}).route())
async def show(access: NamedDependency[Access], engine: NamedDependency[Engine], id: FromPath[str]) -> Response[bytes]:
    return await _shown(engine, await engine.webhooks.get(access.merchant.id, id))


@put(
    ITEM,
    **Operation(
        TAG,
        "Replace a webhook",
        {200: Answer("Replaced", WebhookEndpoint, ("ETag",))},
        "The whole document. If you disable it, messages that wait are parked, and later events are not sent.",
        body=NewEndpoint,
        example=examples.WEBHOOK,
        errors=(409, 412, 428),
    ).route(),
)
async def replace(
    actor: NamedDependency[Actor],
    engine: NamedDependency[Engine],
    id: FromPath[str],
    document: NamedDependency[NewEndpoint],
    expected_version: NamedDependency[int | None],
) -> Response[bytes]:
    return await _shown(engine, await engine.webhooks.replace(actor, id, document, version=expected_version))


@delete(ITEM, **Operation(TAG, "Delete a webhook", {204: Answer("Deleted, with its log of deliveries")}).route())
async def remove(actor: NamedDependency[Actor], engine: NamedDependency[Engine], id: FromPath[str]) -> None:
    await engine.webhooks.delete(actor, id)


@post(
    f"{ITEM}/rotate",
    **Operation(
        TAG,
        "Rotate the secret of a webhook",
        {201: Answer("The new secret; the old one also signs for the overlap", CreatedWebhook, ("ETag",))},
        body=SecretRotation,
        example=examples.ROTATION,
        errors=(409,),
    ).route(),
)
async def rotate(
    actor: NamedDependency[Actor],
    engine: NamedDependency[Engine],
    id: FromPath[str],
    document: NamedDependency[SecretRotation],
) -> Response[bytes]:
    endpoint, secret = await engine.webhooks.rotate(actor, id, overlap_hours=document.overlap_hours)
    states = await engine.webhooks.states(actor.merchant_id)
    body = CreatedWebhook(**endpoint_fields(endpoint, states.get(id)), secret=secret)
    return json_response(body, status=201, version=endpoint.version, headers=NO_STORE)


async def _shown(engine: Engine, endpoint: Endpoint) -> Response[bytes]:
    states = await engine.webhooks.states(endpoint.merchant_id)
    body = WebhookEndpoint(**endpoint_fields(endpoint, states.get(endpoint.id)))
    return json_response(body, version=endpoint.version, headers=NO_STORE)


def endpoint_fields(endpoint: Endpoint, state: EndpointState | None = None) -> dict[str, Any]:
    """Return the fields of a `WebhookEndpoint`."""
    now = state or EndpointState()
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "types": list(endpoint.types),
        "description": endpoint.description,
        "enabled": endpoint.enabled,
        "format": endpoint.format,
        "fault": endpoint.fault,
        "version": endpoint.version,
        "created_at": rfc3339(endpoint.created_at),
        "old_secret_until": rfc3339(endpoint.previous_until) if endpoint.has_two_secrets(now_ms()) else None,
        "queued": now.queued,
        "parked": now.parked,
        "delivered_at": None if now.delivered_at is None else rfc3339(now.delivered_at),
    }


handlers = [list_endpoints, create, show, replace, remove, rotate]
