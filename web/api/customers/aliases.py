"""Aliases: what a visitor did before they were known becomes the customer's at a log-in."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency

from engine.accounts.accounts import Access
from engine.model.timestamps import rfc3339
from engine.service import Engine
from web.api.common_types import CustomerId, Moment
from web.http.responses import NO_STORE, json_response
from web.openapi.operation import Answer, Operation


class NewAlias(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The customer who logged in, and the id under which decisions were requested before."""

    customer_id: CustomerId
    anonymous_id: CustomerId


class AliasAnswer(msgspec.Struct, frozen=True):
    """The link. `is_new`: this request made it."""

    linked_at: Moment
    is_new: bool


@post(
    "/v1/personalize/aliases",
    **Operation(
        "Customers",
        "Link an anonymous id to a customer",
        {200: Answer("The link", AliasAnswer)},
        "Call it at each log-in. The customer's decisions then use what the anonymous id did, and what was said under "
        "it becomes the customer's word; a refusal on either side stays one. Erasing and exporting the customer "
        "include it.",
        body=NewAlias,
        example={"customer_id": "c_123", "anonymous_id": "device_9"},
        errors=(409,),
    ).route(),
)
async def link(
    access: NamedDependency[Access], engine: NamedDependency[Engine], document: NamedDependency[NewAlias]
) -> Response[bytes]:
    linked = await engine.aliases.link(access.merchant.id, document.customer_id, document.anonymous_id)
    return json_response(AliasAnswer(rfc3339(linked.linked_at), linked.is_new), headers=NO_STORE)


handlers: list[Any] = [link]
