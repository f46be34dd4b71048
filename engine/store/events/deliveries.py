"""Deliveries of events to endpoints, and their attempts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.events.event import StoredEvent
from engine.model.events.event_types import subject_of
from engine.model.events.webhook import Delivery, DeliveryAttempt, DeliveryState, Endpoint, LoggedDelivery, Message
from engine.store.connection.bulk import insert_many
from engine.store.connection.purging import Expired
from engine.store.tables import outbox, webhook_attempts, webhook_deliveries, webhook_endpoints

_table = webhook_deliveries
_NEW = ("endpoint_id", "event_id", "type", "subject", "state", "most_attempts", "next_at", "created_at")


async def add(
    connection: AsyncConnection, endpoint: Endpoint, events: Sequence[StoredEvent], *, most_attempts: int, now: int
) -> None:
    """Store a delivery for each event, due at once."""
    subjects = [subject_of(row.type, msgspec.json.decode(row.body)) for row in events]
    rows = [
        (endpoint.id, row.id, row.type, subject, "waiting", most_attempts, now, now)
        for row, subject in zip(events, subjects, strict=True)
    ]
    await insert_many(connection, _table, _NEW, rows)


async def endpoints_due(connection: AsyncConnection, *, now: int) -> list[str]:
    """Return the enabled endpoints that a delivery is due for, by id."""
    query = select(_table.c.endpoint_id).distinct().where(*_is_due(now))
    query = query.join(webhook_endpoints, webhook_endpoints.c.id == _table.c.endpoint_id)
    return list((await connection.execute(query.where(webhook_endpoints.c.enabled))).scalars())


async def claim(connection: AsyncConnection, endpoint_id: str, *, now: int, until: int, limit: int) -> list[Message]:
    """Return deliveries that are due, the oldest first, and keep others from them until an instant (epoch ms).

    A delivery waits for earlier ones of the same subject.
    """
    earlier = _table.alias("earlier")
    waits = exists().where(
        earlier.c.endpoint_id == _table.c.endpoint_id,
        earlier.c.subject == _table.c.subject,
        earlier.c.state == "waiting",
        earlier.c.event_id < _table.c.event_id,
    )
    of_endpoint = _table.c.endpoint_id == endpoint_id
    query = select(_table.c.event_id).where(of_endpoint, *_is_due(now), or_(_table.c.subject == "", ~waits))
    ids = list((await connection.execute(query.order_by(_table.c.event_id).limit(limit))).scalars())
    taking = update(_table).where(of_endpoint, _table.c.event_id.in_(ids), *_is_due(now)).values(next_at=until)
    taken = list((await connection.execute(taking.returning(_table.c.event_id))).scalars())
    full = _select().add_columns(outbox.c.body, outbox.c.recorded_at).where(of_endpoint, _table.c.event_id.in_(taken))
    full = full.join(outbox, outbox.c.id == _table.c.event_id).order_by(_table.c.event_id)
    return [Message(Delivery(*row[:-2]), *row[-2:]) for row in await connection.execute(full)]


async def note(connection: AsyncConnection, attempt: DeliveryAttempt, state: DeliveryState, *, next_at: int) -> None:
    """Store an attempt, and what becomes of its delivery; do nothing if the endpoint was deleted meanwhile."""
    values = {"state": state, "attempts": attempt.attempt, "next_at": next_at}
    changed = update(_table).where(*_is(attempt.endpoint_id, attempt.event_id)).values(values)
    if (await connection.execute(changed)).rowcount:
        await insert_many(
            connection, webhook_attempts, DeliveryAttempt._fields, [tuple(attempt)], on_conflict="nothing"
        )


async def park_waiting(connection: AsyncConnection, endpoint_id: str) -> None:
    """Give up what waits for an endpoint, until somebody sends it again."""
    queued = (_table.c.endpoint_id == endpoint_id, _table.c.state == "waiting")
    await connection.execute(update(_table).where(*queued).values(state="parked"))


async def send_again(
    connection: AsyncConnection, endpoint_id: str, event_id: int | None, *, attempts: int, now: int
) -> int:
    """Make the delivery of an event due again, or all that are parked; return how many those are."""
    chosen = _table.c.event_id == event_id if event_id is not None else _table.c.state == "parked"
    query = update(_table).where(_table.c.endpoint_id == endpoint_id, chosen, _table.c.state != "waiting")
    values = {"state": "waiting", "most_attempts": _table.c.attempts + attempts, "next_at": now}
    return (await connection.execute(query.values(values))).rowcount


async def page(
    connection: AsyncConnection,
    endpoint_id: str,
    *,
    state: DeliveryState | None = None,
    before: int | None = None,
    limit: int,
) -> list[LoggedDelivery]:
    """Return deliveries to an endpoint with their attempts, the newest first; those of events before a number."""
    query = _select().where(_table.c.endpoint_id == endpoint_id)
    query = query.where(_table.c.state == state) if state else query
    query = query.where(_table.c.event_id < before) if before is not None else query
    rows = await connection.execute(query.order_by(_table.c.event_id.desc()).limit(limit))
    return await _with_attempts(connection, endpoint_id, [Delivery(*row) for row in rows])


async def get(connection: AsyncConnection, endpoint_id: str, event_id: int) -> LoggedDelivery | None:
    """Return the delivery of an event to an endpoint, or None."""
    rows = [Delivery(*row) for row in await connection.execute(_select().where(*_is(endpoint_id, event_id)))]
    return next(iter(await _with_attempts(connection, endpoint_id, rows)), None)


async def _with_attempts(
    connection: AsyncConnection, endpoint_id: str, rows: Sequence[Delivery]
) -> list[LoggedDelivery]:
    tried, ids = webhook_attempts.c, [row.event_id for row in rows]
    query = select(*(tried[name] for name in DeliveryAttempt._fields)).order_by(tried.event_id, tried.attempt)
    result = await connection.execute(query.where(tried.endpoint_id == endpoint_id, tried.event_id.in_(ids)))
    attempts = [DeliveryAttempt(*row) for row in result]
    return [LoggedDelivery(row, tuple(each for each in attempts if each.event_id == row.event_id)) for row in rows]


def expired(*, before: int) -> Expired:
    """Return the deliveries that were made before a time; their attempts go with them."""
    return Expired(_table, _table.c.created_at < before)


def expired_of(merchant_id: int, *, before: int) -> Expired:
    """Return the deliveries to a merchant's endpoints from before a time, except those that wait to be sent."""
    own = select(webhook_endpoints.c.id).where(webhook_endpoints.c.merchant_id == merchant_id)
    is_over = (_table.c.state != "waiting") & (_table.c.created_at < before)
    return Expired(_table, _table.c.endpoint_id.in_(own) & is_over)


def _is(endpoint_id: str, event_id: int) -> tuple[ColumnElement[bool], ...]:
    return (_table.c.endpoint_id == endpoint_id, _table.c.event_id == event_id)


def _is_due(now: int) -> tuple[ColumnElement[bool], ...]:
    return (_table.c.state == "waiting", _table.c.next_at <= now)


def _select() -> Select[Any]:
    return select(*(_table.c[name] for name in Delivery._fields))
