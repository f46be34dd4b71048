"""Recipients of alerts."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Select, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.mailing.alert_recipient import AlertRecipient
from engine.store.connection.bulk import insert_many
from engine.store.tables import alert_recipients, outbox

_table = alert_recipients


async def add(connection: AsyncConnection, item: AlertRecipient) -> bool:
    """Store a new recipient; return False where the address has alerts already."""
    new = await insert_many(
        connection, _table, AlertRecipient._fields, [tuple(_row(item).values())], on_conflict="nothing", returning="id"
    )
    return bool(new)


async def replace(connection: AsyncConnection, item: AlertRecipient) -> bool:
    """Store the next version of a recipient's alerts; return False where they are not at the version before."""
    is_before = (_table.c.id == item.id, _table.c.version == item.version - 1)
    values = {"version": item.version, "types": _row(item)["types"]}
    return (await connection.execute(update(_table).where(*is_before).values(values))).rowcount == 1


async def remove(connection: AsyncConnection, id: str) -> None:
    """Delete a recipient."""
    await connection.execute(delete(_table).where(_table.c.id == id))


async def get(connection: AsyncConnection, merchant_id: int, id: str) -> AlertRecipient | None:
    """Return a recipient of a merchant, or None."""
    query = _select().where(_table.c.merchant_id == merchant_id, _table.c.id == id)
    row = (await connection.execute(query)).first()
    return _item(row) if row else None


async def of_merchant(connection: AsyncConnection, merchant_id: int) -> list[AlertRecipient]:
    """Return the recipients of a merchant, the oldest first."""
    query = _select().where(_table.c.merchant_id == merchant_id).order_by(_table.c.created_at, _table.c.id)
    return [_item(row) for row in await connection.execute(query)]


async def behind(connection: AsyncConnection, *, until: int | None, limit: int) -> list[AlertRecipient]:
    """Return recipients whose merchant has events that no mails were made of; those recorded up to `until`."""
    newer = select(outbox.c.id).where(outbox.c.merchant_id == _table.c.merchant_id, outbox.c.id > _table.c.read_up_to)
    newer = newer.where(outbox.c.recorded_at <= until) if until is not None else newer
    return [_item(row) for row in await connection.execute(_select().where(newer.exists()).limit(limit))]


async def move(connection: AsyncConnection, item: AlertRecipient, read_up_to: int) -> bool:
    """Note up to which event mails were made; return False where another process did it first."""
    same = (_table.c.id == item.id, _table.c.read_up_to == item.read_up_to, _table.c.version == item.version)
    return (await connection.execute(update(_table).where(*same).values(read_up_to=read_up_to))).rowcount == 1


def _select() -> Select[Any]:
    return select(*(_table.c[name] for name in AlertRecipient._fields))


def _row(item: AlertRecipient) -> dict[str, Any]:
    return item._asdict() | {"types": msgspec.json.encode(item.types).decode()}


def _item(row: Any) -> AlertRecipient:
    return AlertRecipient._make((*row[:4], tuple(msgspec.json.decode(row[4])), *row[5:]))
