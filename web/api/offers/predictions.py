"""What offers are predicted to do for a customer, and what they added so far."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.clock import now_ms
from engine.model.placement import Id
from engine.offers.incrementality import OfferEffects
from engine.offers.scores import OfferScores, score_offers
from engine.service import Engine
from web.api.common_types import CustomerId
from web.api.decisions import Context
from web.api.offers.listing import PATH, PLACEMENT, TAG
from web.http.responses import NO_STORE, json_response
from web.openapi.operation import Answer, Operation


class ScoresRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose offers are scored, with the facts of the checkout."""

    placement: Id = PLACEMENT
    customer_id: CustomerId | None = None
    context: Context | None = None


class EffectsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    placement: Id = PLACEMENT
    days: Annotated[int, Meta(ge=1, le=365, description="How many days back, as far as the log reaches.")] = 30
    lift: Annotated[float, Meta(gt=0, le=10, description="The relative change of orders to see; 0.1 is 10% more.")] = (
        0.1
    )


@post(
    f"{PATH}/scores",
    **Operation(
        TAG,
        "Score offers",
        {200: Answer("What is predicted of each offer", OfferScores)},
        "Predictions alone: nothing is decided, logged or held, and experiments do not count it.",
        body=ScoresRequest,
        example={"customer_id": "c_123", "context": {"cart": {"total": 12900, "currency": "EUR"}}},
        errors=(404,),
    ).route(),
)
async def scores(
    access: NamedDependency[Access], engine: NamedDependency[Engine], document: NamedDependency[ScoresRequest]
) -> Response[bytes]:
    answer = await score_offers(
        engine.decider, access.merchant.id, document.placement, document.customer_id, document.context or {}
    )
    return json_response(answer, headers=NO_STORE)


@get(
    f"{PATH}/effects",
    **Operation(
        TAG,
        "Show what offers added",
        {200: Answer("The effect of each offer", OfferEffects)},
        "Customers who saw an offer beside held-back customers who would have seen it, with 95% intervals. Purchases "
        "are those that `converted` reports with an amount, the cart's total before the discount. An offer that only "
        "pays those who would buy anyway has the verdict `loses`.",
        query=EffectsQuery,
        errors=(404,),
    ).route(),
)
async def effects(
    access: NamedDependency[Access], engine: NamedDependency[Engine], parameters: NamedDependency[EffectsQuery]
) -> Response[bytes]:
    answer = await engine.incrementality.effects(
        access.merchant.id, parameters.placement, days=parameters.days, lift=parameters.lift, now=now_ms()
    )
    return json_response(answer, headers=NO_STORE)


handlers = [scores, effects]
