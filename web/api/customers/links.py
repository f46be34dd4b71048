"""Links to the customer center, which a merchant's server makes for a customer that it knows."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from msgspec import Meta

from engine.customers.center_links import LINK_MINUTES, LONGEST_LINK_MINUTES, CenterLanguage
from engine.model.actor import Actor
from engine.model.timestamps import rfc3339
from engine.service import Engine
from web.api.common_types import CustomerId, Moment
from web.customer_links import link_address
from web.http.request_reading import AnyRequest
from web.http.responses import NO_STORE, json_response
from web.openapi.operation import Answer, Operation


class CustomerLinkRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The customer, and the language of the page until they choose one."""

    customer_id: CustomerId
    minutes: Annotated[int, Meta(ge=1, le=LONGEST_LINK_MINUTES, description="How long the link is valid.")] = (
        LINK_MINUTES
    )
    language: CenterLanguage | None = None


class CustomerLinkAnswer(msgspec.Struct, frozen=True):
    """Show it to the customer alone: whoever has the link sees and changes what is theirs."""

    url: str
    expires_at: Moment


@post(
    "/v1/personalize/customer-links",
    **Operation(
        "Customers",
        "Create a link to the customer center",
        {201: Answer("The link", CustomerLinkAnswer)},
        "A page where the customer sees what is known, chooses what is allowed, takes a copy, opts out and erases.",
        body=CustomerLinkRequest,
        example={"customer_id": "c_123", "minutes": 60, "language": "de"},
    ).route(),
)
async def create_customer_link(
    request: AnyRequest,
    actor: NamedDependency[Actor],
    engine: NamedDependency[Engine],
    document: NamedDependency[CustomerLinkRequest],
) -> Response[bytes]:
    issued = engine.center_links.issue(
        actor, document.customer_id, minutes=document.minutes, language=document.language or ""
    )
    answer = CustomerLinkAnswer(link_address(request, issued), rfc3339(issued.expires_at))
    return json_response(answer, status=201, headers=NO_STORE)


handlers: list[Any] = [create_customer_link]
