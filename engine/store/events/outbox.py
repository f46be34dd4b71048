"""The outbox: events that are written in the transaction that they tell of, for others to read in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.kernel.offers.ledger import Transition
from engine.model.events.event import EventType, NewEvent, StoredEvent, offer_event
from engine.store.connection.bulk import insert_many
from engine.store.connection.purging import Expired
from engine.store.tables import outbox
from engine.store.tables.offers import is_ended_outage

_COLUMNS = ("merchant_id", "type", "body", "recorded_at")
_encode = msgspec.json.Encoder().encode
_TYPES: dict[str, EventType] = {"hold": "offer.held", "commit": "offer.redeemed", "refund": "offer.refunded"}
"""The event of a hold by the kind of its first movement; a release ends the hold by itself or by its time."""


async def append(connection: AsyncConnection, events: Iterable[NewEvent], *, now: int) -> None:
    """Store events in their order."""
    rows = [(merchant_id, type, _encode(body).decode(), now) for merchant_id, type, body in events]
    await insert_many(connection, outbox, _COLUMNS, rows)


async def add(connection: AsyncConnection, event: NewEvent, *, now: int) -> StoredEvent:
    """Store one event; return it with its number."""
    row = (event.merchant_id, event.type, _encode(event.body).decode(), now)
    [id] = await insert_many(connection, outbox, _COLUMNS, [row], returning="id")
    return StoredEvent(id, event.type, row[2], now)


async def page(
    connection: AsyncConnection,
    merchant_id: int,
    *,
    after: int,
    type: EventType | None = None,
    until: int | None = None,
    limit: int,
) -> list[StoredEvent]:
    """Return events behind the number `after`, the oldest first; those recorded up to `until`."""
    query = select(*(outbox.c[name] for name in StoredEvent._fields))
    query = query.where(outbox.c.merchant_id == merchant_id, outbox.c.id > after)
    query = query.where(outbox.c.type == type) if type else query
    query = query.where(outbox.c.recorded_at <= until) if until is not None else query
    return [StoredEvent(*row) for row in await connection.execute(query.order_by(outbox.c.id).limit(limit))]


async def ended_outages(connection: AsyncConnection, merchant_id: int, *, since: int) -> list[StoredEvent]:
    """Return the events of outages that ended from an instant (epoch ms) on, the oldest first."""
    c = outbox.c
    query = select(*(c[name] for name in StoredEvent._fields)).order_by(c.recorded_at)
    query = query.where(c.merchant_id == merchant_id, is_ended_outage, c.recorded_at >= since)
    return [StoredEvent(*row) for row in await connection.execute(query)]


def expired(*, before: int) -> Expired:
    """Return the events that were recorded before a time."""
    return Expired(outbox, outbox.c.recorded_at < before)


def events_of(transitions: Sequence[Transition]) -> Iterator[NewEvent]:
    """Yield the events of changed holds."""
    for hold, movements, _ in transitions:
        if movements:
            ended: EventType = "offer.expired" if hold.state == "expired" else "offer.released"
            yield offer_event(hold, _TYPES.get(movements[0].kind, ended))
