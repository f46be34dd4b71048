"""Requests of customers about their data, with their deadlines."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from sqlalchemy import Select, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.connection.bulk import insert_many
from engine.store.tables import privacy_requests

RequestKind = Literal["erase", "export", "restrict", "correct"]
RequestState = Literal["open", "done", "refused"]


class PrivacyRequest(NamedTuple):
    """A request; times are epoch milliseconds."""

    id: int
    customer: str
    kind: RequestKind
    state: RequestState
    received_at: int
    due_at: int
    closed_at: int | None
    received_by: str
    closed_by: str
    identity_check: str
    explanation: str


_NEW = ("merchant_id", "customer", "kind", "state", "received_at", "due_at", "received_by", "identity_check")


async def add(connection: AsyncConnection, merchant_id: int, request: PrivacyRequest) -> int:
    """Store a new request; return its number."""
    row = (merchant_id, *(getattr(request, name) for name in _NEW[1:]))
    [id] = await insert_many(connection, privacy_requests, _NEW, [row], returning="id")
    return int(id)


async def get(connection: AsyncConnection, merchant_id: int, id: int) -> PrivacyRequest | None:
    """Return a merchant's request, locked until the transaction ends."""
    c = privacy_requests.c
    query = _select().where(c.merchant_id == merchant_id, c.id == id).with_for_update()
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else PrivacyRequest(*row)


async def open_of(
    connection: AsyncConnection, merchant_id: int, customer: str, kind: RequestKind
) -> PrivacyRequest | None:
    """Return the oldest open request of a customer of this kind."""
    c = privacy_requests.c
    own = (c.merchant_id == merchant_id, c.customer == customer, c.kind == kind, c.state == "open")
    row = (await connection.execute(_select().where(*own).order_by(c.id).limit(1))).one_or_none()
    return None if row is None else PrivacyRequest(*row)


async def close(connection: AsyncConnection, merchant_id: int, request: PrivacyRequest) -> None:
    """Store how a request was closed."""
    c = privacy_requests.c
    names = ("state", "closed_at", "closed_by", "explanation")
    change = update(privacy_requests).where(c.merchant_id == merchant_id, c.id == request.id)
    await connection.execute(change.values({name: getattr(request, name) for name in names}))


async def page(
    connection: AsyncConnection, merchant_id: int, *, state: RequestState | None, after: int, limit: int
) -> list[PrivacyRequest]:
    """Return requests, the oldest first, from behind the number `after`."""
    c = privacy_requests.c
    query = _select().where(c.merchant_id == merchant_id, c.id > after)
    if state is not None:
        query = query.where(c.state == state)
    return [PrivacyRequest(*row) for row in await connection.execute(query.order_by(c.id).limit(limit))]


async def newest(connection: AsyncConnection, merchant_id: int, *, limit: int) -> list[PrivacyRequest]:
    """Return open requests by their due dates, and then those that were closed last."""
    c = privacy_requests.c
    own = _select().where(c.merchant_id == merchant_id)
    opened = own.where(c.state == "open").order_by(c.due_at, c.id).limit(limit)
    rows = [PrivacyRequest(*row) for row in await connection.execute(opened)]
    closed = own.where(c.state != "open").order_by(c.closed_at.desc(), c.id.desc()).limit(limit - len(rows))
    return [*rows, *(PrivacyRequest(*row) for row in await connection.execute(closed))]


def _select() -> Select[Any]:
    return select(*(privacy_requests.c[name] for name in PrivacyRequest._fields))
