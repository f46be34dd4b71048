"""Alarms of metrics that were raised, so that no event tells twice of one thing."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.connection.bulk import insert_many
from engine.store.tables import metric_alarms


class AlarmKey(NamedTuple):
    """An alarm of a kind at a placement."""

    merchant_id: int
    placement: str
    kind: str


async def raised(connection: AsyncConnection) -> dict[AlarmKey, int]:
    """Return the alarms of all merchants with the instant at which each was raised (epoch ms)."""
    columns = (*(metric_alarms.c[name] for name in AlarmKey._fields), metric_alarms.c.raised_at)
    return {AlarmKey(*row[:3]): row[3] for row in await connection.execute(select(*columns))}


async def mark(connection: AsyncConnection, key: AlarmKey, *, now: int) -> bool:
    """Mark an alarm as raised; return False if it is marked already."""
    columns = (*AlarmKey._fields, "raised_at")
    new = await insert_many(
        connection, metric_alarms, columns, [(*key, now)], on_conflict="nothing", returning="raised_at"
    )
    return bool(new)


async def end(connection: AsyncConnection, key: AlarmKey) -> None:
    """Take the mark away, so that the next alarm is raised again."""
    conditions = [metric_alarms.c[name] == value for name, value in key._asdict().items()]
    await connection.execute(delete(metric_alarms).where(*conditions))
