"""Offers for a customer: what they are shown, and held for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
from litestar import Response, get, post
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.decisions.requests.answers import DecisionAnswer, HeldAnswer
from engine.kernel.offers.disclosure import disclosure
from engine.kernel.offers.quote import Cart, discount
from engine.model.decision import Excluded
from engine.model.documents.offer import Offer, OfferText
from engine.model.errors import FieldProblem
from engine.model.offers.hold import Hold
from engine.model.placement import Id
from engine.model.timestamps import rfc3339
from rules.sent.language_tags import language_tag
from web.api.common_types import Moment, Slug, Warnings
from web.api.decisions import AnyCustomerId, Context, ContextQuery, context_of, count_answers, flag_of, warnings_of
from web.http.access import check_merchant, engine_of, is_personal, secret_access_of
from web.http.lenient_reading import LenientReader, customer_text, read_query
from web.http.rate_limits import admit
from web.http.request_reading import AnyRequest
from web.http.responses import NO_STORE, json_response
from web.openapi import examples
from web.openapi.operation import Answer, Operation

PATH = "/v1/personalize/offers"
PLACEMENT = "offers"
TAG = "Offers"
Personalization = Annotated[
    bool, Meta(description="False where the customer opted out of personalization: no offer is shown.")
]
WithHold = Annotated[bool, Meta(description="False decides without a hold.")]
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
    """An offer to show. `hold_id` redeems it until `expires_at`; both are null where nothing is held.

    One that is not `stackable` is redeemed alone on its order.
    """

    id: str
    title: str
    terms: str
    discount: Discount
    discount_code: str
    hold_id: str | None
    expires_at: Moment | None
    stackable: bool
    reasons: list[str]


class Offers(msgspec.Struct, frozen=True):
    """Offers in the order to show them in; none is a valid answer. `excluded` says why others are not shown.

    Show `disclosure` with them where the law asks for it; null if no personal fact could move them.
    """

    decision_id: str
    offers: list[ShownOffer]
    excluded: list[Excluded]
    fallback: bool
    disclosure: str | None
    warnings: Warnings = msgspec.UNSET


class OffersRequest(msgspec.Struct, frozen=True, kw_only=True):
    customer_id: AnyCustomerId = None
    context: Context | None = None
    merchant_id: Slug | None = None
    hold: WithHold = True
    personalization: Personalization = True


class OffersQuery(ContextQuery, frozen=True, kw_only=True):
    hold: WithHold = True
    personalization: Personalization = True


_read = LenientReader(OffersRequest)


@post(
    PATH,
    status_code=200,
    opt=Operation(
        TAG,
        "Show and hold offers",
        {200: Answer("The offers, logged and held before they are sent", Offers)},
        ABOUT,
        body=OffersRequest,
        example=examples.OFFERS,
        errors=(403, 404),
    ).opt,
)
async def offers_for_body(request: AnyRequest) -> Response[bytes]:
    access = await _admitted(request)
    data, warnings = await _read(request, with_warnings=access.merchant.mode == "test")
    check_merchant(access, data.merchant_id)
    customer, context = customer_text(data.customer_id), data.context or {}
    question = OffersQuestion(customer, context, data.hold, data.personalization)
    return await _answer(request, access, question, warnings)


@get(
    PATH,
    opt=Operation(
        TAG,
        "Show and hold offers, by parameters",
        {200: Answer("The offers, logged and held before they are sent", Offers)},
        "Same as the POST, with the most common facts as parameters.",
        query=OffersQuery,
        errors=(403, 404),
    ).opt,
)
async def offers_for_query(request: AnyRequest) -> Response[bytes]:
    access = await _admitted(request)
    query, warnings = read_query(request, OffersQuery.__struct_fields__)
    check_merchant(access, query.get("merchant_id"))
    hold, personalization = (flag_of(query, name) for name in ("hold", "personalization"))
    question = OffersQuestion(customer_text(query.get("customer_id")), context_of(query), hold, personalization)
    return await _answer(request, access, question, warnings)


class OffersQuestion(NamedTuple):
    """What is asked: for whom, with which facts, whether offers are held, and whether the customer may be targeted."""

    customer: str | None
    context: Mapping[str, Any]
    hold: bool
    personalization: bool


async def _admitted(request: AnyRequest) -> Access:
    """Return the shop's server, with a decision counted; raise `Forbidden` for a browser, `TooMany`."""
    access = secret_access_of(request)
    await admit(request, access, "decisions")
    return access


async def _answer(
    request: AnyRequest, access: Access, question: OffersQuestion, of_request: Sequence[FieldProblem]
) -> Response[bytes]:
    customer, context, hold, personalization = question
    merchant_id, decider = access.merchant.id, engine_of(request).decider
    personal = is_personal(request, access, requested=personalization)
    if hold:
        held = await decider.decide_offers(merchant_id, PLACEMENT, customer, context, personal=personal)
    else:
        (looked,) = await decider.decide(merchant_id, [PLACEMENT], customer, context, personal=personal)
        held = HeldAnswer(looked, ())
    answer, decision = held.answer, held.answer.decision
    count_answers(request, access, [answer])
    warnings = warnings_of(answer, of_request) if access.merchant.mode == "test" else msgspec.UNSET
    shown = _shown(answer, held.holds)
    statement = disclosure(answer.plan, answer.facts) if shown else None
    body = Offers(decision.decision_id, shown, decision.excluded, decision.fallback, statement, warnings)
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
                discount_code=hold.code if hold and hold.code else offer.code,
                hold_id=hold.id if hold else None,
                expires_at=rfc3339(hold.expires_at) if hold else None,
                stackable=offer.stackable,
                reasons=ranked.reasons,
            )
        )
    return items


def text_of(offer: Offer, locale: object) -> OfferText:
    """Return the text in a language, such as `de-AT`: that locale's, its language's, otherwise the first."""
    named = language_tag(locale) if isinstance(locale, str) else ""
    first: Id = next(iter(offer.texts))
    language = named.partition("-")[0]
    return offer.texts.get(named) or offer.texts.get(language) or offer.texts[first]


handlers = [offers_for_body, offers_for_query]
