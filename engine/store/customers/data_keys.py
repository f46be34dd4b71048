"""The keys that stored texts are encrypted with, and those that sign, each encrypted ("wrapped") with a master key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Table, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.connection.bulk import insert_many
from engine.store.tables.installation import data_keys, signing_keys

TABLES = (data_keys, signing_keys)


class WrappedKey(NamedTuple):
    """A data key: its day (UTC, since 1970), when it was made (epoch ms), and the fingerprint of its master key."""

    id: int
    created_at: int
    master: str
    wrapped: str


class SigningKey(NamedTuple):
    """A key that signs, its number counted from 1, and until when (epoch ms) what older keys signed is accepted."""

    id: int
    created_at: int
    master: str
    wrapped: str
    older_until: int

    @property
    def wrapped_key(self) -> WrappedKey:
        """Return what a master key encrypted."""
        return WrappedKey(*self[:4])


async def after(connection: AsyncConnection, id: int) -> list[WrappedKey]:
    """Return the keys of later days, in their order."""
    query = select(*(data_keys.c[name] for name in WrappedKey._fields)).where(data_keys.c.id > id)
    return [WrappedKey(*row) for row in await connection.execute(query.order_by(data_keys.c.id))]


async def add(connection: AsyncConnection, keys: Sequence[WrappedKey]) -> None:
    """Store keys of days that have none yet."""
    await insert_many(connection, data_keys, WrappedKey._fields, keys, on_conflict="nothing")


async def signing(connection: AsyncConnection, *, after: int) -> list[SigningKey]:
    """Return the keys that sign, after a number, in their order."""
    query = select(*(signing_keys.c[name] for name in SigningKey._fields)).where(signing_keys.c.id > after)
    return [SigningKey(*row) for row in await connection.execute(query.order_by(signing_keys.c.id))]


async def add_signing(connection: AsyncConnection, key: SigningKey) -> bool:
    """Store a key that signs; return False if there is one with its number."""
    await insert_many(connection, signing_keys, SigningKey._fields, [key], on_conflict="nothing")
    query = select(signing_keys.c.wrapped).where(signing_keys.c.id == key.id)
    return (await connection.scalar(query)) == key.wrapped


async def under_others(
    connection: AsyncConnection, masters: Sequence[str], *, limit: int, table: Table = data_keys
) -> list[WrappedKey]:
    """Return keys of a table that are wrapped with none of these master keys."""
    query = select(*(table.c[name] for name in WrappedKey._fields)).where(table.c.master.not_in(masters))
    return [WrappedKey(*row) for row in await connection.execute(query.order_by(table.c.id).limit(limit))]


async def rewrap(connection: AsyncConnection, old: WrappedKey, new: WrappedKey, *, table: Table = data_keys) -> None:
    """Replace the wrapping of a key, unless somebody else has."""
    own = (table.c.id == old.id) & (table.c.wrapped == old.wrapped)
    await connection.execute(update(table).where(own).values(master=new.master, wrapped=new.wrapped))


async def count(connection: AsyncConnection) -> int:
    """Return how many keys there are in both tables."""
    counts = [await connection.scalar(select(func.count()).select_from(table)) for table in TABLES]
    return sum(int(each or 0) for each in counts)


async def give_up(connection: AsyncConnection, masters: Sequence[str]) -> None:
    """Delete keys that are wrapped with none of these master keys; what they encrypted stays unreadable."""
    for table in TABLES:
        await connection.execute(delete(table).where(table.c.master.not_in(masters)))
