"""The sums that are kept beside the log: statistics of candidates and of customers, what waits, and who came first."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Table, and_, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.scope import Scope
from engine.model.timestamps import DAY, HOUR, MINUTE
from engine.statistics.amounts import AmountRow
from engine.statistics.evidence import DayRow, PendingRow
from engine.statistics.metric_totals import MetricTotals
from engine.statistics.outages import MinuteRow
from engine.store import observations, tables
from engine.store.connection.bulk import insert_many
from engine.store.connection.database import Database
from engine.store.connection.purging import Expired, purge
from engine.store.connection.writers import MERGED, Mergeable, merge_past, writer_number
from engine.store.experiments import exposures, tracks
from engine.store.experiments.exposures import Exposure, MeasureCell, OutcomeCell, UnitKey
from engine.store.metrics.hours import HourCell
from engine.store.observations import ObservationCell
from engine.store.tables import (
    amounts,
    arrivals,
    delays,
    experiment_measures,
    experiment_outcomes,
    fold_starts,
    metric_hours,
    minutes,
    pending_trials,
    statistics,
    tallies,
    usage,
)  # fmt: skip

_encode = msgspec.json.Encoder().encode


class Cell(NamedTuple):
    """The key of a candidate's statistics; `slot` counts from 1 where credit depends on it, otherwise it is 0."""

    merchant_id: int
    placement: str
    reward: str
    bucket: str
    candidate: str
    slot: int
    day: int


class UsageCell(NamedTuple):
    merchant_id: int
    customer: str
    placement: str
    candidate: str
    day: int


class WaitingCell(NamedTuple):
    """The key of the trials that decisions of one minute may still give.

    `candidates` are the ids of those that get as many trials each, in order of their names, a line each; where credit
    depends on the slot, one id. Most decisions of a minute offer the same candidates, so they share a row.
    """

    merchant_id: int
    placement: str
    reward: str
    bucket: str
    candidates: str
    slot: int
    minute: int

    def of_each(self) -> list[WaitingCell]:
        """Return the keys by candidate."""
        return [self._replace(candidates=candidate) for candidate in self.candidates.split("\n")]


class DelayCell(NamedTuple):
    merchant_id: int
    placement: str
    reward: str
    bin: int
    day: int


class ArrivalCell(NamedTuple):
    merchant_id: int
    placement: str
    reward: str
    candidate: str
    bin: int
    day: int


class AmountCell(NamedTuple):
    """The key of amounts; `relative` is 1 for those in ten-thousandths of the cart, 0 for minor units."""

    merchant_id: int
    placement: str
    reward: str
    bucket: str
    candidate: str
    relative: int
    bin: int
    day: int


class MinuteCell(NamedTuple):
    merchant_id: int
    placement: str
    reward: str
    candidate: str
    minute: int


class Fold(NamedTuple):
    """A table of sums: `cell` names its key, `values` what adds up there."""

    table: Table
    cell: type[tuple[Any, ...]]
    values: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return the table's name as a plain string: SQLAlchemy's `quoted_name` does not encode as JSON."""
        return str(self.table.name)

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.cell._fields, *self.values)  # type: ignore[attr-defined]

    @property
    def has_writers(self) -> bool:
        """Return whether each writer has rows of its own."""
        return "writer" in self.table.c


STATISTICS = Fold(statistics, Cell, ("trials", "successes", "priced", "amount"))
USAGE = Fold(usage, UsageCell, ("trials", "successes"))
WAITING = Fold(pending_trials, WaitingCell, ("trials",))
DELAYS = Fold(delays, DelayCell, ("successes", "failures"))
ARRIVALS = Fold(arrivals, ArrivalCell, ("successes",))
AMOUNTS = Fold(amounts, AmountCell, ("priced", "amount"))
MINUTES = Fold(minutes, MinuteCell, ("trials", "successes", "pending"))
"""Kept for two days only, so neither compared with the log nor rebuilt from it."""
BOUGHT = Fold(experiment_outcomes, OutcomeCell, ("orders", "revenue"))
"""What units of experiments bought."""
MEASURES = Fold(experiment_measures, MeasureCell, ("times", "amount"))
"""What else is measured of units of experiments, by measure."""
HOURS = Fold(metric_hours, HourCell, MetricTotals._fields)
"""The metrics of placements by hour."""
FOLDS = (STATISTICS, USAGE, WAITING, DELAYS, ARRIVALS, AMOUNTS, MINUTES, BOUGHT, MEASURES, HOURS)
"""In the order in which writers take their tables, so that none waits for another in a ring."""
OBSERVATIONS = Fold(tables.observations, ObservationCell, ("trials", "successes"))
"""Kept as every change of its sums, after all others."""

Values = list[int]

NewTrials = Counter[tuple[int, str, str, str]]
"""New trials by (merchant, placement, track, bucket)."""


class Sums:
    """Changes to the folds, gathered before they are written or compared, and exposures that go with them."""

    def __init__(self) -> None:
        self.of: dict[str, dict[Any, Values]] = {fold.name: {} for fold in (*FOLDS, OBSERVATIONS)}
        self.exposures: list[Exposure] = []

    def add(self, fold: Fold, cell: tuple[Any, ...], *values: int) -> None:
        cells = self.of[fold.name]
        sums = cells.get(cell)
        if sums is None:
            cells[cell] = list(values)
            return
        for column, value in enumerate(values):
            sums[column] += value

    @property
    def statistics(self) -> dict[Cell, Values]:
        return self.of[STATISTICS.name]


def new_trials_of(sums: Sums) -> NewTrials:
    """Return the new trials that some sums contain; trials that are taken away count too."""
    learned: NewTrials = Counter()
    for cell, (trials, successes, *_) in sums.statistics.items():
        if trials or successes:
            learned[cell.merchant_id, cell.placement, cell.reward, cell.bucket] += abs(trials) or 1
    return learned


async def add(connection: AsyncConnection, sums: Sums) -> None:
    """Add to all folds. Keys go in one order, so that two writers never wait for each other in a ring."""
    for fold in FOLDS:
        cells = sums.of[fold.name]
        if not cells:
            continue
        own = (writer_number(connection),) if fold.has_writers else ()
        rows: list[tuple[Any, ...]] = sorted((*cell, *values, *own) for cell, values in cells.items() if any(values))
        columns = (*fold.columns, "writer") if fold.has_writers else fold.columns
        await insert_many(connection, fold.table, columns, rows, on_conflict="add")
    changed = [UnitKey(*cell[:5]) for fold in (BOUGHT, MEASURES) for cell in sums.of[fold.name]]
    if sums.exposures or changed:
        await exposures.add(connection, sums.exposures, changed)
    await observations.append(connection, sums.of[OBSERVATIONS.name])


async def remove_empty(database: Database, merchant_id: int) -> None:
    """Delete the sums of a merchant that came back to zero, as if they had never been."""
    own = [(fold, fold.table.c.merchant_id == merchant_id) for fold in FOLDS]
    await merge_past(database, [Mergeable(fold.table, rows) for fold, rows in own if fold.has_writers])
    empty = [(fold, and_(rows, *(fold.table.c[name] == 0 for name in fold.values))) for fold, rows in own]
    await purge(database, [Expired(fold.table, rows) for fold, rows in empty])


async def stored(connection: AsyncConnection) -> Sums:
    """Return all sums as they stand in the database."""
    sums = Sums()
    for fold in (*FOLDS, OBSERVATIONS):
        width = len(fold.columns) - len(fold.values)
        for row in await connection.execute(select(*(fold.table.c[name] for name in fold.columns))):
            sums.add(fold, tuple(row[:width]), *row[width:])
    return sums


async def days(connection: AsyncConnection, scope: Scope, *, bucket: str | None, since_day: int) -> list[DayRow]:
    """Return a scope's statistics by candidate, slot and day; without `bucket`, those of all buckets together."""
    of_scope = await tracks.within(connection, statistics, scope)
    columns = (statistics.c.candidate, statistics.c.slot, statistics.c.day)
    sums = [func.sum(statistics.c[name]) for name in STATISTICS.values]
    query = select(*columns, *sums).where(*of_scope, statistics.c.day >= since_day)
    if bucket is not None:
        query = query.where(statistics.c.bucket == bucket)
    query = query.group_by(*columns).order_by(*columns)
    return [DayRow(row[0], *map(int, row[1:])) for row in await connection.execute(query)]


class SiblingRow(NamedTuple):
    """One of those who share a candidate: a bucket of a placement, or a customer."""

    candidate: str
    sibling: str
    trials: int
    successes: int


async def siblings(connection: AsyncConnection, scope: Scope) -> list[SiblingRow]:
    """The statistics of each candidate in each bucket, of all time."""
    of_scope = await tracks.within(connection, statistics, scope)
    columns = (statistics.c.candidate, statistics.c.bucket)
    sums = (func.sum(statistics.c.trials), func.sum(statistics.c.successes))
    query = select(*columns, *sums).where(*of_scope).group_by(*columns).order_by(*columns)
    return [SiblingRow(name, bucket, int(n), int(s)) for name, bucket, n, s in await connection.execute(query)]


async def customers(connection: AsyncConnection, merchant_id: int, placement: str, *, most: int) -> list[SiblingRow]:
    """Return the statistics of customers with candidates that they tried more than once, at most `most` rows.

    Customers are keyed hashes, so the first ones by hash are a random sample, the same each time. Grouped in the
    order of the table's key, the rows need no sorting, and the query ends as soon as it has enough.
    """
    columns = (usage.c.customer, usage.c.placement, usage.c.candidate)
    trials, successes = func.sum(usage.c.trials), func.sum(usage.c.successes)
    query = (
        select(usage.c.customer, usage.c.candidate, trials, successes)
        # As a plain constant, the placement would keep SQLite from reading groups in the key's order.
        .where(usage.c.merchant_id == merchant_id, usage.c.placement.concat("") == placement)
        .group_by(*columns)
        .having(trials > 1)
        .order_by(*columns)
        .limit(most)
    )
    rows = await connection.execute(query)
    return sorted(SiblingRow(name, customer, int(n), int(wins)) for customer, name, n, wins in rows)


async def waiting_trials(connection: AsyncConnection, scope: Scope, *, bucket: str | None) -> list[PendingRow]:
    """Trials of decisions whose outcomes may still come; without `bucket`, of all together."""
    of_scope = await tracks.within(connection, pending_trials, scope)
    columns = (pending_trials.c.candidates, pending_trials.c.slot, pending_trials.c.minute)
    query = select(*columns, func.sum(pending_trials.c.trials)).where(*of_scope, pending_trials.c.trials != 0)
    if bucket is not None:
        query = query.where(pending_trials.c.bucket == bucket)
    sums: Counter[tuple[str, int, int]] = Counter()
    for candidates, slot, minute, trials in await connection.execute(query.group_by(*columns)):
        for candidate in candidates.split("\n"):
            sums[candidate, slot, minute] += int(trials)
    return [PendingRow(*cell, trials) for cell, trials in sorted(sums.items()) if trials > 0]


async def delay_counts(connection: AsyncConnection, scope: Scope) -> list[tuple[int, int, int]]:
    """(bin, successes, failures) known after a delay of that bin."""
    of_scope = await tracks.within(connection, delays, scope)
    sums = (func.sum(delays.c.successes), func.sum(delays.c.failures))
    query = select(delays.c.bin, *sums).where(*of_scope).group_by(delays.c.bin).order_by(delays.c.bin)
    return [(bin, int(successes), int(failures)) for bin, successes, failures in await connection.execute(query)]


async def arrival_counts(connection: AsyncConnection, scope: Scope) -> list[tuple[str, int, int]]:
    """Return (candidate, bin, successes) of closed decisions."""
    of_scope = await tracks.within(connection, arrivals, scope)
    columns = (arrivals.c.candidate, arrivals.c.bin)
    query = select(*columns, func.sum(arrivals.c.successes)).where(*of_scope)
    rows = await connection.execute(query.group_by(*columns).order_by(*columns))
    return [(name, bin, int(successes)) for name, bin, successes in rows]


async def amount_rows(
    connection: AsyncConnection, scope: Scope, *, bucket: str | None, since_day: int
) -> list[AmountRow]:
    """Return the amounts by candidate, kind, bin and day; without `bucket`, of all together."""
    of_scope = await tracks.within(connection, amounts, scope)
    columns = [amounts.c[name] for name in ("candidate", "relative", "bin", "day")]
    sums = [func.sum(amounts.c[name]) for name in AMOUNTS.values]
    query = select(*columns, *sums).where(*of_scope, amounts.c.day >= since_day)
    if bucket is not None:
        query = query.where(amounts.c.bucket == bucket)
    rows = await connection.execute(query.group_by(*columns).order_by(*columns))
    return [AmountRow(row[0], *map(int, row[1:])) for row in rows]


async def minute_rows(connection: AsyncConnection, scope: Scope, *, since: int) -> list[MinuteRow]:
    """Return the trials by candidate and minute, from the minute `since` on."""
    of_scope = await tracks.within(connection, minutes, scope)
    columns = (minutes.c.candidate, minutes.c.minute)
    counts = [func.sum(minutes.c[name]) for name in MINUTES.values]
    query = select(*columns, *counts).where(*of_scope, minutes.c.minute >= since).group_by(*columns)
    return [MinuteRow(row[0], *map(int, row[1:])) for row in await connection.execute(query)]


def expired_minutes(*, before_minute: int) -> Expired:
    """Return the sums of minutes before one."""
    return Expired(minutes, minutes.c.minute < before_minute)


async def starts(connection: AsyncConnection) -> dict[str, int]:
    """Return the first complete day of each fold that is not complete from the beginning, by its name."""
    rows = await connection.execute(select(fold_starts.c.name, fold_starts.c.day))
    return {row.name: row.day for row in rows}


async def complete_from(connection: AsyncConnection, day: int) -> None:
    """Note that all folds are complete from a day on."""
    await connection.execute(update(fold_starts).where(fold_starts.c.day > day).values(day=day))


async def buckets(connection: AsyncConnection, scope: Scope) -> list[str]:
    """Return the buckets that a scope has evidence of."""
    of_scope = await tracks.within(connection, statistics, scope)
    query = select(statistics.c.bucket).where(*of_scope).distinct().order_by(statistics.c.bucket)
    return list((await connection.execute(query)).scalars())


def mergeable(*, before_minute: int) -> list[Mergeable]:
    """Return the rows of each writer that are of a time before a minute; of its day or hour, all stay."""
    last = {"minute": before_minute, "hour": before_minute * MINUTE // HOUR, "day": before_minute * MINUTE // DAY}
    with_writers = [fold.table for fold in FOLDS if fold.has_writers]
    return [
        Mergeable(table, table.c[unit] < last[unit])
        for table in (*with_writers, tallies)
        for unit in last
        if unit in table.c
    ]


def expired_pending(*, before_minute: int) -> Expired:
    """Return the minutes before one that no decision is pending from, of rows that are merged."""
    is_empty = (pending_trials.c.trials == 0) & (pending_trials.c.writer == MERGED)
    return Expired(pending_trials, (pending_trials.c.minute < before_minute) & is_empty)
