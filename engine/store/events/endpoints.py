"""Endpoints of webhooks. Secrets stand here sealed."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Select, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.events.webhook import Endpoint, EndpointState
from engine.store.tables import outbox, webhook_attempts, webhook_deliveries, webhook_endpoints

_table = webhook_endpoints


async def add(connection: AsyncConnection, endpoint: Endpoint) -> None:
    """Store a new endpoint."""
    await connection.execute(insert(_table).values(_row(endpoint)))


async def replace(connection: AsyncConnection, endpoint: Endpoint) -> bool:
    """Store the next version of an endpoint; return False where it is not at the version before."""
    is_before = (_table.c.id == endpoint.id, _table.c.version == endpoint.version - 1)
    values = _row(endpoint)
    # Deliveries are made meanwhile.
    del values["read_up_to"]
    return (await connection.execute(update(_table).where(*is_before).values(values))).rowcount == 1


async def remove(connection: AsyncConnection, endpoint_id: str) -> None:
    """Delete an endpoint with its deliveries."""
    await connection.execute(delete(_table).where(_table.c.id == endpoint_id))


async def get(connection: AsyncConnection, endpoint_id: str, *, merchant_id: int | None = None) -> Endpoint | None:
    """Return an endpoint, or None; of a merchant alone where one is given."""
    query = _select().where(_table.c.id == endpoint_id)
    query = query.where(_table.c.merchant_id == merchant_id) if merchant_id is not None else query
    row = (await connection.execute(query)).first()
    return _endpoint(row) if row else None


async def of_merchant(connection: AsyncConnection, merchant_id: int) -> list[Endpoint]:
    """Return the endpoints of a merchant, the oldest first."""
    query = _select().where(_table.c.merchant_id == merchant_id).order_by(_table.c.created_at, _table.c.id)
    return [_endpoint(row) for row in await connection.execute(query)]


async def states(connection: AsyncConnection, merchant_id: int) -> dict[str, EndpointState]:
    """Return how deliveries do, by endpoint."""
    c, tried = webhook_deliveries.c, webhook_attempts.c
    endpoint_ids = select(_table.c.id).where(_table.c.merchant_id == merchant_id)
    is_waiting, is_parked = c.state == "waiting", c.state == "parked"
    counts = (func.count().filter(is_waiting), func.count().filter(is_parked))
    counted = select(c.endpoint_id, *counts).where(c.endpoint_id.in_(endpoint_ids)).group_by(c.endpoint_id)
    last = select(tried.endpoint_id, func.max(tried.started_at)).where(
        tried.endpoint_id.in_(endpoint_ids), tried.fault == ""
    )
    delivered = {row[0]: row[1] for row in await connection.execute(last.group_by(tried.endpoint_id))}
    rows = await connection.execute(counted)
    return {id: EndpointState(queued, parked, delivered.get(id)) for id, queued, parked in rows}


async def messages(connection: AsyncConnection) -> dict[str, int]:
    """Return how many messages of all merchants wait and are parked, by their state."""
    c = webhook_deliveries.c
    # By endpoint, the index of states finds them without those that were delivered.
    undelivered = (c.endpoint_id.in_(select(_table.c.id)), c.state.in_(("waiting", "parked")))
    query = select(c.state, func.count()).where(*undelivered).group_by(c.state)
    return {"waiting": 0, "parked": 0} | {row[0]: row[1] for row in await connection.execute(query)}


async def behind(connection: AsyncConnection, *, until: int | None, limit: int) -> list[Endpoint]:
    """Return enabled endpoints that events were recorded for since they were read; those recorded up to `until`."""
    newer = select(outbox.c.id).where(outbox.c.merchant_id == _table.c.merchant_id, outbox.c.id > _table.c.read_up_to)
    newer = newer.where(outbox.c.recorded_at <= until) if until is not None else newer
    query = _select().where(_table.c.enabled, newer.exists()).limit(limit)
    return [_endpoint(row) for row in await connection.execute(query)]


async def move(connection: AsyncConnection, endpoint: Endpoint, read_up_to: int) -> bool:
    """Note up to which event deliveries were made; return False where another process did it first."""
    same = (_table.c.id == endpoint.id, _table.c.read_up_to == endpoint.read_up_to, _table.c.enabled)
    return (await connection.execute(update(_table).where(*same).values(read_up_to=read_up_to))).rowcount == 1


async def begin_at_newest(connection: AsyncConnection, endpoint: Endpoint) -> None:
    """Skip the events that were recorded until now."""
    newest = await newest_event(connection, endpoint.merchant_id)
    await connection.execute(update(_table).where(_table.c.id == endpoint.id).values(read_up_to=newest))


async def newest_event(connection: AsyncConnection, merchant_id: int) -> int:
    """Return the number of a merchant's newest event; 0 where there is none."""
    query = select(func.coalesce(func.max(outbox.c.id), 0)).where(outbox.c.merchant_id == merchant_id)
    return int((await connection.execute(query)).scalar_one())


def _select() -> Select[Any]:
    return select(*(_table.c[name] for name in Endpoint._fields))


def _row(endpoint: Endpoint) -> dict[str, Any]:
    return {**endpoint._asdict(), "types": msgspec.json.encode(endpoint.types).decode()}


def _endpoint(row: Any) -> Endpoint:
    return Endpoint(**{**row._mapping, "types": tuple(msgspec.json.decode(row.types))})
