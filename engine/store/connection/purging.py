"""Delete many rows without holding up decisions: they are looked for by a reader and deleted in short transactions."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Table, delete, func, select, tuple_

from engine.store.connection.database import Database

PIECE = 500
"""Rows of a transaction: a decision waits for at most one."""
PIECES_OF_A_LOOK = 40
REST = 4
"""The purge rests so many times as long as a transaction took, so that it takes at most a fifth of the writer."""


class Expired(NamedTuple):
    """Rows of a table that are to be deleted."""

    table: Table
    condition: ColumnElement[bool]


class ExpiredRows(msgspec.Struct, frozen=True):
    """How many rows of a table are to be deleted."""

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


async def purge(database: Database, expired: Iterable[Expired]) -> None:
    """Delete expired rows, table by table. What remains after a failure goes the next time."""
    for rows in expired:
        while await _purge_some(database, rows) == PIECE * PIECES_OF_A_LOOK:
            pass


async def _purge_some(database: Database, expired: Expired) -> int:
    """Delete as many rows as one look finds; return how many that were."""
    key = list(expired.table.primary_key.columns)
    query = select(*key).where(expired.condition).limit(PIECE * PIECES_OF_A_LOOK)
    async with database.read() as connection:
        keys = [tuple(row) for row in await connection.execute(query)]
    for start in range(0, len(keys), PIECE):
        await _delete(database, expired, keys[start : start + PIECE])
    return len(keys)


async def _delete(database: Database, expired: Expired, keys: list[tuple[Any, ...]]) -> None:
    clock = asyncio.get_running_loop().time
    # Checked again: a row may have changed since it was found.
    chosen = tuple_(*expired.table.primary_key.columns).in_(keys) & expired.condition
    async with database.write() as connection:
        began = clock()
        await connection.execute(delete(expired.table).where(chosen))
    await asyncio.sleep(REST * (clock() - began))
