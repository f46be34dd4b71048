"""What waits to be done, how old beliefs are, and how large the database is: for operators, over all merchants."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import ColumnElement, Table, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.tables import accounts, beliefs, decisions, erasures, mails, metric_hours, webhook_deliveries

merchants = accounts.merchants


class NewestBeliefs(NamedTuple):
    """The newest snapshot of a placement; `made_at` in epoch milliseconds."""

    merchant: str
    mode: str
    placement: str
    version: int
    made_at: int


async def newest_beliefs(connection: AsyncConnection) -> list[NewestBeliefs]:
    """Return the newest snapshot of each placement that learns, oldest first."""
    made_at = func.max(beliefs.c.made_at)
    columns = (merchants.c.slug, merchants.c.mode, beliefs.c.placement)
    query = (
        select(*columns, func.max(beliefs.c.version), made_at)
        .join(merchants, merchants.c.id == beliefs.c.merchant_id)
        .group_by(*columns)
        .order_by(made_at, *columns)
    )
    return [NewestBeliefs(*row) for row in await connection.execute(query)]


async def backlogs(connection: AsyncConnection) -> dict[str, int]:
    """Return the number of things that wait, by what they are."""
    by_state = {
        "webhooks waiting": (webhook_deliveries, "waiting"),
        "webhooks parked": (webhook_deliveries, "parked"),
        "mails waiting": (mails, "waiting"),
        "mails failed": (mails, "failed"),
    }
    counted = {
        name: await _count(connection, table, table.c.state == state) for name, (table, state) in by_state.items()
    }
    counted["decisions with an open window"] = await _count(connection, decisions, decisions.c.closes_at.is_not(None))
    counted["erasures under way"] = await _count(connection, erasures, erasures.c.done_at.is_(None))
    return counted


async def _count(connection: AsyncConnection, table: Table, condition: ColumnElement[bool]) -> int:
    query = select(func.count()).select_from(table).where(condition)
    return (await connection.execute(query)).scalar_one()


async def decisions_since(connection: AsyncConnection, hour: int) -> int:
    """Return how many decisions of all merchants were logged since an epoch hour, as far as hours are kept."""
    every = (metric_hours.c.dimension == "", metric_hours.c.hour >= hour)
    query = select(func.coalesce(func.sum(metric_hours.c.decisions), 0)).where(*every)
    return int((await connection.execute(query)).scalar_one())


async def database_bytes(connection: AsyncConnection) -> int:
    """Return the size of the database; of SQLite's without what still stands in its log (`-wal`)."""
    if connection.dialect.name == "sqlite":
        query = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
    else:
        query = "SELECT pg_database_size(current_database())"
    return int((await connection.execute(text(query))).scalar_one())
