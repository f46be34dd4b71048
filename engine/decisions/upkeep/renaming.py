"""Store every customer's name under the latest customer key, while no server runs."""

from __future__ import annotations

from typing import Any

import structlog
from sqlalchemy import Column

from engine.store.connection.customer_names import CustomerNames
from engine.store.connection.database import Database
from engine.store.customers import renaming
from engine.store.log import customer_segments, dictionaries
from engine.store.log.dictionaries import PlacementKey
from engine.store.log.records import Dictionary
from engine.store.tables import decisions

log = structlog.get_logger()

AT_ONCE = 2_000
"""Rows of a transaction."""


async def rename_customers(database: Database, names: CustomerNames) -> int:
    """Store all names under the latest key; return how many were not.

    `database` reads names as they are stored. Each says which key it is under, so this may be stopped at any moment and
    run again. What customers' decisions are found by is emptied: the servers make it again.
    """
    async with database.write() as connection:
        await customer_segments.clear(connection)
        heads = await dictionaries.newest(connection)
        loaded = await dictionaries.load(connection, {head.id for head in heads.values()})
    in_use = {key: loaded[head.id] for key, head in heads.items()}
    return sum([await _rename_column(database, column, names, in_use) for column in renaming.COLUMNS])


async def _rename_column(
    database: Database, column: Column[Any], names: CustomerNames, in_use: dict[PlacementKey, Dictionary]
) -> int:
    count, last = 0, None
    while True:
        async with database.read() as connection:
            rows = await renaming.after(connection, column, last, number=names.number, limit=AT_ONCE)
        if not rows:
            break
        async with database.write() as connection:
            if column.table is decisions:
                await renaming.rename_facts(connection, rows, names, in_use)
            count += await renaming.rename(connection, column, rows, names)
        last = rows[-1].key
    if count:
        log.info("customers renamed", table=column.table.name, column=column.name, rows=count)
    return count
