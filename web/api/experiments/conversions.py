"""Report purchases that no decision led to, and their refunds, for the units of an experiment."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.clock import now_ms
from engine.experiments.conversions import ConversionReceipt, RefundReceipt, ReportedConversion, ReportedRefund
from engine.model.errors import Forbidden, invalid
from engine.model.experiment import Unit
from engine.model.outcome import largest_amount
from engine.model.placement import Amount, Currency
from engine.service import Engine
from web.api.browsers import CustomerToken, customer_of
from web.api.common_types import ReportedMoment
from web.api.experiments.documents import ITEM, TAG
from web.api.feedback import EventId, reported_at
from web.http.access import address_of, engine_of
from web.http.rate_limits import admitted
from web.http.request_reading import AnyRequest, document_of
from web.http.responses import json_response
from web.openapi import examples
from web.openapi.operation import Answer, Operation

UnitName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=256,
        pattern=r"\A[^\x00]*\Z",
        description="The customer, the device (the fact `device.id`) or the decision, by the experiment's `unit`. "
        "Customers and devices are stored only as a hash.",
    ),
]


class Conversion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A purchase of a unit, in minor units of a currency."""

    event_id: EventId
    unit: UnitName
    amount: Amount | None = None
    currency: Currency | None = None
    occurred_at: ReportedMoment | None = None
    customer_token: CustomerToken | None = None


@post(
    f"{ITEM}/conversion",
    status_code=202,
    opt=Operation(
        TAG,
        "Report a conversion without a decision",
        {202: Answer("Stored, with its status", ConversionReceipt)},
        "For purchases without a decision, such as orders by telephone. Report others with feedback, or they "
        "count twice. A purchase counts once, from the unit's exposure to the end of the placement's window. Sending "
        "an `event_id` again has no effect. A publishable key needs the merchant's permission for purchases, and a "
        "customer token where the unit is the customer.",
        keys="any",
        body=Conversion,
        example=examples.CONVERSION,
        errors=(403, 404),
    ).opt,
)
async def report_conversion(request: AnyRequest, placement: FromPath[str], id: FromPath[str]) -> Response[bytes]:
    access = await admitted(request, "outcomes")
    document: Conversion = await document_of(request, Conversion)
    if not document.unit.strip():
        raise invalid("unit", "must not be blank")
    conversions, merchant_id = engine_of(request).conversions, access.merchant.id
    kind = await conversions.unit_kind(merchant_id, placement, id)
    if access.key.kind == "publishable":
        _refuse_unproven(request, access, document, kind)
    if document.amount is not None and document.amount > largest_amount(document.currency):
        raise invalid("amount", f"must be at most {largest_amount(document.currency)} minor units")
    if kind == "customer" and await _refuses(request, merchant_id, document.unit):
        raise invalid("unit", "the customer refuses personalization, so nothing is stored")
    receipt = await conversions.record(merchant_id, placement, id, _reported(request, access, document))
    return json_response(receipt, status=202)


class Refund(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A refund of a purchase without a decision, in minor units of the purchase's currency."""

    event_id: EventId
    purchase_event_id: Annotated[EventId, Meta(description="The `event_id` that the purchase was reported with.")]
    amount: Annotated[int, Meta(ge=1, le=2**53, description="Leave it out to refund all that is left.")] | None = None
    unit: Annotated[UnitName, Meta(description="The purchase's unit; only if a browser reported it.")] | None = None
    occurred_at: ReportedMoment | None = None


@post(
    f"{ITEM}/refund",
    **Operation(
        TAG,
        "Refund a conversion without a decision",
        {202: Answer("Stored, with its status", RefundReceipt)},
        "In part or in full, also after the end of the experiment. Results that are read afterwards count what is "
        "left; a purchase that is refunded in full does not count. Sending an `event_id` again has no effect. Report "
        "refunds of purchases with a decision with feedback.",
        body=Refund,
        example=examples.CONVERSION_REFUND,
        errors=(404,),
    ).route(),
)
async def refund_conversion(
    access: NamedDependency[Access],
    engine: NamedDependency[Engine],
    placement: FromPath[str],
    id: FromPath[str],
    document: NamedDependency[Refund],
) -> Response[bytes]:
    now = now_ms()
    reported = ReportedRefund(
        event_id=document.event_id,
        purchase=document.purchase_event_id,
        unit=document.unit,
        amount=document.amount,
        occurred_at=reported_at(document.occurred_at, now, "occurred_at"),
        recorded_at=now,
        key_id=access.key.id,
    )
    receipt = await engine.conversions.refund(access.merchant.id, placement, id, reported)
    return json_response(receipt, status=202)


def _reported(request: AnyRequest, access: Access, document: Conversion) -> ReportedConversion:
    now, is_browser = now_ms(), access.key.kind == "publishable"
    learns = not is_browser or request.app.state.hint_limit.allows(access.key.id, address_of(request))
    return ReportedConversion(
        event_id=document.event_id,
        unit=document.unit,
        amount=document.amount,
        currency=document.currency,
        occurred_at=reported_at(document.occurred_at, now, "occurred_at"),
        recorded_at=now,
        source="browser" if is_browser else "server",
        key_id=access.key.id,
        learns=learns,
    )


async def _refuses(request: AnyRequest, merchant_id: int, customer_id: str) -> bool:
    engine = engine_of(request)
    return await engine.customers.refuses(merchant_id, engine.hasher(merchant_id, customer_id))


def _refuse_unproven(request: AnyRequest, access: Access, document: Conversion, kind: Unit) -> None:
    """Raise `Forbidden` where a browser may not report the purchase."""
    limit = access.merchant.browser_purchase_limit
    if not limit:
        raise Forbidden("report purchases with a secret key, from your server", field="event_id")
    if document.amount is not None and document.amount > limit:
        raise Forbidden(f"a publishable key reports at most {limit} minor units", field="amount")
    if kind == "decision":
        raise Forbidden("a publishable key reports outcomes of decisions with feedback", field="unit")
    if kind == "customer":
        proven = customer_of(engine_of(request), access, document.unit, document.customer_token)
        if proven is None:
            raise Forbidden("is required with a publishable key: it proves the customer", field="customer_token")


handlers = [report_conversion, refund_conversion]
