"""Fold the log again from scratch: what statistics and usage must say."""

from __future__ import annotations

import msgspec
from sqlalchemy import delete, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.clock import DAY
from engine.learn import add_difference, add_purchases, earned, read_answer
from engine.settle import Settler
from engine.store import decisions, folds, outcomes
from engine.store.database import Database
from engine.store.folds import Cell, Sums, UsageCell
from engine.store.tables import statistics, usage

CHUNK = 2_000
# The tables in the order in which writers take them, so that none waits for us while we wait for it.
HOLD_WRITERS = "LOCK TABLE decisions, outcomes, statistics, usage IN SHARE ROW EXCLUSIVE MODE"


class Difference(msgspec.Struct, frozen=True):
    """A sum that is not what the log says; (trials, successes)."""

    fold: str
    where: list[str | int]
    kept: tuple[int, int]
    rebuilt: tuple[int, int]


async def fold_log(connection: AsyncConnection) -> Sums:
    """All credit of all logged outcomes."""
    sums, settler = Sums(), Settler()
    after_id = ""
    while rows := await decisions.chunk(connection, after_id=after_id, limit=CHUNK):
        events = await outcomes.of_decisions(connection, [row.id for row in rows])
        for row in rows:
            learning = await settler.learning(connection, row)
            worth = earned(learning, read_answer(row.answer), events.get(row.id, []), closed=row.closes_at is None)
            add_difference(sums, row, learning, {}, worth)
        after_id = rows[-1].id
    after = 0
    while purchases := await outcomes.without_decision(connection, after=after, limit=CHUNK):
        add_purchases(sums, [row for _, row in purchases])
        after = purchases[-1][0]
    return sums


async def compare(database: Database, *, since_day: int = 0) -> list[Difference]:
    """Where the kept folds differ from the log; days before `since_day` are no longer wholly in the log."""
    async with database.snapshot() as connection:
        rebuilt = await fold_log(connection)
        kept = await _kept(connection)
    return [
        *_differences("statistics", kept.statistics, rebuilt.statistics, since_day),
        *_differences("usage", kept.usage, rebuilt.usage, since_day),
    ]


async def rebuild(database: Database, *, since_day: int = 0) -> None:
    """Replace the folds of the days that are in the log by what it says, in one transaction; writers wait for it."""
    async with database.write() as connection:
        if not database.is_sqlite:
            await connection.execute(text(HOLD_WRITERS))
        sums = await fold_log(connection)
        await connection.execute(delete(statistics).where(statistics.c.day >= since_day))
        await connection.execute(delete(usage).where(usage.c.day >= since_day))
        await folds.add(connection, _since(sums, since_day))


def first_whole_day(now: int, retention_days: int) -> int:
    """The first day of which nothing has been purged."""
    return now // DAY - retention_days + 1


async def _kept(connection: AsyncConnection) -> Sums:
    sums = Sums()
    for *where, trials, successes in await connection.execute(select(statistics)):
        sums.statistics[Cell(*where)] = [trials, successes]
    for *where, trials, successes in await connection.execute(select(usage)):
        sums.use(UsageCell(*where), trials, successes)
    return sums


def _since(sums: Sums, day: int) -> Sums:
    for cell in [cell for cell in sums.statistics if cell.day < day]:
        del sums.statistics[cell]
    for use in [use for use in sums.usage if use.day < day]:
        del sums.usage[use]
    return sums


def _differences(
    fold: str,
    kept: dict[Cell, list[int]] | dict[UsageCell, list[int]],
    rebuilt: dict[Cell, list[int]] | dict[UsageCell, list[int]],
    since_day: int,
) -> list[Difference]:
    found = []
    for cell in sorted(kept.keys() | rebuilt.keys()):
        old, new = kept.get(cell, [0, 0]), rebuilt.get(cell, [0, 0])  # type: ignore[arg-type]
        if old != new and cell.day >= since_day:
            found.append(Difference(fold, list(cell), (old[0], old[1]), (new[0], new[1])))
    return found
