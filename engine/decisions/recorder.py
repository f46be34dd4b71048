"""Group commit: many requests, one transaction; each is answered after its own commit.

While one group is being committed the next one gathers, so waiting for the disk is shared by all that wait.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.decisions.outcome_processor import OutcomeProcessor, Receipt, close_due
from engine.learning.outcome_effects import Learning, add_pending
from engine.model.timestamps import MINUTE
from engine.store import decisions, folds
from engine.store.connection.database import Database
from engine.store.decisions import DecisionRow
from engine.store.folds import News, Sums
from engine.store.outcomes import OutcomeRow

log = structlog.get_logger()

MOST_WAITING = 20_000
MOST_IN_A_GROUP = 1_000
# One statement takes some 32,000 parameters, and names each decision that is reported on.
MOST_OUTCOMES_IN_A_GROUP = 10_000
RETRY_SECONDS = 0.25


class Overloaded(Exception):
    """More is waiting to be written than memory should hold."""


class Entry:
    """A logged decision on its way to the disk: its candidates in order, and how it is learned from."""

    __slots__ = ("done", "learning", "ranking", "row")

    def __init__(
        self, row: DecisionRow, ranking: Sequence[str], learning: Learning, done: asyncio.Future[None]
    ) -> None:
        self.row = row
        self.ranking = ranking
        self.learning = learning
        self.done = done


class Report:
    """Outcomes of one request on their way to the disk."""

    __slots__ = ("done", "rows")

    def __init__(self, rows: Sequence[OutcomeRow], done: asyncio.Future[list[Receipt]]) -> None:
        self.rows = rows
        self.done = done


class Group(NamedTuple):
    """What is committed together."""

    entries: list[Entry]
    replacements: list[DecisionRow]
    reports: list[Report]

    @property
    def size(self) -> int:
        return len(self.entries) + len(self.replacements) + len(self.reports)

    def pieces(self) -> Iterator[Group]:
        for entry in self.entries:
            yield Group([entry], [], [])
        for row in self.replacements:
            yield Group([], [row], [])
        for report in self.reports:
            yield Group([], [], [report])

    def refuse(self, error: Exception) -> None:
        waiting: list[asyncio.Future[Any]] = [entry.done for entry in self.entries]
        waiting += [report.done for report in self.reports]
        for done in waiting:
            if not done.done():
                done.set_exception(error)


class Recorder:
    """The one writer of the log. `on_learned` hears which buckets learned how much, after each commit."""

    def __init__(self, database: Database, on_learned: Callable[[News], None]) -> None:
        self._database = database
        self._on_learned = on_learned
        self._outcome_processor = OutcomeProcessor()
        self._entries: dict[str, Entry] = {}
        self._replacements: dict[str, DecisionRow] = {}
        self._reports: deque[Report] = deque()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._ending = False

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="recorder")

    async def stop(self) -> None:
        """Write what is waiting, then end."""
        self._ending = True
        self._wake.set()
        if self._task is not None:
            await self._task

    @property
    def waiting(self) -> int:
        return len(self._entries) + len(self._reports) + len(self._replacements)

    def append(self, row: DecisionRow, ranking: Sequence[str], learning: Learning) -> asyncio.Future[None]:
        """Log a decision; the future is done once it is on the disk."""
        if self.waiting >= MOST_WAITING:
            raise Overloaded
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._entries[row.id] = Entry(row, ranking, learning, done)
        self._wake.set()
        return done

    def replace(self, row: DecisionRow) -> None:
        """Log the answer that was given instead of one that took too long, as soon as it can be."""
        self._entries.pop(row.id, None)
        if self.waiting >= MOST_WAITING:
            raise Overloaded
        self._replacements[row.id] = row
        self._wake.set()

    def outcomes(self, rows: Sequence[OutcomeRow]) -> asyncio.Future[list[Receipt]]:
        """Record outcomes once; the receipts are there after the commit."""
        if self.waiting >= MOST_WAITING:
            raise Overloaded
        done: asyncio.Future[list[Receipt]] = asyncio.get_running_loop().create_future()
        self._reports.append(Report(rows, done))
        self._wake.set()
        return done

    async def close_due(self, now: int) -> int:
        """End the windows that are over, some hundreds in a transaction; returns how many."""
        closed = 0
        while True:
            sums = Sums()
            async with self._database.write() as connection:
                count = await close_due(connection, self._outcome_processor, sums, now=now, limit=500)
            self._tell(sums)
            closed += count
            if count < 500:
                return closed

    async def _run(self) -> None:
        while not (self._ending and not self.waiting):
            await self._wake.wait()
            self._wake.clear()
            while self.waiting:
                await self._write(self._take())

    def _take(self) -> Group:
        entries = list(self._entries.values())[:MOST_IN_A_GROUP]
        for entry in entries:
            del self._entries[entry.row.id]
        replacements, self._replacements = list(self._replacements.values()), {}
        reports: list[Report] = []
        outcomes = 0
        while self._reports and outcomes < MOST_OUTCOMES_IN_A_GROUP:
            report = self._reports.popleft()
            reports.append(report)
            outcomes += len(report.rows)
        return Group(entries, replacements, reports)

    async def _write(self, group: Group) -> None:
        """Commit a group; wait where the database is away; part a group that it refuses, to refuse only the culprit."""
        again = False
        while True:
            try:
                return await self._commit(group, again=again)
            except Exception as error:
                again = True
                log.error("group not committed", pieces=group.size, error=type(error).__name__)
                away = _may_pass(error)
                if away and not self._ending:
                    await asyncio.sleep(RETRY_SECONDS)
                elif away or group.size == 1:
                    return group.refuse(error)
                else:
                    break
        for piece in group.pieces():
            await self._write(piece)
        return None

    async def _commit(self, group: Group, *, again: bool) -> None:
        """`again`: some of it may be on the disk already, by a commit that was not heard of."""
        sums = Sums()

        async def work(connection: AsyncConnection) -> list[list[Receipt]]:
            new = await _missing(connection, group.entries) if again else group.entries
            await decisions.append(connection, [entry.row for entry in new])
            _count_waiting(sums, new)
            if group.replacements:
                await self._outcome_processor.forget(connection, [row.id for row in group.replacements], sums)
                await decisions.replace(connection, group.replacements)
            await folds.add_firsts(connection, _firsts(new))
            receipts = await self._settle(connection, group.reports, sums) if group.reports else []
            await folds.add(connection, sums)
            return receipts

        receipts = await self._database.transact(work)
        for entry in group.entries:
            if not entry.done.done():
                entry.done.set_result(None)
        for report, receipt in zip(group.reports, receipts, strict=True):
            if not report.done.done():
                report.done.set_result(receipt)
        self._tell(sums)

    async def _settle(self, connection: AsyncConnection, reports: list[Report], sums: Sums) -> list[list[Receipt]]:
        flat = await self._outcome_processor.outcomes(
            connection, [row for report in reports for row in report.rows], sums
        )
        ends = iter(flat)
        return [[next(ends) for _ in report.rows] for report in reports]

    def _tell(self, sums: Sums) -> None:
        learned: News = Counter()
        for cell, (trials, successes, *_) in sums.statistics.items():
            if trials or successes:
                learned[cell.merchant_id, cell.placement, cell.reward, cell.bucket] += abs(trials) or 1
        if learned:
            self._on_learned(learned)


async def _missing(connection: AsyncConnection, entries: list[Entry]) -> list[Entry]:
    known = await decisions.by_ids(connection, [entry.row.id for entry in entries])
    return [entry for entry in entries if entry.row.id not in known]


def _count_waiting(sums: Sums, entries: list[Entry]) -> None:
    for entry in entries:
        if entry.row.closes_at is not None:
            add_pending(sums, entry.row, entry.learning, entry.ranking)


def _firsts(entries: list[Entry]) -> dict[tuple[int, str, int, str], int]:
    return Counter(
        (entry.row.merchant_id, entry.row.placement, entry.row.decided_at // MINUTE, entry.ranking[0])
        for entry in entries
        if entry.ranking
    )


# SQLSTATE classes: no connection, rolled back for another, out of resources, stopping or starting, system error.
PASSING = ("08", "40", "53", "57", "58")


def _may_pass(error: Exception) -> bool:
    """Whether the fault is the database's (away, locked, full) rather than the row's."""
    if not isinstance(error, DBAPIError):
        return isinstance(error, PoolTimeout | OSError | sqlite3.OperationalError)
    state = getattr(error.orig, "sqlstate", None)
    if isinstance(state, str):
        return state.startswith(PASSING)
    return error.connection_invalidated or type(error).__name__ in ("OperationalError", "InterfaceError")
