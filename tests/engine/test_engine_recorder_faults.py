"""Faults of the database: which are tried again, what an unsure commit leads to, and what the log says of them."""

from __future__ import annotations

import asyncio
import json

import msgspec
import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from engine.clock import now_ms
from engine.decisions import rebuild
from engine.decisions.recorder import MOST_OUTCOMES_IN_A_GROUP, MOST_OUTCOMES_QUEUED, MOST_QUEUED, Overloaded, Recorder
from engine.learning import live
from engine.learning.credit_settings import Learning
from engine.model.outcome import MOST_OUTCOMES
from engine.model.scope import Scope
from engine.model.timestamps import DAY, MINUTE, first_id_of
from engine.previews.previews import Period
from engine.previews.process import PreviewProcess
from engine.store import folds, rollups
from engine.store.decisions import DecisionRow
from tests.factories import order
from tests.marks import SQLITE_FIRST
from web.http import logs

LEARNING = Learning("converted", "cascade", 60, "EUR", contextual=False)
MARK = "kakadu"
pytestmark = pytest.mark.anyio


class SqlState(Exception):
    """The driver's error, with its SQLSTATE."""

    def __init__(self, sqlstate):
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


LOST = OperationalError("COMMIT", {}, Exception("the connection was closed"))
REJECTED = IntegrityError("INSERT", {}, SqlState("23514"))


@pytest.fixture
def faults(monkeypatch):
    """Return `faults(engine, ("before", error), ...)`: the next commits raise these, before or after they happen."""

    def arrange(engine, *script):
        transact, script = engine.database.transact, list(script)

        async def failing(work):
            kind, error = script.pop(0) if script else ("", None)
            if kind == "before":
                raise error
            result = await transact(work)
            if kind == "after":
                raise error
            return result

        monkeypatch.setattr(engine.database, "transact", failing)

    return arrange


async def firsts(shop):
    async with shop.engine.database.read() as connection:
        rows = await rollups.shares(connection, shop.id, "payment_methods", since_minute=0)
    return sum(row.firsts for row in rows)


async def pending_trials(shop):
    async with shop.engine.database.read() as connection:
        cells = (await folds.stored(connection)).of["waiting"].items()
    return sum(trials * len(folds.WaitingCell(*cell).of_each()) for cell, (trials,) in cells)


def row_of(shop, number):
    return DecisionRow(f"dec_{number:032x}", shop.id, "payment_methods", None, 0, None, 1, 0, "", "{}", "{}", "{}")


@SQLITE_FIRST
@pytest.mark.parametrize("sqlstate", ["40001", "40P01", "08006", "53300", "57P01", "58030"])
async def test_temporary_faults_are_retried_without_a_fallback(shop, faults, sqlstate):
    faults(shop.engine, ("before", DBAPIError("COMMIT", {}, SqlState(sqlstate))))
    answer = await shop.decide()
    assert not answer.decision.fallback
    assert (await shop.engine.logbook.get(shop.id, answer.decision.decision_id)).decision == answer.decision


async def test_a_commit_whose_answer_was_lost_counts_once(shop, faults):
    faults(shop.engine, ("after", LOST))
    answer = await shop.decide("c1")
    assert not answer.decision.fallback
    assert await firsts(shop) == 1
    assert await rebuild.compare(shop.engine.database) == []


async def test_decisions_of_a_split_group_count_once(shop, faults):
    """The first commit happened but its answer was lost; then the database rejects the group, and it is split."""
    row = (await shop.engine.logbook.get(shop.id, (await shop.decide("c1")).decision.decision_id)).row
    faults(shop.engine, ("after", LOST), ("before", REJECTED))
    recorder, before = shop.engine.recorder, await pending_trials(shop)
    copies = [msgspec.structs.replace(row, id=first_id_of(row.decided_at) + f"{number:020x}") for number in range(2)]
    await asyncio.gather(*(recorder.append(copy, ["card", "paypal"], LEARNING) for copy in copies))
    assert await firsts(shop) == 3
    assert await pending_trials(shop) == before + 4


async def test_queue_has_room_for_20000_decisions(shop):
    recorder = Recorder(shop.engine.database, lambda _: None)
    for number in range(20_000):
        row = msgspec.structs.replace(row_of(shop, number), merchant_id=number % 2)
        recorder.append(row, ["card"], LEARNING)
    with pytest.raises(Overloaded):
        recorder.append(msgspec.structs.replace(row_of(shop, -1), merchant_id=3), ["card"], LEARNING)
    assert recorder.queued == MOST_QUEUED == 20_000


async def test_one_merchant_fills_half_of_the_queue(shop):
    recorder = Recorder(shop.engine.database, lambda _: None)
    for number in range(MOST_QUEUED // 2):
        recorder.append(row_of(shop, number), ["card"], LEARNING)
    with pytest.raises(Overloaded):
        recorder.append(row_of(shop, -1), ["card"], LEARNING)
    recorder.append(msgspec.structs.replace(row_of(shop, -2), merchant_id=-1), ["card"], LEARNING)
    recorder.replace(row_of(shop, 0))
    assert recorder.queued == MOST_QUEUED // 2 + 1


async def test_waiting_outcomes_are_counted_by_rows(shop):
    recorder, rows = Recorder(shop.engine.database, lambda _: None), [shop.outcome("dec_1", "shown")] * 500
    for _ in range(MOST_OUTCOMES_QUEUED // 2 // 500):
        recorder.outcomes(rows)
    with pytest.raises(Overloaded):
        recorder.outcomes(rows[:1])
    recorder.append(row_of(shop, 0), ["card"], LEARNING)


async def test_decisions_have_priority_over_many_reports(shop):
    """A group holds the few decisions that wait, and then some of the reports, of all merchants in turn."""
    recorder = Recorder(shop.engine.database, lambda _: None)
    for number in range(10):
        recorder.outcomes([shop.outcome("dec_1", "shown")] * 500)
        recorder.append(row_of(shop, number), ["card"], LEARNING)
    recorder.outcomes([msgspec.structs.replace(shop.outcome("dec_1", "shown"), merchant_id=-1)])
    first, second, third = (recorder._take() for _ in range(3))
    assert (len(first.entries), first.reports) == (10, [])
    assert second.entries == third.entries == []
    assert [report.rows[0].merchant_id for group in (second, third) for report in group.reports] == [
        shop.id,
        -1,
        shop.id,
    ]
    assert [sum(len(report.rows) for report in group.reports) for group in (second, third)] == [100, 101]


async def test_a_long_report_is_committed_in_pieces(shop):
    decision = (await shop.decide()).decision
    rows = [shop.outcome("dec_1", "shown") for _ in range(2 * MOST_OUTCOMES_IN_A_GROUP)]
    rows += [shop.outcome(decision.decision_id, "shown", "card") for _ in range(MOST_OUTCOMES)]
    receipts = await shop.engine.recorder.outcomes(rows)
    assert [receipt.event_id for receipt in receipts] == [row.event_id for row in rows]
    assert {receipt.status for receipt in receipts[-MOST_OUTCOMES:]} == {"recorded"}
    assert {receipt.status for receipt in receipts[:-MOST_OUTCOMES]} == {"unknown_decision"}


async def test_only_successes_are_purchases(shop):
    for _ in range(3):
        answer = await shop.decide("c1")
        first = order(answer.decision)[0]
        await shop.report(answer, "declined", first)
    answer = await shop.decide("c1")
    bought = order(answer.decision)[-1]
    await shop.report(answer, "converted", bought)
    facts = (await shop.decide("c1")).facts
    assert {name: past.purchases for name, past in facts.history.items() if past.purchases} == {bought: 1}
    assert sum(past.trials for past in facts.history.values()) > 1
    assert facts.values["history.purchases"] == 1


async def test_outcomes_count_in_the_order_of_occurrence(shop):
    answer = await shop.decide("c1")
    first, now = order(answer.decision)[0], now_ms()
    await shop.report(answer, "converted", first, amount=2_000, occurred_at=now + MINUTE)
    await shop.report(answer, "converted", first, amount=1_000, occurred_at=now)
    explained = await shop.engine.logbook.explain(shop.id, answer.decision.decision_id)
    assert [outcome.amount for outcome in explained.outcomes] == [1_000, 2_000]
    async with shop.engine.database.read() as connection:
        scope = Scope(shop.id, "payment_methods", "converted")
        [day] = await folds.days(connection, scope, bucket=None, since_day=0)
    assert (day.candidate, day.amount) == (first, 2_000)


@pytest.fixture
def log_lines(capfd):
    """Return `log_lines(event)`: the JSON lines of an event, after a check that no line quotes the mark."""
    logs.configure("info")
    capfd.readouterr()

    def read(event):
        text = capfd.readouterr().err
        assert MARK not in text
        return [line for line in map(json.loads, text.splitlines()) if line["event"] == event]

    return read


def names_a_place(line):
    return any("/engine/" in frame and ".py:" in frame for frame in line["at"])


async def test_fallback_logs_its_source_line(shop, monkeypatch, log_lines):
    def broken(*_values, **_more):
        raise ValueError(f"{MARK} is no number")

    monkeypatch.setattr("engine.decisions.decide.facts_of", broken)
    assert (await shop.decide(MARK, customer_segment=MARK)).decision.fallback
    [line] = log_lines("fell back")
    assert line["fault"] == ["ValueError"]
    assert any("decide.py" in frame and frame.endswith("_facts") for frame in line["at"])


async def test_group_not_committed_logs_its_source_line(shop, faults, log_lines):
    faults(shop.engine, ("before", OperationalError(f"INSERT {MARK}", {"customer": MARK}, Exception(MARK))))
    assert not (await shop.decide(MARK)).decision.fallback
    [line] = log_lines("group not committed")
    assert (line["then"], line["pieces"]) == ("retry later", 1)
    assert names_a_place(line)


async def test_unfinished_preview_logs_its_source_line(shop, monkeypatch, log_lines):
    async def broken(_self):
        raise RuntimeError(MARK)

    monkeypatch.setattr(PreviewProcess, "listen", broken)
    now = now_ms()
    started = await shop.engine.previews.start_draft(shop.actor(), "payment_methods", Period(now - DAY, now))
    assert (await shop.engine.previews.finish(shop.id, started.id)).state == "failed"
    [line] = log_lines("preview not finished")
    assert line["fault"] == ["RuntimeError"]
    assert names_a_place(line)


async def test_plan_not_loaded_logs_its_source_line(shop, start_engine, monkeypatch, log_lines):
    def broken(*_values, **_more):
        raise ValueError(MARK)

    monkeypatch.setattr(live, "compile_plan", broken)
    other = await start_engine()
    assert other.live.get(shop.id, "payment_methods") is None
    [line] = log_lines("plan not loaded")
    assert line["fault"] == ["ValueError"]
    assert names_a_place(line)
