"""Events of offers and budgets, for systems that act on them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.model.offers.event import (
    BudgetAlert,
    EventType,
    MetricAlert,
    OfferEvent,
    PredictionAlert,
    StoredEvent,
)
from engine.model.timestamps import rfc3339
from engine.service import Engine
from web.api.common_types import Limit, Moment
from web.http.responses import NO_STORE, json_response
from web.openapi.operation import Answer, Operation

BODIES: dict[EventType, type] = {
    "budget.alert": BudgetAlert,
    "predictions.off": PredictionAlert,
    "metric.alert": MetricAlert,
}
"""Types of events that are not about an offer."""


class EventsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: Limit = 50
    after: Annotated[int, Meta(ge=0, le=2**53, description="The `id` of the last event that you have.")] = 0
    type: Annotated[EventType, Meta(description="Only events of this type.")] | None = None


class EventItem(msgspec.Struct, frozen=True):
    """Something that happened. `offer` is set for the types that begin with `offer.`, `alert` for `budget.alert`,
    `predictions` for `predictions.off`, and `metric` for `metric.alert`."""

    id: int
    type: EventType
    recorded_at: Moment
    offer: OfferEvent | None
    alert: BudgetAlert | None
    predictions: PredictionAlert | None
    metric: MetricAlert | None


class EventsPage(msgspec.Struct, frozen=True):
    """Events, the oldest first; ask again with `after` set to the last `id`."""

    items: list[EventItem]
    more: bool


@get(
    "/v1/events",
    **Operation(
        "Events",
        "List events",
        {200: Answer("Events, the oldest first", EventsPage)},
        "Written in the same transaction as what they tell of. Ids grow: keep the last one, and ask again from there. "
        "No event is missed. With PostgreSQL they appear after five seconds.",
        query=EventsQuery,
    ).route(),
)
async def events(
    access: NamedDependency[Access], engine: NamedDependency[Engine], parameters: NamedDependency[EventsQuery]
) -> Response[bytes]:
    limit = parameters.limit
    rows = await engine.events.page(access.merchant.id, after=parameters.after, type=parameters.type, limit=limit + 1)
    items = [_item(row) for row in rows[:limit]]
    return json_response(EventsPage(items, len(rows) > limit), headers=NO_STORE)


def _item(row: StoredEvent) -> EventItem:
    body: OfferEvent | BudgetAlert | PredictionAlert | MetricAlert = msgspec.json.decode(
        row.body, type=BODIES.get(row.type, OfferEvent)
    )
    return EventItem(
        row.id,
        row.type,
        rfc3339(row.recorded_at),
        offer=body if isinstance(body, OfferEvent) else None,
        alert=body if isinstance(body, BudgetAlert) else None,
        predictions=body if isinstance(body, PredictionAlert) else None,
        metric=body if isinstance(body, MetricAlert) else None,
    )


handlers = [events]
