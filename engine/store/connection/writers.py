"""Sums with a row for each writer: processes that share a PostgreSQL add to rows of their own and never wait.

Readers add the rows up. Rows of past times are merged into one, which has writer 0.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable
from operator import add
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Table, delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.connection.bulk import insert_many
from engine.store.connection.database import Database

MERGED = 0
PIECE = 500
"""Rows of a transaction."""
_OWN = 1 + secrets.randbelow(2**31 - 1)
"""Random: process ids are alike in containers. Processes with the same number wait for each other, as before."""


def writer_number(connection: AsyncConnection) -> int:
    """Return the writer of this process's rows: 0 on SQLite, where processes take turns."""
    return MERGED if connection.dialect.name == "sqlite" else _OWN


class Mergeable(NamedTuple):
    """A table of sums with rows of each writer, and which of them may be merged."""

    table: Table
    condition: ColumnElement[bool]


async def merge_past(database: Database, tables: Iterable[Mergeable]) -> None:
    """Merge the rows of writers in short transactions."""
    for rows in tables:
        count = PIECE
        while count == PIECE:
            async with database.write() as connection:
                count = await _merge(connection, rows)


async def _merge(connection: AsyncConnection, rows: Mergeable) -> int:
    """Merge a piece of the rows of writers; return how many there were. Skip rows that another transaction holds."""
    if connection.dialect.name == "sqlite":
        return 0
    table, key = rows.table, list(rows.table.primary_key.columns)
    cell = [column.key for column in key if column.key != "writer"]
    values = [column.key for column in table.columns if not column.primary_key]
    chosen = select(*key).where(table.c.writer != MERGED, rows.condition).limit(PIECE)
    some = tuple_(*key).in_(chosen.with_for_update(skip_locked=True))
    removed = await connection.execute(
        delete(table).where(some).returning(*(table.c[name] for name in (*cell, *values)))
    )
    own = [tuple(row) for row in removed]
    sums: defaultdict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0] * len(values))
    for row in own:
        total = sums[row[: len(cell)]]
        total[:] = map(add, total, row[len(cell) :])
    merged = sorted((*of, *total, MERGED) for of, total in sums.items())
    await insert_many(connection, table, (*cell, *values, "writer"), merged, on_conflict="add")
    return len(own)
