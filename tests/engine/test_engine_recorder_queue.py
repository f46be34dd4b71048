"""Check how the recorder groups what waits, and what it does with a group whose commit fails. Without a database."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import asynccontextmanager

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from engine.decisions import recorder as module
from engine.decisions.recorder import (
    MOST_IN_A_GROUP,
    MOST_OUTCOMES_BESIDE,
    MOST_OUTCOMES_IN_A_GROUP,
    CommitGroup,
    Recorder,
)
from engine.learning.credit_settings import Learning
from engine.model.timestamps import MINUTE
from engine.store.folds import STATISTICS, WAITING, Cell, Sums
from tests.engine.memory_log import DECIDED_AT, MemoryLog, decision, outcome

pytestmark = pytest.mark.anyio
LEARNING = Learning("converted", "cascade", 60, "EUR", contextual=False)
RANKING = ["card", "paypal", "klarna"]


class SqlState(Exception):
    def __init__(self, sqlstate):
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


AWAY = OperationalError("BEGIN", {}, Exception("database is locked"))
REJECTED = IntegrityError("INSERT", {}, SqlState("23514"))


class Database:
    """Runs work without a connection; `errors` are raised by the next commits, before they happen."""

    def __init__(self):
        self.errors = []
        self.commits = 0

    async def transact(self, work):
        await asyncio.sleep(0)
        if self.errors and (error := self.errors.pop(0)):
            raise error
        self.commits += 1
        return await work(None)

    @asynccontextmanager
    async def write(self):
        yield None


@pytest.fixture
def log(monkeypatch):
    log = MemoryLog()
    log.install(monkeypatch)
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.001)
    return log


@pytest.fixture
def database():
    return Database()


@pytest.fixture
def learned():
    return []


@pytest.fixture
def recorder(log, database, learned):
    return Recorder(database, learned.append)


@pytest.fixture
async def running(recorder):
    recorder.start()
    yield recorder
    await recorder.stop()


def append(recorder, number, **changes):
    return recorder.append(decision(number, **changes), RANKING, LEARNING)


def report(recorder, *rows):
    return recorder.outcomes(rows or [outcome()])


def reports(recorder, count):
    """Let so many outcomes wait, one to a report."""
    for number in range(count):
        report(recorder, outcome("shown", "card", event_id=f"e{number}"))


# Grouping


async def test_a_group_takes_a_thousand_decisions(recorder):
    for number in range(MOST_IN_A_GROUP + 5):
        append(recorder, number)
    assert recorder.queued == 1_005
    assert [len(recorder._take().entries) for _ in range(2)] == [1_000, 5]
    assert recorder.queued == 0


async def test_a_group_takes_a_hundred_outcomes(recorder):
    reports(recorder, MOST_OUTCOMES_IN_A_GROUP + 30)
    first, second = recorder._take(), recorder._take()
    assert (len(first.reports), len(second.reports)) == (100, 30)


@pytest.mark.parametrize(("outcome_count", "beside"), [(0, 0), (1, 1), (MOST_OUTCOMES_BESIDE, 50), (51, 0)])
async def test_few_outcomes_share_the_commit_of_decisions(recorder, outcome_count, beside):
    append(recorder, 1)
    reports(recorder, outcome_count)
    group = recorder._take()
    assert (len(group.entries), len(group.reports)) == (1, beside)


async def test_many_outcomes_and_decisions_take_turns(recorder):
    for number in range(3 * MOST_IN_A_GROUP):
        append(recorder, number, merchant_id=number % 2)
    reports(recorder, 260)
    groups = [recorder._take() for _ in range(6)]
    assert [(len(group.entries), len(group.reports)) for group in groups] == [
        (1_000, 0), (0, 100), (1_000, 0), (0, 100), (1_000, 0), (0, 60),
    ]  # fmt: skip


async def test_outcomes_do_not_wait_for_unknown_decisions(recorder):
    reports(recorder, 210)
    assert [len(recorder._take().reports) for _ in range(3)] == [100, 100, 10]


async def test_replacements_have_the_priority_of_decisions(recorder):
    reports(recorder, 90)
    recorder.replace(decision(1))
    first, second = recorder._take(), recorder._take()
    assert ([row.id for row in first.replacements], first.reports) == (["dec_1"], [])
    assert len(second.reports) == 90


async def test_a_replacement_takes_the_waiting_decision_out(recorder):
    append(recorder, 1)
    recorder.replace(decision(1))
    group = recorder._take()
    assert (group.entries, len(group.replacements), group.size) == ([], 1, 1)


@pytest.mark.parametrize(("facts", "history", "answer", "cost"), [
    (10, 10, 10, 1), (8_192, 0, 0, 2), (4_000, 4_000, 192, 2), (0, 8_192, 8_192, 3), (0, 0, 8_191, 1),
])  # fmt: skip
async def test_long_decisions_count_more_than_once(recorder, facts, history, answer, cost):
    append(recorder, 1, facts="x" * facts, history="x" * history, answer="x" * answer)
    assert recorder._entries.cost == cost


async def test_group_is_counted_and_split(recorder):
    append(recorder, 1)
    append(recorder, 2)
    recorder.replace(decision(3))
    report(recorder)
    group = recorder._take()
    assert group.size == 4
    pieces = list(group.pieces())
    assert [(len(piece.entries), len(piece.replacements), len(piece.reports)) for piece in pieces] == [
        (1, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1),
    ]  # fmt: skip
    assert [piece.size for piece in pieces] == [1, 1, 1, 1]


async def test_waiters_of_a_refused_group_get_the_error(recorder):
    entry, outcome_count, given_up = append(recorder, 1), report(recorder), append(recorder, 2)
    given_up.cancel()
    error = ValueError("refused")
    recorder._take().refuse(error)
    assert (entry.exception(), outcome_count.exception()) == (error, error)
    assert given_up.cancelled()


# Committing


async def test_a_decision_is_logged_when_its_future_is_done(running, log):
    await append(running, 1)
    assert list(log.decisions) == ["dec_1"]


async def test_a_report_gets_its_receipts(running, log):
    await append(running, 1)
    receipts = await report(running, outcome(event_id="a"), outcome(event_id="b", candidate="bitcoin"))
    assert [(receipt.event_id, receipt.status) for receipt in receipts] == [("a", "recorded"), ("b", "invalid")]


async def test_reports_of_a_group_get_their_own_receipts(running, log):
    await append(running, 1)
    first = report(running, outcome(event_id="a"), outcome(event_id="b"))
    second = report(running, outcome(event_id="c"))
    assert [receipt.event_id for receipt in await first] == ["a", "b"]
    assert [receipt.event_id for receipt in await second] == ["c"]


async def test_an_open_decision_is_pending_for_each_candidate(running, log):
    await asyncio.gather(append(running, 1), append(running, 2, closes_at=None))
    pending = [cell.candidates for sums in log.folded for cell in sums.of[WAITING.name]]
    assert pending == ["\n".join(sorted(RANKING))]


async def test_the_first_of_each_answer_is_tallied_by_minute(running, log):
    await asyncio.gather(
        append(running, 1), append(running, 2), append(running, 3, decided_at=DECIDED_AT + MINUTE),
        running.append(decision(4), [], LEARNING),
    )  # fmt: skip
    minute = DECIDED_AT // MINUTE
    assert log.firsts == {(1, "p", minute, "card"): 2, (1, "p", minute + 1, "card"): 1}


async def test_replacement_is_logged_and_clears_pending(running, log):
    await append(running, 1)
    running.replace(decision(1, closes_at=None, answer='{"ranking": [], "excluded": [], "fallback": true}'))
    await running.stop()
    assert log.decisions["dec_1"].closes_at is None
    pending = [values[0] for sums in log.folded for values in sums.of[WAITING.name].values()]
    assert (len(pending), sum(pending)) == (2, 0)


async def test_new_trials_are_announced_after_the_commit(running, learned):
    await append(running, 1)
    assert learned == []
    await report(running, outcome())
    assert [dict(new_trials) for new_trials in learned] == [{(1, "p", "converted", ""): 1}]


@pytest.mark.parametrize(("sums", "new_trials"), [
    ([(3, 1)], {(1, "p", "converted", "DE"): 3}),
    ([(-2, 0)], {(1, "p", "converted", "DE"): 2}),
    ([(0, 1)], {(1, "p", "converted", "DE"): 1}),
    ([(0, -1)], {(1, "p", "converted", "DE"): 1}),
    ([(2, 0), (1, 1)], {(1, "p", "converted", "DE"): 3}),
    ([(0, 0)], None),
    ([], None),
])  # fmt: skip
def test_new_trials_are_counted_by_bucket(recorder, learned, sums, new_trials):
    changes = Sums()
    for number, (trials, successes) in enumerate(sums):
        changes.add(STATISTICS, Cell(1, "p", "converted", "DE", f"c{number}", 0, 1), trials, successes, 0, 0)
    recorder._announce(changes)
    assert [dict(each) for each in learned] == ([new_trials] if new_trials else [])


# Failing


async def test_while_the_database_is_away_the_same_group_is_tried_again(running, database, log):
    database.errors = [AWAY, AWAY]
    await asyncio.gather(append(running, 1), append(running, 2))
    assert sorted(log.decisions) == ["dec_1", "dec_2"]
    assert database.commits == 1


async def test_a_lost_commit_is_not_counted_twice(running, database, log):
    await append(running, 1)
    before = len(log.folded)
    database.errors = [AWAY]
    await append(running, 1)
    assert [sums.of[WAITING.name] for sums in log.folded[before:]] == [{}]
    assert sum(log.firsts.values()) == 1


async def test_a_rejected_group_is_committed_piece_by_piece(running, database, log):
    database.errors = [REJECTED, None, REJECTED]
    results = await asyncio.gather(*(append(running, number) for number in (1, 2, 3)), return_exceptions=True)
    assert results == [{}, REJECTED, {}]
    assert sorted(log.decisions) == ["dec_1", "dec_3"]


async def test_a_rejected_single_report_gets_the_error(running, database):
    database.errors = [REJECTED]
    [result] = await asyncio.gather(report(running), return_exceptions=True)
    assert result is REJECTED


async def test_recorder_continues_after_an_error(running, database, log):
    database.errors = [ValueError("a defect")]
    await asyncio.gather(append(running, 1), return_exceptions=True)
    await append(running, 2)
    assert list(log.decisions) == ["dec_2"]


@pytest.mark.parametrize(("error", "retried"), [
    (OperationalError("BEGIN", {}, Exception("locked")), True),
    (InterfaceError("BEGIN", {}, Exception("closed")), True),
    (DBAPIError("BEGIN", {}, Exception("gone"), connection_invalidated=True), True),
    (DBAPIError("BEGIN", {}, Exception("odd")), False),
    (PoolTimeout(), True),
    (OSError("connection refused"), True),
    (sqlite3.OperationalError("disk I/O error"), True),
    (DBAPIError("COMMIT", {}, SqlState("40001")), True),
    (OperationalError("COMMIT", {}, SqlState("22001")), False),
    (ProgrammingError("INSERT", {}, Exception("no such table")), False),
    (REJECTED, False),
    (ValueError("a defect"), False),
])  # fmt: skip
async def test_only_faults_of_the_database_are_retried(running, database, log, error, retried):
    database.errors = [error]
    [result] = await asyncio.gather(append(running, 1), return_exceptions=True)
    assert (result == {}) == retried
    assert ("dec_1" in log.decisions) == retried


# Stopping and closing


async def test_stop_writes_queued_rows_first(recorder, log):
    recorder.start()
    futures = [append(recorder, number) for number in range(20)]
    await recorder.stop()
    assert all(future.done() for future in futures)
    assert len(log.decisions) == 20


async def test_stop_does_not_wait_for_an_unreachable_database(recorder, database):
    recorder.start()
    database.errors = [AWAY] * 5
    futures = [append(recorder, 1), report(recorder)]
    async with asyncio.timeout(5):
        await recorder.stop()
    assert [future.exception() for future in futures] == [AWAY, AWAY]


async def test_a_recorder_that_never_started_stops_at_once(recorder):
    await recorder.stop()


async def test_a_future_that_was_given_up_harms_no_other(running, log):
    given_up, other = append(running, 1), append(running, 2)
    given_up.cancel()
    await other
    assert sorted(log.decisions) == ["dec_1", "dec_2"]
    lost, kept = report(running, outcome(event_id="a")), report(running, outcome(event_id="b"))
    lost.cancel()
    assert [receipt.status for receipt in await kept] == ["recorded"]


@pytest.mark.parametrize("count", [0, 1, 499, 500, 501])
async def test_all_windows_that_ended_are_closed(recorder, log, learned, count):
    closes_at = DECIDED_AT + MINUTE
    await log.append(None, [decision(number, closes_at=closes_at) for number in range(count)])
    assert await recorder.close_due(closes_at - 1) == 0
    assert await recorder.close_due(closes_at) == count
    assert sum(sum(new_trials.values()) for new_trials in learned) == 3 * count
    assert await recorder.close_due(closes_at) == 0


def test_an_empty_group_has_no_pieces():
    group = CommitGroup([], [], [])
    assert (group.size, list(group.pieces())) == (0, [])
