"""Events for other systems, to catch up with what webhooks have not delivered."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.model.events.event import EventType, StoredEvent
from engine.model.timestamps import rfc3339
from engine.service import Engine
from web.api.common_types import Limit, Moment
from web.http.responses import NO_STORE, json_response
from web.openapi.operation import Answer, Operation


class EventsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: Limit = 50
    after: Annotated[int, Meta(ge=0, le=2**53, description="The `id` of the last event that you have.")] = 0
    type: Annotated[EventType, Meta(description="Only events of this type.")] | None = None


class EventItem(msgspec.Struct, frozen=True):
    """Something that happened. Each type has its own fields in `data`: see the guide to webhooks."""

    id: int
    type: EventType
    recorded_at: Moment
    data: dict[str, Any]


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
        "No event is missed. They are kept for 30 days. With PostgreSQL they appear after five seconds.",
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
    return EventItem(row.id, row.type, rfc3339(row.recorded_at), msgspec.json.decode(row.body))


handlers = [events]
