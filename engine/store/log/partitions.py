"""The partitions of the table `decisions` on PostgreSQL, by id, which begins with the time: a day (UTC) each.

They follow each other without a gap, and the first begins before all times. `decisions_other` takes the decisions after
the last one, so that a day without a partition is stored and found like any other.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.timestamps import DAY, first_id_of

OTHER = "decisions_other"
BOUNDS = "decisions_other_end"
_NAME = re.compile(r"decisions_(?:on|until)_(\d{4})_(\d\d)_(\d\d)")
_EPOCH = date(1970, 1, 1)
_NAMES = (
    "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'decisions'::regclass"
)
_OTHER_HOLDS = f"""
SELECT EXISTS (
    SELECT FROM {OTHER} WHERE merchant_id IN (SELECT id FROM merchants) AND id >= :first AND id < :end
)
"""  # noqa: S608  names of this module


class Partition(NamedTuple):
    """A partition; `end` is the epoch day after its last one."""

    name: str
    end: int


async def stored(connection: AsyncConnection) -> list[Partition]:
    """Return the partitions of days, the oldest first; none if all decisions stand in `decisions_other`."""
    names = (await connection.execute(text(_NAMES))).scalars()
    dated = ((match.string, date(*map(int, match.groups()))) for match in map(_NAME.fullmatch, names) if match)
    return sorted((Partition(name, (day - _EPOCH).days + 1) for name, day in dated), key=lambda each: each.end)


async def other_bytes(connection: AsyncConnection) -> int:
    """Return the size of `decisions_other` without its indexes."""
    return int((await connection.execute(text(f"SELECT pg_relation_size('{OTHER}')"))).scalar_one())


async def other_holds(connection: AsyncConnection, first_day: int, end_day: int | None = None) -> bool:
    """Return whether `decisions_other` has decisions from a day on and before another one."""
    end = bytes.fromhex(_hex(end_day)) if end_day is not None else b"\xff" * 17
    bounds = {"first": bytes.fromhex(_hex(first_day)), "end": end}
    return bool((await connection.execute(text(_OTHER_HOLDS), bounds)).scalar_one())


async def add(connection: AsyncConnection, first_day: int, end_day: int) -> None:
    """Make the partition of the days from the first one on and before the last one.

    `decisions_other` may have no decisions of these days. Decisions go on meanwhile.
    """
    name = _name(first_day, end_day)
    await _run(connection, f"CREATE TABLE {name} (LIKE decisions INCLUDING DEFAULTS)")
    await _run(connection, f"ALTER TABLE decisions ATTACH PARTITION {name} {_values(first_day, end_day)}")


async def add_bounds(connection: AsyncConnection, first_day: int | None, end_day: int) -> None:
    """Let `decisions_other` take nothing but decisions of these days, so that PostgreSQL need not look for others.

    What stands in it already is not looked at. Until `close_other`, decisions of later days fail.
    """
    first = "" if first_day is None else f"id >= {_literal(first_day)} AND "
    await remove_bounds(connection)
    check = f"CHECK ({first}id < {_literal(end_day)}) NOT VALID"
    await _run(connection, f"ALTER TABLE {OTHER} ADD CONSTRAINT {BOUNDS} {check}")


async def check_bounds(connection: AsyncConnection) -> None:
    """Look through `decisions_other`; decisions go on meanwhile."""
    await _run(connection, f"ALTER TABLE {OTHER} VALIDATE CONSTRAINT {BOUNDS}")


async def remove_bounds(connection: AsyncConnection) -> None:
    await _run(connection, f"ALTER TABLE {OTHER} DROP CONSTRAINT IF EXISTS {BOUNDS}")


async def close_other(connection: AsyncConnection, first_day: int | None, end_day: int) -> None:
    """Make what stands within checked bounds the partition of these days, and a new `decisions_other`."""
    name = _name(None, end_day)
    await _run(connection, f"ALTER TABLE decisions DETACH PARTITION {OTHER}")
    await _run(connection, f"ALTER TABLE {OTHER} RENAME TO {name}")
    await _run(connection, f"ALTER TABLE decisions ATTACH PARTITION {name} {_values(first_day, end_day)}")
    await _run(connection, f"ALTER TABLE {name} DROP CONSTRAINT {BOUNDS}")
    await _run(connection, f"CREATE TABLE {OTHER} PARTITION OF decisions DEFAULT")


async def drop(connection: AsyncConnection, partition: Partition) -> None:
    """Delete a partition with all its decisions, unless another process has done so."""
    await _run(connection, f"DROP TABLE IF EXISTS {partition.name}")


def _name(first_day: int | None, end_day: int) -> str:
    last = _EPOCH + timedelta(days=end_day - 1)
    return f"decisions_{'on' if first_day == end_day - 1 else 'until'}_{last:%Y_%m_%d}"


def _values(first_day: int | None, end_day: int) -> str:
    first = "MINVALUE" if first_day is None else _literal(first_day)
    return f"FOR VALUES FROM ({first}) TO ({_literal(end_day)})"


def _literal(day: int) -> str:
    return f"'\\x{_hex(day)}'"


def _hex(day: int) -> str:
    return first_id_of(day * DAY)[4:]


async def _run(connection: AsyncConnection, statement: str) -> None:
    # A colon in it would be a parameter for `text`.
    await connection.exec_driver_sql(statement)
