"""The keys that stored texts are encrypted with, each encrypted ("wrapped") with a master key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.connection.bulk import insert_many
from engine.store.tables.installation import data_keys


class WrappedKey(NamedTuple):
    """A data key: its day (UTC, since 1970), when it was made (epoch ms), and the fingerprint of its master key."""

    id: int
    created_at: int
    master: str
    wrapped: str


async def after(connection: AsyncConnection, id: int) -> list[WrappedKey]:
    """Return the keys of later days, in their order."""
    query = select(*(data_keys.c[name] for name in WrappedKey._fields)).where(data_keys.c.id > id)
    return [WrappedKey(*row) for row in await connection.execute(query.order_by(data_keys.c.id))]


async def add(connection: AsyncConnection, keys: Sequence[WrappedKey]) -> None:
    """Store keys of days that have none yet."""
    await insert_many(connection, data_keys, WrappedKey._fields, keys, on_conflict="nothing")


async def under_others(connection: AsyncConnection, masters: Sequence[str], *, limit: int) -> list[WrappedKey]:
    """Return keys that are wrapped with none of these master keys."""
    query = select(*(data_keys.c[name] for name in WrappedKey._fields)).where(data_keys.c.master.not_in(masters))
    return [WrappedKey(*row) for row in await connection.execute(query.order_by(data_keys.c.id).limit(limit))]


async def rewrap(connection: AsyncConnection, old: WrappedKey, new: WrappedKey) -> None:
    """Replace the wrapping of a key, unless somebody else has."""
    own = (data_keys.c.id == old.id) & (data_keys.c.wrapped == old.wrapped)
    await connection.execute(update(data_keys).where(own).values(master=new.master, wrapped=new.wrapped))


async def count(connection: AsyncConnection) -> int:
    """Return how many keys there are."""
    return int(await connection.scalar(select(func.count()).select_from(data_keys)) or 0)


async def give_up(connection: AsyncConnection, masters: Sequence[str]) -> None:
    """Delete keys that are wrapped with none of these master keys; what they encrypted stays unreadable."""
    await connection.execute(delete(data_keys).where(data_keys.c.master.not_in(masters)))
