"""Put decisions into the segments that customers are found by, beside the decisions' path."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from engine.store.connection.database import Database
from engine.store.log import customer_segments


async def index_customers(database: Database, merchant_ids: Iterable[int], *, now: int) -> None:
    """Put the latest decisions of merchants into segments, where they are many."""
    for merchant_id in sorted(set(merchant_ids)):
        while await _add_segment(database, merchant_id, now):
            pass


async def _add_segment(database: Database, merchant_id: int, now: int) -> bool:
    """Add the next segment of a merchant; return False if its decisions are still few."""
    async with database.read() as connection:
        begins_at = (await customer_segments.ends(connection)).get(merchant_id, 0)
        segment = await customer_segments.next_segment(connection, merchant_id, begins_at=begins_at, now=now)
    if segment is None:
        return False
    rows = await asyncio.to_thread(customer_segments.rows_of, segment)
    async with database.write() as connection:
        await customer_segments.add(connection, segment, rows, begins_at=begins_at)
    return True
