"""Schedules of reports."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Select, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.mailing.report_schedule import DueDay, NewReportSchedule, ReportSchedule
from engine.store.tables import report_schedules
from engine.store.tables.accounts import merchants

_table = report_schedules
_decode = msgspec.json.Decoder(NewReportSchedule).decode


class DueSchedule(NamedTuple):
    """A schedule that is due, its merchant's time zone, and the name of its merchant's tier."""

    schedule: ReportSchedule
    timezone: str
    tier: str = ""


async def add(connection: AsyncConnection, schedule: ReportSchedule) -> None:
    """Store a new schedule."""
    await connection.execute(insert(_table).values(_row(schedule)))


async def replace(connection: AsyncConnection, schedule: ReportSchedule) -> bool:
    """Store the next version of a schedule; return False where it is not at the version before."""
    is_before = (_table.c.id == schedule.id, _table.c.version == schedule.version - 1)
    return (await connection.execute(update(_table).where(*is_before).values(_row(schedule)))).rowcount == 1


async def remove(connection: AsyncConnection, schedule_id: str) -> None:
    """Delete a schedule."""
    await connection.execute(delete(_table).where(_table.c.id == schedule_id))


async def get(connection: AsyncConnection, merchant_id: int, schedule_id: str) -> ReportSchedule | None:
    """Return a schedule of a merchant, or None."""
    query = _select().where(_table.c.merchant_id == merchant_id, _table.c.id == schedule_id)
    row = (await connection.execute(query)).first()
    return _schedule(row) if row else None


async def of_merchant(connection: AsyncConnection, merchant_id: int) -> list[ReportSchedule]:
    """Return the schedules of a merchant, the oldest first."""
    query = _select().where(_table.c.merchant_id == merchant_id).order_by(_table.c.created_at, _table.c.id)
    return [_schedule(row) for row in await connection.execute(query)]


async def due(connection: AsyncConnection, *, now: int, limit: int) -> list[DueSchedule]:
    """Return schedules that are due at an instant (epoch ms), the longest due first."""
    query = _select().add_columns(merchants.c.timezone, merchants.c.tier)
    query = query.join(merchants, merchants.c.id == _table.c.merchant_id)
    query = query.where(_table.c.next_at <= now).order_by(_table.c.next_at, _table.c.id).limit(limit)
    return [DueSchedule(_schedule(row), *row[-2:]) for row in await connection.execute(query)]


async def advance(connection: AsyncConnection, schedule: ReportSchedule, following: DueDay) -> bool:
    """Note that the mails of a due day were made; return False if another process did, or the schedule was changed."""
    same = (
        _table.c.id == schedule.id,
        _table.c.version == schedule.version,
        _table.c.next_day == schedule.next_day,
        _table.c.next_at == schedule.next_at,
    )
    values = {"last_day": schedule.next_day, "next_day": following.day, "next_at": following.moment}
    return (await connection.execute(update(_table).where(*same).values(values))).rowcount == 1


def _select() -> Select[Any]:
    return select(*(_table.c[name] for name in ReportSchedule._fields))


def _row(schedule: ReportSchedule) -> dict[str, Any]:
    return schedule._asdict() | {"document": msgspec.json.encode(schedule.document).decode()}


def _schedule(row: Any) -> ReportSchedule:
    return ReportSchedule._make((*row[:3], _decode(row[3]), *row[4:8]))
