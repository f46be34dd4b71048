"""Recompute the folds from the log, compare them with the stored ones, and replace them."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from sqlalchemy import delete, text
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.decisions.outcome_processor import OutcomeProcessor
from engine.learning.outcome_effects import DecisionState, add_purchases, fold, read_answer
from engine.metrics import hour_fold
from engine.model.timestamps import DAY, HOUR, MINUTE, first_id_of
from engine.store import decisions, folds, outcomes
from engine.store.connection.database import Database
from engine.store.decisions import DecisionRow
from engine.store.experiments import conversions
from engine.store.folds import FOLDS, HOURS, MINUTES, OBSERVATIONS, WAITING, Fold, Sums, WaitingCell

CHUNK = 2_000
# The tables are in the writers' lock order, so that no deadlock is possible.
HOLD_WRITERS = (
    "LOCK TABLE decisions, outcomes, statistics, usage, waiting, delays, arrivals, amounts, experiment_outcomes, "
    "experiment_measures, metric_hours, lessons IN SHARE ROW EXCLUSIVE MODE"
)

REBUILT = tuple(fold for fold in FOLDS if fold is not MINUTES)


class FoldDifference(msgspec.Struct, frozen=True):
    """A row of sums that differs from the log, named as in `Fold.values`."""

    fold: str
    where: list[str | int]
    stored: list[int] = msgspec.field(name="kept")
    rebuilt: list[int]


async def fold_log(connection: AsyncConnection) -> Sums:
    """Return all credit of all logged outcomes."""
    sums, outcome_processor = Sums(), OutcomeProcessor()
    last: DecisionRow | None = None
    while rows := await decisions.chunk(connection, after=last, limit=CHUNK):
        events = await outcomes.of_decisions(connection, [row.id for row in rows])
        for row in rows:
            learning = await outcome_processor.learning(connection, row)
            closed = row.closes_at is None
            state = DecisionState(row, learning, read_answer(row.answer), events.get(row.id, []), closed)
            fold(sums, state)
            hour_fold.add(sums, state)
        last = rows[-1]
    after = 0
    while purchases := await outcomes.without_decision(connection, after=after, limit=CHUNK):
        add_purchases(sums, [row for _, row in purchases])
        after = purchases[-1][0]
    await conversions.fold_all(connection, sums)
    return sums


async def compare(database: Database, *, since_day: int = 0) -> list[FoldDifference]:
    """Return where the stored folds differ from the log; the log is incomplete before `since_day`."""
    async with database.snapshot() as connection:
        rebuilt = await fold_log(connection)
        stored, starts = await folds.stored(connection), await folds.starts(connection)
    return [
        difference
        for each in (*REBUILT, OBSERVATIONS)
        for difference in _differences(each, stored, rebuilt, max(since_day, starts.get(each.name, 0)))
    ]


async def rebuild(database: Database, *, since_day: int = 0) -> None:
    """Replace the folds of the days in the log, in one transaction; writers wait for it.

    Lessons were perhaps learned from already, so what they lack or have too much is appended to them.
    """
    async with database.write() as connection:
        if not database.is_sqlite:
            await connection.execute(text(HOLD_WRITERS))
        sums = await fold_log(connection)
        sums.of[OBSERVATIONS.name] = _corrections(await folds.stored(connection), sums, since_day)
        sums.of[MINUTES.name] = {}
        for each in REBUILT:
            first = _first(each, since_day)
            await connection.execute(delete(each.table).where(each.table.c[_time(each)] >= first))
            cells = sums.of[each.name]
            for cell in [cell for cell in cells if getattr(cell, _time(each)) < first]:
                del cells[cell]
        await folds.add(connection, sums)
        await folds.complete_from(connection, since_day)


def first_whole_day(now: int, retention_days: int, log_from: int = 0) -> int:
    """Return the first day without purged records. Before `log_from` (epoch ms), merchants may have had some purged."""
    return max(now // DAY - retention_days, log_from // DAY) + 1


def _time(each: Fold) -> Literal["day", "hour", "minute", "decision_id"]:
    if each is OBSERVATIONS:
        return "decision_id"
    if each is HOURS:
        return "hour"
    return "minute" if each is WAITING else "day"


def _first(each: Fold, since_day: int) -> int | str:
    if each is OBSERVATIONS:
        return first_id_of(since_day * DAY)
    if each is HOURS:
        return since_day * (DAY // HOUR)
    return since_day * (DAY // MINUTE) if each is WAITING else since_day


def _corrections(stored: Sums, rebuilt: Sums, since_day: int) -> dict[Any, list[int]]:
    return {
        tuple(difference.where): [new - old for new, old in zip(difference.rebuilt, difference.stored, strict=True)]
        for difference in _differences(OBSERVATIONS, stored, rebuilt, since_day)
    }


def _differences(each: Fold, stored: Sums, rebuilt: Sums, since_day: int) -> list[FoldDifference]:
    differences, name, nothing = [], each.name, [0] * len(each.values)
    old, new = by_candidate(each, stored), by_candidate(each, rebuilt)
    for cell in sorted(old.keys() | new.keys()):
        before, after = old.get(cell, nothing), new.get(cell, nothing)
        if before != after and getattr(each.cell(*cell), _time(each)) >= _first(each, since_day):
            differences.append(FoldDifference(name, list(cell), before, after))
    return differences


def by_candidate(each: Fold, sums: Sums) -> dict[Any, list[int]]:
    """Return the sums of a fold, those of pending trials by candidate: earlier versions kept a row for each."""
    if each is not WAITING:
        return sums.of[each.name]
    apart = Sums()
    for cell, values in sums.of[each.name].items():
        for key in WaitingCell(*cell).of_each():
            apart.add(each, key, *values)
    return apart.of[each.name]
