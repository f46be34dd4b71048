"""Consent of customers: record it, show what is in force, and list what was said."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from litestar import Response, get, post, put
from litestar.di import NamedDependency

from engine.accounts.accounts import Access
from engine.customers.consents import ConsentInForce, Consents, ConsentState, StoredConsent
from engine.model.actor import Actor
from engine.model.documents.consent import ConsentNotice, ConsentPolicy, ConsentRecord
from engine.model.timestamps import rfc3339
from engine.service import Engine
from web.api.browsers import CustomerToken
from web.api.common_types import CustomerId, Moment, Slug
from web.api.customers.customer_access import (
    BY_BROWSERS,
    CustomerRequest,
    VersionsRequest,
    changer_of,
    check_customer,
    name_of_changer,
    page_of,
)
from web.http.access import engine_of
from web.http.rate_limits import admitted
from web.http.request_reading import AnyRequest, document_of
from web.http.responses import NO_STORE, json_response
from web.openapi import examples
from web.openapi.operation import Answer, Operation

TAG = "Customers"
PATH = "/v1/personalize/consents"


class NewConsent(ConsentRecord, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A customer, and what the customer said of which purposes."""

    customer_id: CustomerId
    customer_token: CustomerToken | None = None
    merchant_id: Slug | None = None


class PurposeItem(msgspec.Struct, frozen=True):
    """A purpose, and the customer's word on it. `allowed` is what counts: said, or assumed by the merchant."""

    purpose: str
    state: ConsentState
    allowed: bool


class ConsentAnswer(msgspec.Struct, frozen=True):
    """The consent in force. `prompt`: the customer was not asked yet, and should be."""

    version: int
    purposes: list[PurposeItem]
    personalized: bool
    prompt: bool


class ConsentItem(msgspec.Struct, frozen=True):
    """An entry of the history, and who reported it."""

    version: int
    recorded_at: Moment
    source: Literal["customer", "server", "person"]
    recorded_by: str
    method: str
    purposes: dict[str, bool]
    notice: ConsentNotice | None
    served_at: str
    occurred_at: Moment | None


class ConsentHistory(msgspec.Struct, frozen=True):
    """A page of what the customer said, the newest first; `next` is `before` of the next page."""

    items: list[ConsentItem]
    next: int | None


@post(
    PATH,
    status_code=201,
    opt=Operation(
        TAG,
        "Record consent",
        {201: Answer("What is in force from now on", ConsentAnswer)},
        "`accept`, `reject`, `gpc` and `dnt` without purposes are about all of them. `dismiss` changes nothing that "
        f"was said. Decisions obey at once. {BY_BROWSERS}",
        keys="any",
        body=NewConsent,
        example=examples.CONSENT,
        errors=(403,),
    ).opt,
)
async def record(request: AnyRequest) -> Response[bytes]:
    access = await admitted(request, "decisions")
    data: NewConsent = await document_of(request, NewConsent)
    check_customer(request, access, data)
    record = ConsentRecord(**{name: getattr(data, name) for name in ConsentRecord.__struct_fields__})
    stored = await _service(request).record(access.merchant.id, data.customer_id, record, changer_of(access))
    return json_response(_answer(stored), status=201, headers=NO_STORE)


@post(
    f"{PATH}/read",
    status_code=200,
    opt=Operation(
        TAG,
        "Read consent",
        {200: Answer("What is in force", ConsentAnswer)},
        f"Each purpose of the merchant, with what the customer said. {BY_BROWSERS}",
        keys="any",
        body=CustomerRequest,
        example={"customer_id": "c_123"},
        errors=(403,),
    ).opt,
)
async def read(request: AnyRequest) -> Response[bytes]:
    access = await admitted(request, "decisions")
    data: CustomerRequest = await document_of(request, CustomerRequest)
    check_customer(request, access, data)
    return json_response(_answer(await _service(request).get(access.merchant.id, data.customer_id)), headers=NO_STORE)


@post(
    f"{PATH}/history",
    status_code=200,
    opt=Operation(
        TAG,
        "List consent",
        {200: Answer("What was said, the newest first", ConsentHistory)},
        f"With method, notice, and the address where the prompt stood. Nothing of it ever changes. {BY_BROWSERS}",
        keys="any",
        body=VersionsRequest,
        example={"customer_id": "c_123"},
        errors=(403,),
    ).opt,
)
async def history(request: AnyRequest) -> Response[bytes]:
    access = await admitted(request, "decisions")
    data: VersionsRequest = await document_of(request, VersionsRequest)
    check_customer(request, access, data)
    rows = await _service(request).history(
        access.merchant.id, data.customer_id, before=data.before, limit=data.limit + 1
    )
    page, following = page_of(rows, data.limit)
    return json_response(ConsentHistory([_item(access, row) for row in page], following), headers=NO_STORE)


@get(
    f"{PATH}/policy",
    **Operation(TAG, "Read the consent policy", {200: Answer("The policy", ConsentPolicy)}).route(),
)
async def read_policy(access: NamedDependency[Access], engine: NamedDependency[Engine]) -> Response[bytes]:
    return json_response(engine.consents.policy(access.merchant.id), headers=NO_STORE)


@put(
    f"{PATH}/policy",
    **Operation(
        TAG,
        "Replace the consent policy",
        {200: Answer("The policy", ConsentPolicy)},
        "What is assumed of customers who said nothing: purposes that are not `allowed` count as refused.",
        body=ConsentPolicy,
        example={"purposes": {"analytics": {"allowed": False}}, "prompt": True},
    ).route(),
)
async def replace_policy(
    actor: NamedDependency[Actor], engine: NamedDependency[Engine], document: NamedDependency[ConsentPolicy]
) -> Response[bytes]:
    await engine.consents.set_policy(actor, document)
    return json_response(document, headers=NO_STORE)


def _service(request: AnyRequest) -> Consents:
    service: Consents = engine_of(request).consents
    return service


def _answer(in_force: ConsentInForce) -> ConsentAnswer:
    purposes = [PurposeItem(*state) for state in in_force.purposes]
    return ConsentAnswer(in_force.version, purposes, in_force.personalized, in_force.prompts)


def _item(access: Access, row: StoredConsent) -> ConsentItem:
    record = row.record
    return ConsentItem(
        row.version,
        rfc3339(row.recorded_at),
        row.changer.source,
        name_of_changer(access, row.changer),
        record.method,
        record.purposes,
        record.notice,
        record.served_at,
        record.occurred_at,
    )


handlers: list[Any] = [record, read, history, read_policy, replace_policy]
