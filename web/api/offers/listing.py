"""Offers for a customer: what they are shown, and held for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.decisions.decide import DecisionAnswer, HeldAnswer
from engine.kernel.offers.quote import Cart, discount
from engine.model.decision import Excluded
from engine.model.documents.offer import Offer, OfferText
from engine.model.offers.hold import Hold
from engine.model.placement import Id
from engine.model.timestamps import rfc3339
from engine.service import Engine
from web.api.common_types import CustomerId, Moment, Slug
from web.api.decisions import Context
from web.http.access import check_merchant
from web.http.metrics import DECISIONS, FALLBACKS
from web.http.responses import NO_STORE, json_response
from web.openapi import examples
from web.openapi.operation import Answer, Operation

PATH = "/v1/personalize/offers"
PLACEMENT = "offers"
TAG = "Offers"
WithHold = Annotated[bool, Meta(description="False looks without holding: nothing is set aside.")]
ABOUT = (
    "The placement `offers` decides which offers the customer is shown. Each is held for the customer: the most that "
    "it may cost is set aside in its budgets until `expires_at`, so that redeeming it succeeds. The same customer and "
    "cart get the same offers for five minutes. If anything fails, no offer is shown, and `fallback` is true."
)


class Discount(msgspec.Struct, frozen=True):
    """What an offer takes off, at most, in minor units."""

    amount: int
    currency: str


class ShownOffer(msgspec.Struct, frozen=True):
    """An offer to show. `hold_id` redeems it until `expires_at`; both are null where nothing is held."""

    id: str
    title: str
    terms: str
    discount: Discount
    discount_code: str
    hold_id: str | None
    expires_at: Moment | None
    reasons: list[str]


class Offers(msgspec.Struct, frozen=True):
    """Offers in the order to show them in; none is a valid answer. `excluded` says why others are not shown."""

    decision_id: str
    offers: list[ShownOffer]
    excluded: list[Excluded]
    fallback: bool


class OffersRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    customer_id: CustomerId | None = None
    context: Context | None = None
    merchant_id: Slug | None = None
    hold: WithHold = True


class OffersQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    customer_id: Annotated[str, Meta(max_length=256, description="Empty for a guest. Kept only as a keyed hash.")] = ""
    merchant_id: Annotated[str, Meta(max_length=64, description="Where given, the key's own merchant.")] = ""
    hold: WithHold = True
    currency: Annotated[str, Meta(max_length=8, description="The cart's currency, ISO 4217.")] = ""
    amount: Annotated[int, Meta(description="The cart's total in minor units: 12900 is 129.00 in EUR.")] | None = None
    country: Annotated[str, Meta(max_length=8, description="ISO 3166-1 alpha-2.")] = ""
    device: Annotated[str, Meta(max_length=32, description="`desktop`, `mobile` or `tablet`.")] = ""
    locale: Annotated[str, Meta(max_length=32, description="The language of titles and terms, as in `de-DE`.")] = ""


@post(
    PATH,
    **Operation(
        TAG,
        "Show and hold offers",
        {200: Answer("The offers, logged and held before they are sent", Offers)},
        ABOUT,
        body=OffersRequest,
        example=examples.OFFERS,
        errors=(403, 404),
    ).route(),
)
async def offers_for_body(
    access: NamedDependency[Access], engine: NamedDependency[Engine], document: NamedDependency[OffersRequest]
) -> Response[bytes]:
    check_merchant(access, document.merchant_id)
    return await _answer(engine, access, document.customer_id, document.context or {}, hold=document.hold)


@get(
    PATH,
    **Operation(
        TAG,
        "Show and hold offers, by parameters",
        {200: Answer("The offers, logged and held before they are sent", Offers)},
        "As the POST, with the commonest facts as parameters.",
        query=OffersQuery,
        errors=(403, 404),
    ).route(),
)
async def offers_for_query(
    access: NamedDependency[Access], engine: NamedDependency[Engine], parameters: NamedDependency[OffersQuery]
) -> Response[bytes]:
    check_merchant(access, parameters.merchant_id or None)
    context = {
        "cart": {"currency": parameters.currency or None, "total": parameters.amount},
        "geo": {"country": parameters.country or None},
        "device": {"type": parameters.device or None},
        "customer": {"locale": parameters.locale or None},
    }
    return await _answer(engine, access, parameters.customer_id or None, context, hold=parameters.hold)


async def _answer(
    engine: Engine, access: Access, customer: str | None, context: Mapping[str, Any], *, hold: bool
) -> Response[bytes]:
    merchant_id = access.merchant.id
    if hold:
        held = await engine.decider.decide_offers(merchant_id, PLACEMENT, customer, context)
    else:
        (looked,) = await engine.decider.decide(merchant_id, [PLACEMENT], customer, context)
        held = HeldAnswer(looked, ())
    answer = held.answer
    DECISIONS.inc()
    if answer.decision.fallback:
        FALLBACKS.inc()
    decision = answer.decision
    body = Offers(decision.decision_id, _shown(answer, held.holds), decision.excluded, decision.fallback)
    return json_response(body, headers=NO_STORE)


def _shown(answer: DecisionAnswer, holds: Sequence[Hold]) -> list[ShownOffer]:
    by_offer = {hold.offer: hold for hold in holds}
    cart, values = Cart.of(answer.facts.values), answer.facts.values
    items = []
    for ranked in answer.decision.ranking:
        offer, hold = answer.plan.offers.get(ranked.id), by_offer.get(ranked.id)
        if offer is None:
            continue
        text = text_of(offer, values.get("customer.locale"))
        items.append(
            ShownOffer(
                id=ranked.id,
                title=text.title,
                terms=text.terms,
                discount=Discount(discount(offer, cart), offer.currency),
                discount_code=offer.code,
                hold_id=hold.id if hold else None,
                expires_at=rfc3339(hold.expires_at) if hold else None,
                reasons=ranked.reasons,
            )
        )
    return items


def text_of(offer: Offer, locale: object) -> OfferText:
    """Return the text in a language, such as `de-AT`: that locale's, its language's, otherwise the first."""
    named = locale.replace("_", "-") if isinstance(locale, str) else ""
    first: Id = next(iter(offer.texts))
    language = named.partition("-")[0]
    return offer.texts.get(named) or offer.texts.get(language) or offer.texts[first]


handlers = [offers_for_body, offers_for_query]
