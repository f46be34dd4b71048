"""Alarms that were raised, so that no event tells twice of one thing."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.connection.bulk import insert_many
from engine.store.tables import metric_alarms


class AlarmKey(NamedTuple):
    """An alarm of a kind at a placement; alarms of candidates have a kind such as `outage:klarna`."""

    merchant_id: int
    placement: str
    kind: str


async def raised(connection: AsyncConnection, kinds: Collection[str]) -> dict[AlarmKey, int]:
    """Return the alarms of all merchants with the instant at which each was raised (epoch ms).

    `kinds` are what their kinds begin with, up to a colon.
    """
    columns = (*(metric_alarms.c[name] for name in AlarmKey._fields), metric_alarms.c.raised_at)
    keys = {AlarmKey(*row[:3]): row[3] for row in await connection.execute(select(*columns))}
    return {key: since for key, since in keys.items() if key.kind.partition(":")[0] in kinds}


async def mark(connection: AsyncConnection, key: AlarmKey, *, now: int) -> bool:
    """Mark an alarm as raised; return False if it is marked already."""
    columns = (*AlarmKey._fields, "raised_at")
    new = await insert_many(
        connection, metric_alarms, columns, [(*key, now)], on_conflict="nothing", returning="raised_at"
    )
    return bool(new)


async def end(connection: AsyncConnection, key: AlarmKey) -> bool:
    """Take the mark away, so that the next alarm is raised again; return False if there is none."""
    return (await connection.execute(delete(metric_alarms).where(*_is(key)))).rowcount == 1


async def end_old(connection: AsyncConnection, key: AlarmKey, *, before: int) -> None:
    """Take the mark away if it was made before an instant (epoch ms)."""
    await connection.execute(delete(metric_alarms).where(*_is(key), metric_alarms.c.raised_at < before))


def _is(key: AlarmKey) -> list[ColumnElement[bool]]:
    return [metric_alarms.c[name] == value for name, value in key._asdict().items()]
