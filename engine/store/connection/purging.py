"""Delete many rows without holding up decisions: they are looked for by a reader and deleted in short transactions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Column, ColumnElement, Table, and_, case, delete, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.connection.database import Database

PIECE = 500
"""Rows of a transaction: a decision waits for at most one."""
PIECE_WITH_FOLLOWERS = 100
"""Each row takes several of other tables along."""
MOST_SEEKS = 4 * PIECE
PIECES_OF_A_LOOK = 40
REST = 4
"""The purge rests so many times as long as a transaction took, so that it takes at most a fifth of the writer."""


class Expired(NamedTuple):
    """Rows of a table that are to be deleted.

    `followers` are columns of other tables that hold the last part of a row's key: their rows are deleted in the same
    transaction.
    """

    table: Table
    condition: ColumnElement[bool]
    followers: tuple[Column[Any], ...] = ()


class ExpiredRows(msgspec.Struct, frozen=True):
    """The number of rows of a table to be deleted."""

    table: str
    rows: int


async def count(database: Database, expired: Iterable[Expired]) -> list[ExpiredRows]:
    """Count expired rows, table by table; tables without any are left out."""
    counted = []
    for each in expired:
        async with database.read() as connection:
            query = select(func.count()).select_from(each.table).where(each.condition)
            counted.append(ExpiredRows(each.table.name, int((await connection.execute(query)).scalar_one())))
    return [each for each in counted if each.rows]


async def always() -> bool:
    """Return true: the rows of the server's own retention are deleted to the end."""
    return True


async def purge(
    database: Database, expired: Iterable[Expired], goes_on: Callable[[], Awaitable[bool]] = always
) -> None:
    """Delete expired rows, table by table. What remains after a failure goes the next time.

    `goes_on` is asked before each look for rows; the purge ends where it returns false.
    """
    for rows in expired:
        deleted = PIECE * PIECES_OF_A_LOOK
        while deleted == PIECE * PIECES_OF_A_LOOK and await goes_on():
            deleted = await _purge_some(database, rows)


async def _purge_some(database: Database, expired: Expired) -> int:
    """Delete as many rows as one look finds; return how many that were."""
    async with database.read() as connection:
        keys = await keys_of(connection, expired.table, expired.condition, limit=PIECE * PIECES_OF_A_LOOK)
    piece = PIECE_WITH_FOLLOWERS if expired.followers else PIECE
    for start in range(0, len(keys), piece):
        await _delete(database, expired, keys[start : start + piece])
    return len(keys)


async def _delete(database: Database, expired: Expired, keys: list[tuple[Any, ...]]) -> None:
    clock = asyncio.get_running_loop().time
    # Checked again: a row may have changed since it was found. Inside CASE, no index is chosen by the condition.
    is_expired = case((expired.condition, 1), else_=0) == 1
    chosen = with_keys(list(expired.table.primary_key.columns), keys) & is_expired
    async with database.write() as connection:
        began = clock()
        await connection.execute(delete(expired.table).where(chosen))
        for column in expired.followers:
            await connection.execute(delete(column.table).where(column.in_([key[-1] for key in keys])))
    await asyncio.sleep(REST * (clock() - began))


async def keys_of(
    connection: AsyncConnection, table: Table, condition: ColumnElement[bool], *, limit: int | None = None
) -> list[tuple[Any, ...]]:
    """Return the primary keys of rows, which a reader looks for where a writer would hold up decisions."""
    query = select(*table.primary_key.columns).where(condition).limit(limit)
    return [tuple(row) for row in await connection.execute(query)]


def with_keys(columns: Sequence[Column[Any]], keys: Sequence[tuple[Any, ...]]) -> ColumnElement[bool]:
    """Return the condition of the rows that have one of some keys in columns, which an index has in this order."""
    return and_(tuple_(*columns).in_(keys), *_narrowed(columns, keys))


def _narrowed(columns: Sequence[Column[Any]], keys: Sequence[tuple[Any, ...]]) -> Iterator[ColumnElement[bool]]:
    """Yield conditions on the first columns of a key, by which SQLite seeks the rows.

    It uses no index for several columns at once, and would read the whole table while writers wait.
    """
    seeks = 1
    for number, column in enumerate(columns):
        values = {key[number] for key in keys}
        seeks *= len(values)
        if seeks > MOST_SEEKS:
            return
        yield column.in_(values)
