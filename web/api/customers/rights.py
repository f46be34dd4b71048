"""What customers may ask of their data: erase and export it, and the register of such requests."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.clock import now_ms
from engine.customers.requests import PrivacyRequest, RequestKind, RequestState
from engine.model.actor import Actor
from engine.model.timestamps import rfc3339
from engine.service import Engine
from web.api.common_types import CustomerId, Limit, Moment
from web.api.customers.customer_access import BROWSER, BY_BROWSERS, CustomerQuery, CustomerRequest, check_customer
from web.customer_files import export_zip
from web.http.access import engine_of
from web.http.dependencies import provide_actor
from web.http.rate_limits import admitted
from web.http.request_reading import AnyRequest, document_of, row_number
from web.http.responses import NO_STORE, json_response
from web.openapi.operation import Answer, Operation

TAG = "Customers"
CUSTOMERS = "/v1/personalize/customers"
REQUESTS = "/v1/personalize/requests"
ZIP = "application/zip"
Text = Annotated[str, Meta(max_length=1_000, pattern=r"\A[^\x00]*\Z")]
RequestNumber = Annotated[int, Meta(ge=1, le=2**53)]


class EraseRequest(CustomerQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The customer to erase. With `suppress`, nothing is stored about them afterwards until they opt in."""

    suppress: bool = True


class ErasureAnswer(msgspec.Struct, frozen=True):
    """A receipt: everything about the customer is gone. The request stays in the register as a proof."""

    request_id: int
    erased_at: Moment
    decisions: int
    suppressed: bool


class NewRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request of a customer; `identity_check` says how you know who asks."""

    customer_id: CustomerId
    kind: RequestKind
    identity_check: Text = ""


class Closing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a request was answered; a refusal needs an explanation."""

    state: Literal["done", "refused"]
    explanation: Text = ""


class RequestItem(msgspec.Struct, frozen=True):
    """A request in the register. It does not name its customer."""

    id: int
    kind: RequestKind
    state: RequestState
    received_at: Moment
    due_at: Moment
    is_overdue: bool
    closed_at: Moment | None
    received_by: str
    closed_by: str
    identity_check: str
    explanation: str


class RequestsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    state: Annotated[RequestState, Meta(description="Only `open`, `done` or `refused` requests.")] | None = None
    limit: Limit = 50
    after: Annotated[int, Meta(ge=0, le=2**53, description="`next` of the page before.")] = 0


class RequestsPage(msgspec.Struct, frozen=True):
    """A page of requests, the oldest first; `next` is `after` of the next page."""

    items: list[RequestItem]
    next: int | None


@post(
    f"{CUSTOMERS}/erase",
    status_code=200,
    opt=Operation(
        TAG,
        "Erase a customer",
        {200: Answer("The receipt", ErasureAnswer)},
        "Deletes everything that is known of the customer; sums are as if they had never been there. Accounts of "
        f"offers stay under a random name. Cannot be undone. {BY_BROWSERS}",
        keys="any",
        body=EraseRequest,
        example={"customer_id": "c_gone"},
        errors=(403,),
    ).opt,
)
async def erase(request: AnyRequest) -> Response[bytes]:
    access = await admitted(request, "decisions")
    data: EraseRequest = await document_of(request, EraseRequest)
    check_customer(request, access, data)
    request_id, receipt = await engine_of(request).customer_rights.erase(
        _actor(access), data.customer_id, check=_check(access), suppress=data.suppress
    )
    body = ErasureAnswer(request_id, rfc3339(receipt.erased_at), receipt.decisions, receipt.suppressed)
    return json_response(body, headers=NO_STORE)


@post(
    f"{CUSTOMERS}/export",
    status_code=200,
    opt=Operation(
        TAG,
        "Export a customer",
        {200: Answer("A page to read, and every part as CSV and JSON", bytes, media=ZIP)},
        f"Stored data, and what is derived from it. {BY_BROWSERS}",
        keys="any",
        body=CustomerRequest,
        example={"customer_id": "c_123"},
        errors=(403,),
    ).opt,
)
async def export(request: AnyRequest) -> Response[bytes]:
    access = await admitted(request, "decisions")
    data: CustomerRequest = await document_of(request, CustomerRequest)
    check_customer(request, access, data)
    rights = engine_of(request).customer_rights
    sections = await rights.export(_actor(access), data.customer_id, check=_check(access))
    file = await asyncio.to_thread(export_zip, sections, exported_at=rfc3339(now_ms()))
    headers = {**NO_STORE, "Content-Disposition": 'attachment; filename="your-data.zip"'}
    return Response(file, media_type=ZIP, headers=headers)


@post(
    REQUESTS,
    **Operation(
        TAG,
        "Take in a request",
        {201: Answer("The request, or the open one of the same kind", RequestItem)},
        "For requests that are answered by hand. A repeated request keeps the first due date.",
        body=NewRequest,
        example={"customer_id": "c_123", "kind": "correct", "identity_check": "called back on the number on file"},
    ).route(),
)
async def take_in(
    actor: NamedDependency[Actor], engine: NamedDependency[Engine], document: NamedDependency[NewRequest]
) -> Response[bytes]:
    entry = await engine.privacy_requests.take_in(
        actor, document.customer_id, document.kind, identity_check=document.identity_check
    )
    return json_response(_item(entry), status=201, headers=NO_STORE)


@get(
    REQUESTS,
    **Operation(TAG, "List requests", {200: Answer("The requests", RequestsPage)}, query=RequestsQuery).route(),
)
async def listed(
    access: NamedDependency[Access], engine: NamedDependency[Engine], parameters: NamedDependency[RequestsQuery]
) -> Response[bytes]:
    limit = parameters.limit
    rows = await engine.privacy_requests.page(
        access.merchant.id, state=parameters.state, after=parameters.after, limit=limit + 1
    )
    items = [_item(row) for row in rows[:limit]]
    return json_response(RequestsPage(items, items[-1].id if len(rows) > limit else None), headers=NO_STORE)


@post(
    f"{REQUESTS}/{{id:int}}/close",
    **Operation(
        TAG,
        "Close a request",
        {200: Answer("The closed request", RequestItem)},
        "As done, or as refused with an explanation.",
        body=Closing,
        example={"state": "refused", "explanation": "the caller could not prove who they are"},
        errors=(404, 409),
    ).route(),
)
async def close(
    actor: NamedDependency[Actor],
    engine: NamedDependency[Engine],
    id: FromPath[int],
    document: NamedDependency[Closing],
) -> Response[bytes]:
    number, explanation = row_number(id), document.explanation
    closed = await engine.privacy_requests.close(actor, number, document.state, explanation=explanation)
    return json_response(_item(closed), headers=NO_STORE)


def _actor(access: Access) -> Actor:
    if access.key.kind == "publishable":
        return Actor(access.merchant.id, BROWSER.name, on_behalf_of="")
    return provide_actor(access)


def _check(access: Access) -> str:
    return "customer token" if access.key.kind == "publishable" else "by the merchant's server"


def _item(row: PrivacyRequest) -> RequestItem:
    closed = None if row.closed_at is None else rfc3339(row.closed_at)
    return RequestItem(
        row.id,
        row.kind,
        row.state,
        rfc3339(row.received_at),
        rfc3339(row.due_at),
        row.state == "open" and row.due_at < now_ms(),
        closed,
        row.received_by,
        row.closed_by,
        row.identity_check,
        row.explanation,
    )


handlers: list[Any] = [erase, export, take_in, listed, close]
