"""Looks at experiments as they were: rows are added, never changed."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.connection.bulk import insert_many
from engine.store.experiments.sums import PhaseKey
from engine.store.tables import experiment_looks


class LookRow(NamedTuple):
    """A look: its number in the phase, from 1, its moment (epoch ms), and its results as JSON.

    `last_hour` (epoch hours) is the last hour of exposures that it read.
    """

    number: int
    as_of: int
    last_hour: int
    results: str


COLUMNS = (*PhaseKey._fields, *LookRow._fields)


async def append(connection: AsyncConnection, key: PhaseKey, row: LookRow) -> bool:
    """Store a look; return False, and change nothing, where its number is taken."""
    new = await insert_many(
        connection, experiment_looks, COLUMNS, [(*key, *row)], on_conflict="nothing", returning="number"
    )
    return bool(new)


async def of_phase(connection: AsyncConnection, key: PhaseKey) -> list[LookRow]:
    """Return the looks at a phase, the first one first."""
    rows = await connection.execute(_query(key).order_by(experiment_looks.c.number))
    return [LookRow(*row) for row in rows]


async def latest(connection: AsyncConnection, key: PhaseKey) -> LookRow | None:
    """Return the last look at a phase, None before the first."""
    row = (await connection.execute(_query(key).order_by(experiment_looks.c.number.desc()).limit(1))).one_or_none()
    return LookRow(*row) if row is not None else None


async def find(connection: AsyncConnection, key: PhaseKey, number: int) -> LookRow | None:
    """Return a look by its number, None where there is none."""
    row = (await connection.execute(_query(key).where(experiment_looks.c.number == number))).one_or_none()
    return LookRow(*row) if row is not None else None


def _query(key: PhaseKey) -> Select[Any]:
    c = experiment_looks.c
    columns = (c[name] for name in LookRow._fields)
    return select(*columns).where(*(c[name] == value for name, value in key._asdict().items()))
