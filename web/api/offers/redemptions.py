"""Redemptions: validate, hold, redeem, release and refund offers. What is unclear is refused."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.clock import now_ms
from engine.kernel.offers import ledger
from engine.kernel.offers.quote import Cart
from engine.model.errors import invalid
from engine.model.offers.hold import Hold, HoldState
from engine.model.placement import Amount, Currency, Id
from engine.model.timestamps import rfc3339
from engine.offers.codes import OfferRequest
from engine.offers.holds import Idempotency
from engine.offers.redemptions import Purchase
from engine.service import Engine
from web.api.common_types import CustomerId, Moment
from web.api.decisions import Context
from web.api.offers.listing import PLACEMENT, Discount
from web.http.request_reading import AnyRequest
from web.http.responses import NO_STORE, json_response
from web.openapi import examples
from web.openapi.operation import Answer, Operation

TAG = "Redemptions"
COLLECTION = "/v1/redemptions"
MOST_KEY = 255
IDEMPOTENT = (
    "With an `Idempotency-Key` header, sending the same again within a day gives the same answer, and has no other "
    "effect. Another request with the key is answered 422."
)
OrderId = Annotated[str, Meta(max_length=128, pattern=r"\A[^\x00]*\Z", description="The shop's id of the order.")]


class CartNow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The cart as it is paid; without a total, the one that was held for."""

    total: Amount | None = None
    currency: Currency | None = None
    shipping: Amount | None = None


class OfferAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An offer, by its id or the code that the customer typed in, and the facts of the checkout."""

    offer_id: Id | None = None
    code: Annotated[str, Meta(max_length=64)] | None = None
    placement: Id = PLACEMENT
    customer_id: CustomerId | None = None
    context: Context | None = None


class RedemptionRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    hold_id: Annotated[str, Meta(max_length=64, pattern=r"\A[^\x00]*\Z")]
    cart: CartNow = CartNow()
    order_id: OrderId = ""


class RefundRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much of the cart's total is refunded, in minor units; its share of the discount returns to the budget."""

    amount: Annotated[int, Meta(ge=1, le=2**53)]


class Validation(msgspec.Struct, frozen=True):
    """Whether an offer may be used now, and what it would take off."""

    offer_id: str
    valid: bool
    reason: str
    discount: Discount


class Redemption(msgspec.Struct, frozen=True):
    """A hold as it is now. `held` is set aside, `discount` was redeemed, `returned` came back by refunds.

    `code` was given to this hold alone; it is empty for offers with one code for everybody, or none.
    """

    hold_id: str
    offer_id: str
    decision_id: str | None
    state: HoldState
    currency: str
    held: int
    discount: int
    returned: int
    order_id: str
    code: str
    expires_at: Moment


@post(
    f"{COLLECTION}/validate",
    **Operation(
        TAG,
        "Validate an offer",
        {200: Answer("Whether the offer is valid", Validation)},
        "Checks the rules, limits and budgets in force. Holds nothing.",
        body=OfferAsked,
        example=examples.OFFER_ASKED,
        errors=(404,),
    ).route(),
)
async def validate(
    access: NamedDependency[Access], engine: NamedDependency[Engine], document: NamedDependency[OfferAsked]
) -> Response[bytes]:
    quote = await engine.redemptions.quote(access.merchant.id, _offer_request(document), now=now_ms())
    body = Validation(quote.offer_id, not quote.reason, quote.reason, Discount(quote.discount, quote.offer.currency))
    return json_response(body, headers=NO_STORE)


@post(
    f"{COLLECTION}/hold",
    **Operation(
        TAG,
        "Hold an offer",
        {201: Answer("Held", Redemption)},
        f"For a code that the customer typed in. {IDEMPOTENT}",
        body=OfferAsked,
        example=examples.OFFER_ASKED,
        errors=(404, 409, 422),
    ).route(),
)
async def hold(
    request: AnyRequest,
    access: NamedDependency[Access],
    engine: NamedDependency[Engine],
    document: NamedDependency[OfferAsked],
) -> Response[bytes]:
    quote = await engine.redemptions.quote(access.merchant.id, _offer_request(document), now=now_ms())
    held = await engine.redemptions.hold(quote, _idempotency(request, "hold", document))
    return _answer(held, status=201)


@post(
    f"{COLLECTION}/redeem",
    **Operation(
        TAG,
        "Redeem a hold",
        {200: Answer("Redeemed", Redemption)},
        "A live hold is honoured, whatever became of the offer and its budget. For a cart on which the offer takes off "
        "more than is held, or when the hold expired, the budget is asked again: 409 names the discount that it cannot "
        f"pay for. {IDEMPOTENT}",
        body=RedemptionRequest,
        example=examples.REDEMPTION,
        errors=(404, 409, 422),
    ).route(),
)
async def redeem(
    request: AnyRequest,
    access: NamedDependency[Access],
    engine: NamedDependency[Engine],
    document: NamedDependency[RedemptionRequest],
) -> Response[bytes]:
    cart = Cart(document.cart.total, document.cart.currency, document.cart.shipping)
    purchase = Purchase(document.hold_id, cart, document.order_id.strip())
    key = _idempotency(request, "redeem", document)
    return _answer(await engine.redemptions.redeem(access.merchant.id, purchase, key, now=now_ms()))


@post(
    f"{COLLECTION}/{{id:str}}/release",
    **Operation(
        TAG,
        "Release a hold",
        {200: Answer("Released", Redemption)},
        f"For a payment that failed. {IDEMPOTENT}",
        errors=(404, 409, 422),
    ).route(),
)
async def release(
    request: AnyRequest, access: NamedDependency[Access], engine: NamedDependency[Engine], id: FromPath[str]
) -> Response[bytes]:
    key = _idempotency(request, "release", id)
    return _answer(await engine.holds.change(access.merchant.id, id, ledger.release, key, now=now_ms()))


@post(
    f"{COLLECTION}/{{id:str}}/refund",
    **Operation(
        TAG,
        "Refund a redemption",
        {200: Answer("Refunded", Redemption)},
        f"Gives the budget back its share of the discount. {IDEMPOTENT}",
        body=RefundRequest,
        example={"amount": 12900},
        errors=(404, 409, 422),
    ).route(),
)
async def refund(
    request: AnyRequest,
    access: NamedDependency[Access],
    engine: NamedDependency[Engine],
    id: FromPath[str],
    document: NamedDependency[RefundRequest],
) -> Response[bytes]:
    key = _idempotency(request, "refund", id, document)
    refund_share = partial(ledger.refund, amount=document.amount)
    return _answer(await engine.holds.change(access.merchant.id, id, refund_share, key, now=now_ms()))


@get(f"{COLLECTION}/{{id:str}}", **Operation(TAG, "Show a hold", {200: Answer("The hold", Redemption)}).route())
async def show(access: NamedDependency[Access], engine: NamedDependency[Engine], id: FromPath[str]) -> Response[bytes]:
    return _answer(await engine.budgets.hold(access.merchant.id, id))


def _idempotency(request: AnyRequest, *parts: object) -> Idempotency | None:
    keys = {*request.headers.getall("idempotency-key", [])}
    if not keys:
        return None
    if len(keys) > 1:
        raise invalid("Idempotency-Key", "must be one key, not several")
    (key,) = keys
    if not 0 < len(key) <= MOST_KEY or not key.isprintable():
        raise invalid("Idempotency-Key", f"must be 1 to {MOST_KEY} printable characters")
    return Idempotency.of(key, *parts)


def _offer_request(document: OfferAsked) -> OfferRequest:
    return OfferRequest(
        document.placement,
        document.offer_id or "",
        document.code or "",
        document.customer_id or "",
        document.context or {},
    )


def _answer(hold: Hold, *, status: int = 200) -> Response[bytes]:
    body = Redemption(
        hold_id=hold.id,
        offer_id=hold.offer,
        decision_id=hold.decision_id or None,
        state=hold.state,
        currency=hold.currency,
        held=hold.amount if hold.state == "live" else 0,
        discount=hold.spent,
        returned=hold.returned,
        order_id=hold.order_id,
        code=hold.code,
        expires_at=rfc3339(hold.expires_at),
    )
    return json_response(body, status=status, headers=NO_STORE)


handlers = [validate, hold, redeem, release, refund, show]
