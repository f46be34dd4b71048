"""Commit many requests in one transaction, and answer each after its commit.

While a group is committed, the next group collects, so that many requests share one wait for the disk.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.clock import now_ms
from engine.decisions.outcome_processor import OutcomeProcessor, Receipt, close_due
from engine.decisions.queueing.breaker import Breaker
from engine.decisions.queueing.commit_group import Codes, CommitGroup, DecisionEntry, OutcomeReport
from engine.decisions.queueing.fair_queue import FairQueue
from engine.decisions.queueing.fair_queue import Overloaded as Overloaded
from engine.faults import is_temporary
from engine.kernel.offers.ledger import Transition
from engine.latencies import Latencies
from engine.learning.credit_settings import Learning
from engine.learning.outcome_effects import add_pending
from engine.metrics import hour_fold
from engine.model.timestamps import MINUTE
from engine.store import decisions, folds, rollups
from engine.store.connection.database import Database
from engine.store.decisions import DecisionRow
from engine.store.experiments.exposed_units import ExposedUnits
from engine.store.experiments.exposures import Exposure
from engine.store.folds import NewTrials, Sums, new_trials_of
from engine.store.log.dictionaries import PlacementKey
from engine.store.log.records import Dictionary
from engine.store.offers import holds
from engine.store.offers.holds import Refusal
from engine.store.outcomes import OutcomeRow

log = structlog.get_logger()

MOST_QUEUED = 20_000
"""The maximum number of waiting decisions; long ones count more than once."""
MOST_OUTCOMES_QUEUED = 100_000
SHARE_OF_ONE = 2
"""A merchant may use at most one part in this many of the queue."""
BYTES_OF_A_UNIT = 8_192
MOST_IN_A_GROUP = 1_000
MOST_OUTCOMES_IN_A_GROUP = 100
"""Of a commit: a decision waits for at most one, which takes some milliseconds."""
MOST_OUTCOMES_BESIDE = 50
"""The maximum number of waiting outcomes that share a commit with decisions."""
MOST_CLOSED = 100
"""Windows that a transaction closes: a decision waits for at most one."""
RETRY_SECONDS = 0.25


class Attempt(Enum):
    """The result of an attempt to commit a group."""

    COMMITTED = "committed"
    RETRY_LATER = "retry later"
    """The database is away or busy: the same group may succeed later."""
    SPLIT = "split"
    """The database rejects the group: commit entry by entry, so that only the bad one fails."""
    REFUSED = "refused"
    """No attempt is left: the requests that wait for the commit get the error."""


class HoldsTaken(NamedTuple):
    """The decisions of a group whose holds were refused, and the codes that the holds of the others got."""

    refused: dict[DecisionEntry, Refusal]
    codes: Codes


class HoldRefused(Exception):
    """An offer of a decision could not be held, so the decision was not logged."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.offer)
        self.refusal = refusal


class Recorder:
    """The only writer of the log. After each commit it calls `on_learned` with the new trials by bucket.

    `exposed` are units of experiments whose exposure is stored already; `dictionaries` compress the log. The `breaker`
    is open while nothing can be stored.
    """

    def __init__(self, database: Database, on_learned: Callable[[NewTrials], None]) -> None:
        self.exposed = ExposedUnits()
        self.breaker = Breaker()
        self.commit_latencies = Latencies()
        self.dictionaries: Mapping[PlacementKey, Dictionary] = {}
        self._database = database
        self._on_learned = on_learned
        self._outcome_processor = OutcomeProcessor()
        self._entries: FairQueue[DecisionEntry] = _queue(MOST_QUEUED)
        self._replacements: FairQueue[DecisionRow] = _queue(MOST_QUEUED)
        self._reports: FairQueue[OutcomeReport] = _queue(MOST_OUTCOMES_QUEUED)
        self._reports_next = False
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._ending = False

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="recorder")

    async def stop(self) -> None:
        """Write the queued records, then end."""
        self._ending = True
        self._wake.set()
        if self._task is not None:
            await self._task

    @property
    def queued(self) -> int:
        return len(self._entries) + len(self._reports) + len(self._replacements)

    def append(
        self,
        row: DecisionRow,
        ranking: Sequence[str],
        learning: Learning,
        exposures: Sequence[Exposure] = (),
        holds: Sequence[Transition] = (),
    ) -> asyncio.Future[Codes]:
        """Log a decision; the future is done after the commit. Raise `Overloaded` if the queue is full.

        The holds of its offers are taken in the same transaction, and the future gives the codes that they got. If one
        is refused, the decision is not logged, and the future raises `HoldRefused`.
        """
        return self._put(DecisionEntry(row, ranking, learning, exposures, holds))

    def append_sent(self, row: DecisionRow, ranking: Sequence[str], learning: Learning) -> asyncio.Future[Codes]:
        """Log a decision that a client made, once, however often and to how many processes it is sent."""
        entry = DecisionEntry(row, ranking, learning)
        entry.is_sent = True
        return self._put(entry)

    def _put(self, entry: DecisionEntry) -> asyncio.Future[Codes]:
        row = entry.row
        self._entries.put(row.merchant_id, row.id, entry, cost=_cost(row))
        self._wake.set()
        return entry.done

    def replace(self, row: DecisionRow) -> None:
        """Log a fallback answer in place of the decision with the same id; the caller does not wait for the commit."""
        self._entries.pop(row.merchant_id, row.id)
        self._replacements.put(row.merchant_id, row.id, row, cost=_cost(row))
        self._wake.set()

    def outcomes(self, rows: Sequence[OutcomeRow]) -> asyncio.Future[list[Receipt]]:
        """Record outcomes of one merchant, each event once; the future gives one receipt a row after the commit.

        A long report is committed in pieces, so that no decision waits for all of it.
        """
        starts = range(0, len(rows), MOST_OUTCOMES_IN_A_GROUP)
        pieces = [self._report(rows[start : start + MOST_OUTCOMES_IN_A_GROUP]) for start in starts]
        return pieces[0] if len(pieces) == 1 else asyncio.ensure_future(_all_receipts(pieces))

    def _report(self, rows: Sequence[OutcomeRow]) -> asyncio.Future[list[Receipt]]:
        done: asyncio.Future[list[Receipt]] = asyncio.get_running_loop().create_future()
        report = OutcomeReport(rows, done)
        self._reports.put(rows[0].merchant_id, id(report), report, cost=len(rows))
        self._wake.set()
        return done

    async def close_due(self, now: int) -> int:
        """Close the decisions whose window has ended by `now` (epoch ms), few per transaction; return how many."""
        closed = 0
        while count := await self._close_some(now):
            closed += count
        return closed

    async def _close_some(self, now: int) -> int:
        sums = Sums()
        count = await self._database.transact(
            lambda connection: close_due(connection, self._outcome_processor, sums, now=now, limit=MOST_CLOSED)
        )
        self._announce(sums)
        return count

    async def _run(self) -> None:
        while not (self._ending and not self.queued):
            await self._wake.wait()
            self._wake.clear()
            while self.queued:
                await self._write(self._take())

    def _take(self) -> CommitGroup:
        """Take the next group, of all merchants in turn.

        Few reports share the commit of the decisions. Many get commits of their own, which alternate with those of
        decisions, so that no decision waits for more than one of them.
        """
        many = self._reports.cost > MOST_OUTCOMES_BESIDE
        if many and (self._reports_next or not (self._entries or self._replacements)):
            self._reports_next = False
            return CommitGroup([], [], self._reports.take(MOST_OUTCOMES_IN_A_GROUP))
        self._reports_next = many
        entries, replacements = self._entries.take(MOST_IN_A_GROUP), self._replacements.take(MOST_IN_A_GROUP)
        return CommitGroup(entries, replacements, [] if many else self._reports.take(MOST_OUTCOMES_BESIDE))

    async def _write(self, group: CommitGroup, *, uncertain: bool = False) -> None:
        """Commit a group: retry while the database is away, commit entry by entry if it rejects the group."""
        while True:
            attempt = await self._attempt(group, uncertain=uncertain)
            # A commit may have succeeded although its answer was lost, so every later attempt checks first.
            uncertain = True
            if attempt is Attempt.RETRY_LATER:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if attempt is Attempt.SPLIT:
                for piece in group.pieces():
                    await self._write(piece, uncertain=True)
            return

    async def _attempt(self, group: CommitGroup, *, uncertain: bool) -> Attempt:
        """Try to commit a group once; return what to do next. A refused group's futures get the error."""
        try:
            await self._commit(group, uncertain=uncertain)
        except Exception as error:
            attempt = self._after(error, group)
            log.error("group not committed", pieces=group.size, then=attempt.value, exc_info=error)
            if attempt is Attempt.RETRY_LATER:
                self.breaker.fail()
            if attempt is Attempt.REFUSED:
                group.refuse(error)
            return attempt
        self.breaker.succeed()
        return Attempt.COMMITTED

    def _after(self, error: Exception, group: CommitGroup) -> Attempt:
        if is_temporary(error):
            return Attempt.REFUSED if self._ending else Attempt.RETRY_LATER
        return Attempt.REFUSED if group.size == 1 else Attempt.SPLIT

    async def _commit(self, group: CommitGroup, *, uncertain: bool) -> None:
        """Commit a group in one transaction; `uncertain` leaves out decisions that an earlier commit has stored."""
        sums = Sums()

        async def work(connection: AsyncConnection) -> tuple[list[list[Receipt]], HoldsTaken]:
            new = await _missing(connection, group.entries) if uncertain else group.entries
            taken = await _take_holds(connection, new)
            if taken.refused:
                new = [entry for entry in new if entry not in taken.refused]
            new = await _append(connection, new, self.dictionaries)
            _count_pending(sums, new)
            hour_fold.add_new(sums, [(entry.row, entry.ranking) for entry in new])
            sums.exposures.extend(exposure for entry in new for exposure in entry.exposures)
            if group.replacements:
                await self._outcome_processor.replace(connection, group.replacements, sums)
                await decisions.replace(connection, group.replacements, self.dictionaries, now=now_ms())
            await rollups.add_firsts(connection, _firsts(new))
            receipts = await self._process(connection, group.reports, sums) if group.reports else []
            await folds.add(connection, sums)
            return receipts, taken

        began = time.perf_counter()
        receipts, taken = await self._database.transact(work)
        self.commit_latencies.add(time.perf_counter() - began)
        self.exposed.add(sums.exposures)
        for entry in group.entries:
            if entry.done.done():
                continue
            if entry in taken.refused:
                entry.done.set_exception(HoldRefused(taken.refused[entry]))
            else:
                entry.done.set_result(taken.codes)
        for report, receipt in zip(group.reports, receipts, strict=True):
            if not report.done.done():
                report.done.set_result(receipt)
        self._announce(sums)

    async def _process(
        self, connection: AsyncConnection, reports: list[OutcomeReport], sums: Sums
    ) -> list[list[Receipt]]:
        flat = await self._outcome_processor.outcomes(
            connection, [row for report in reports for row in report.rows], sums
        )
        ends = iter(flat)
        return [[next(ends) for _ in report.rows] for report in reports]

    def _announce(self, sums: Sums) -> None:
        if learned := new_trials_of(sums):
            self._on_learned(learned)


async def _all_receipts(pieces: Sequence[asyncio.Future[list[Receipt]]]) -> list[Receipt]:
    return [receipt for receipts in await asyncio.gather(*pieces) for receipt in receipts]


def _queue(most: int) -> FairQueue[Any]:
    return FairQueue(most=most, most_of_one=most // SHARE_OF_ONE)


def _cost(row: DecisionRow) -> int:
    return 1 + (len(row.facts) + len(row.history) + len(row.answer)) // BYTES_OF_A_UNIT


async def _missing(connection: AsyncConnection, entries: list[DecisionEntry]) -> list[DecisionEntry]:
    logged = await decisions.by_keys(connection, [(entry.row.merchant_id, entry.row.id) for entry in entries])
    return [entry for entry in entries if entry.row.id not in logged]


async def _append(
    connection: AsyncConnection, entries: list[DecisionEntry], dictionaries: Mapping[PlacementKey, Dictionary]
) -> list[DecisionEntry]:
    """Store decisions; return those to count: all but what clients sent before."""
    is_sent = any(entry.is_sent for entry in entries)
    rows = [entry.row for entry in entries]
    new = await decisions.append(connection, rows, dictionaries, now=now_ms(), returning=is_sent)
    return [entry for entry in entries if entry.row.id in new] if is_sent else entries


async def _take_holds(connection: AsyncConnection, entries: list[DecisionEntry]) -> HoldsTaken:
    """Take the holds of decisions that show offers."""
    holding = [entry for entry in entries if entry.holds]
    if not holding:
        return HoldsTaken({}, {})
    refused, codes = await holds.take(connection, [entry.holds for entry in holding], now=now_ms())
    return HoldsTaken({holding[index]: refusal for index, refusal in refused.items()}, codes)


def _count_pending(sums: Sums, entries: list[DecisionEntry]) -> None:
    learning = [entry for entry in entries if entry.row.closes_at is not None]
    add_pending(sums, ((entry.row, entry.learning, entry.ranking) for entry in learning))


def _firsts(entries: list[DecisionEntry]) -> dict[tuple[int, str, int, str], int]:
    return Counter(
        (entry.row.merchant_id, entry.row.placement, entry.row.decided_at // MINUTE, entry.ranking[0])
        for entry in entries
        if entry.ranking
    )
