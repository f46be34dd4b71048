"""Group commit: what is acknowledged is on the disk; faults refuse only their cause, or become fallbacks."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys

import msgspec
import pytest
from sqlalchemy.exc import OperationalError

from engine.clock import now_ms
from engine.data_folder import database_url
from engine.decisions import decide, rebuild
from engine.decisions.customers import CustomerLoader
from engine.decisions.recorder import Overloaded
from engine.learning.credit_settings import Learning
from engine.model.errors import NotFound
from engine.model.placement import FieldDocument, Subset
from engine.store import decisions, outcomes
from engine.store.connection.database import open_database
from tests.factories import METHODS, candidate, order, placement, rule
from tests.marks import SQLITE, SQLITE_FIRST

LEARNING = Learning("converted", "cascade", 60, "EUR", contextual=False)
pytestmark = pytest.mark.anyio


@pytest.fixture
async def second_look(engine):
    """A second way to the same database, which sees only what is committed."""
    database = open_database(database_url(engine.settings))

    async def find(answer):
        async with database.read() as connection:
            id = answer.decision.decision_id
            merchant_id = await decisions.merchant_of(connection, id)
            return None if merchant_id is None else await decisions.find(connection, merchant_id, id)

    yield find
    await database.close()


BUSY = OperationalError("BEGIN", {}, Exception("database is locked"))


@pytest.fixture
def away(monkeypatch):
    """`away(engine, times=3)`: the database fails to begin so often."""

    def fail(engine, *, times, error=BUSY):
        transact, left = engine.database.transact, [times]

        async def failing(work):
            if left[0] > 0:
                left[0] -= 1
                raise error
            return await transact(work)

        monkeypatch.setattr(engine.database, "transact", failing)
        return left

    return fail


async def until(condition, seconds=8.0):
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)


async def test_answer_is_durable_when_returned(shop, second_look):
    answer = await shop.decide("c1", cart_total=12_900)
    row = await second_look(answer)
    assert row.answer.encode() == answer.body
    assert msgspec.json.decode(row.facts)["cart.total"] == 12_900
    assert row.closes_at == row.decided_at + 60 * 60_000
    assert answer.decision.decision_id.startswith(f"dec_{row.decided_at:012x}")


async def test_a_receipt_is_given_when_the_outcome_is_on_the_disk(shop, second_look):
    answer = await shop.decide()
    await shop.report(answer, "converted", "card", event="e")
    other = open_database(database_url(shop.engine.settings))
    async with other.read() as connection:
        kept = await outcomes.of_decisions(connection, [answer.decision.decision_id])
    await other.close()
    assert [item.event_id for item in kept[answer.decision.decision_id]] == ["e"]


async def test_concurrent_requests_share_commits_and_get_their_own_answers(shop, monkeypatch):
    commits = 0
    commit = shop.engine.recorder._commit

    async def counting(group, **more):
        nonlocal commits
        commits += 1
        await commit(group, **more)

    monkeypatch.setattr(shop.engine.recorder, "_commit", counting)
    answers = await asyncio.gather(*(shop.decide(f"c{number}") for number in range(200)))
    assert commits < 100
    assert len({answer.decision.decision_id for answer in answers}) == 200
    logged = await shop.engine.logbook.search(shop.id, limit=500)
    assert {entry.row.id for entry in logged} == {answer.decision.decision_id for answer in answers}


async def test_an_event_sent_by_many_at_once_counts_once(shop):
    answer = await shop.decide()
    first = order(answer.decision)[0]
    row = shop.outcome(answer, "converted", first, event="once")
    receipts = await asyncio.gather(*(shop.engine.recorder.outcomes([row]) for _ in range(40)))
    statuses = [receipt.status for (receipt,) in receipts]
    assert sorted(statuses) == ["duplicate"] * 39 + ["recorded"]
    assert await shop.counts() == {first: (1, 1)}


async def test_row_refused_by_the_database_does_not_affect_others(shop, second_look):
    recorder = shop.engine.recorder
    good = await shop.decide()
    row = await second_look(good)
    rows = [msgspec.structs.replace(row, id=f"{row.id[:16]}{number:020x}") for number in range(6)]
    rows[3] = msgspec.structs.replace(rows[3], merchant_id=10**6)
    outcome = shop.outcome(good, "converted", "card")
    poisonous = msgspec.structs.replace(shop.outcome(None, "converted", "card", customer="c"), merchant_id=10**6)
    futures = [recorder.append(row, order(good.decision), LEARNING) for row in rows]
    futures += [recorder.outcomes([outcome]), recorder.outcomes([poisonous])]
    results = await asyncio.gather(*futures, return_exceptions=True)
    assert [number for number, item in enumerate(results) if isinstance(item, Exception)] == [3, 7]
    async with shop.engine.database.read() as connection:
        kept = await decisions.by_ids(connection, shop.id, [row.id for row in rows])
    assert set(kept) == {row.id for row in rows if row is not rows[3]}
    assert results[6][0].status == "recorded"
    assert await rebuild.compare(shop.engine.database) == []


async def test_a_decision_that_cannot_be_written_becomes_a_fallback(shop, second_look, monkeypatch):
    log_row = decide.log_row

    def poisonous(answer, merchant_id, *rest, **more):
        row = log_row(answer, merchant_id, *rest, **more)
        return row if answer.decision.fallback else msgspec.structs.replace(row, merchant_id=10**6)

    monkeypatch.setattr(decide, "log_row", poisonous)
    answer = await shop.decide()
    assert answer.decision.fallback
    assert order(answer.decision) == list(METHODS)

    async def logged():
        return await second_look(answer) is not None

    await until(logged)


@SQLITE_FIRST
@pytest.mark.parametrize("error", [BUSY, sqlite3.OperationalError("disk I/O error")], ids=["wrapped", "the driver's"])
async def test_short_database_outage_is_not_visible(shop, away, second_look, error):
    away(shop.engine, times=2, error=error)
    answer = await shop.decide()
    assert not answer.decision.fallback
    assert (await second_look(answer)).answer.encode() == answer.body


async def test_when_the_database_is_away_the_checkout_gets_the_fallback_in_time(shop, away, second_look):
    shop.engine.decider._timeout = 0.2
    left = away(shop.engine, times=10**6)
    began = asyncio.get_running_loop().time()
    answer = await shop.decide("c1", geo_country="DE")
    assert asyncio.get_running_loop().time() - began < 0.5
    assert answer.decision.fallback
    assert order(answer.decision) == list(METHODS)
    assert msgspec.json.decode(answer.body)["fallback"] is True
    left[0] = 0

    async def logged():
        row = await second_look(answer)
        return row is not None and row.answer.encode() == answer.body

    await until(logged)
    assert (await shop.engine.logbook.replay(shop.id, answer.decision.decision_id)).same


async def test_fallback_is_not_learned(shop, away, second_look):
    shop.engine.decider._timeout = 0.2
    left = away(shop.engine, times=3)
    answer = await shop.decide("c1")
    assert answer.decision.fallback
    left[0] = 0
    assert (await shop.report(answer, "converted", "card")).status == "recorded"
    assert (await second_look(answer)).closes_at is None
    assert await shop.engine.recorder.close_due(now_ms() + 10**8) == 0
    assert await shop.counts() == {}
    assert (await shop.decide("c1")).facts.history == {}
    assert await rebuild.compare(shop.engine.database) == []


async def test_the_fallback_keeps_to_the_catalogue_and_the_shape(empty_shop, away):
    few = placement(shape=Subset(2))
    await empty_shop.add_placement(
        few,
        candidate("ideal", countries=("NL",)),
        candidate("card", position=1),
        candidate("b", position=2),
        candidate("c"),
    )
    await empty_shop.create("rule", rule({"exclude": ["card"]}))
    empty_shop.engine.decider._timeout = 0.1
    away(empty_shop.engine, times=2)
    decision = (await empty_shop.decide(geo_country="DE")).decision
    assert order(decision) == ["c", "card"]
    assert [(excluded_candidate.id, excluded_candidate.reason) for excluded_candidate in decision.excluded] == [
        ("ideal", "not offered in DE")
    ]
    assert decision.propensity == 1.0


HOLD_THE_LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
connection.execute("COMMIT")
"""


@SQLITE
async def test_checkout_gets_answers_while_another_process_holds_the_lock(shop, second_look):
    shop.engine.decider._timeout = 0.2
    path = f"{shop.engine.settings.data}/tap2.sqlite"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_THE_LOCK, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"held\n"
        answers = [await shop.decide(f"c{number}") for number in range(3)]
        assert all(answer.decision.fallback for answer in answers)
        holder.stdin.close()

    async def logged():
        rows = [await second_look(answer) for answer in answers]
        return all(row is not None and row.answer.encode() == a.body for row, a in zip(rows, answers, strict=True))

    await until(logged)
    shop.engine.decider._timeout = 5
    assert not (await shop.decide()).decision.fallback


@pytest.mark.parametrize("database_kind", ["postgres"], indirect=True)
@pytest.mark.postgres
async def test_answers_continue_during_a_database_crash_and_are_stored_later(
    shop, second_look, postgres_process, crash_postgres
):
    shop.engine.decider._timeout = 0.2
    before = await shop.decide()
    await asyncio.to_thread(crash_postgres)
    answers = [await shop.decide() for _ in range(3)]
    assert all(answer.decision.fallback for answer in answers)
    reported = shop.engine.recorder.outcomes([shop.outcome(before, "converted", order(before.decision)[0])])
    await asyncio.sleep(0.3)
    assert not reported.done()
    await asyncio.to_thread(postgres_process.ensure_postgres_running)
    async with asyncio.timeout(10):
        assert [receipt.status for receipt in await reported] == ["recorded"]
    for answer in answers:
        assert (await second_look(answer)).answer.encode() == answer.body
    assert (await second_look(before)).answer.encode() == before.body
    shop.engine.decider._timeout = 5
    assert not (await shop.decide()).decision.fallback


async def test_full_queue_causes_fallbacks_and_refused_outcomes(shop):
    queues = (shop.engine.recorder._entries, shop.engine.recorder._replacements, shop.engine.recorder._reports)
    for queue in queues:
        queue.most = 0
    assert (await shop.decide()).decision.fallback
    with pytest.raises(Overloaded):
        await shop.report("dec_1", "converted", "card")
    for queue in queues:
        queue.most = 10
    assert not (await shop.decide()).decision.fallback


async def test_stop_writes_queued_rows(shop, settings, start_engine):
    tasks = [asyncio.ensure_future(shop.decide(f"c{number}")) for number in range(30)]
    await asyncio.sleep(0)
    while not shop.engine.recorder.queued:
        await asyncio.sleep(0)
    await shop.engine.recorder.stop()
    answers = await asyncio.gather(*tasks)
    given = {answer.decision.decision_id for answer in answers if not answer.decision.fallback}
    other = await start_engine()
    logged = {item.row.id for item in await other.logbook.search(shop.id)}
    assert given <= logged
    assert given


async def test_stop_during_an_outage_is_quick_and_fails_waiting_requests(shop, away):
    answer = await shop.decide()
    away(shop.engine, times=10**6)
    futures = [shop.engine.recorder.outcomes([shop.outcome(answer, "converted", "card")]) for _ in range(5)]
    async with asyncio.timeout(2):
        await shop.engine.recorder.stop()
    results = await asyncio.gather(*futures, return_exceptions=True)
    assert all(isinstance(result, OperationalError) for result in results)


async def test_cancelled_request_does_not_affect_others(shop):
    requests = [asyncio.ensure_future(shop.decide(f"c{number % 3}")) for number in range(30)]
    await asyncio.sleep(0.001)
    for request in requests[::2]:
        request.cancel()
    results = await asyncio.gather(*requests, return_exceptions=True)
    assert not any(result.decision.fallback for result in results[1::2])
    answer = await shop.decide()
    assert (await shop.report(answer, "converted", order(answer.decision)[0])).status == "recorded"
    assert await rebuild.compare(shop.engine.database) == []


async def test_more_outcomes_at_once_than_a_statement_takes_are_recorded_all(shop):
    """Both databases take some 32,000 parameters in a statement."""
    rows = [shop.outcome(f"dec_{number}", "converted", "card") for number in range(40_000)]
    reports = [rows[start : start + 500] for start in range(0, len(rows), 500)]
    async with asyncio.timeout(60):
        receipts = await asyncio.gather(*(shop.engine.recorder.outcomes(report) for report in reports))
    assert {receipt.status for each in receipts for receipt in each} == {"unknown_decision"}


async def test_a_customers_past_is_loaded_however_requests_meet(shop):
    """A request that comes just when the loader ends must not be forgotten by it."""
    usage = CustomerLoader(shop.engine.database)
    for pause in range(60):
        first = usage.load(shop.id, "a")
        await first
        for _ in range(pause % 12):
            await asyncio.sleep(0)
        async with asyncio.timeout(2):
            await usage.load(shop.id, "b")


async def test_text_that_a_database_may_refuse_is_kept(empty_shop):
    await empty_shop.create("field", FieldDocument(name="customer.mood", type="string", allowed=("“süß” 😀",)))
    await empty_shop.add_placement(placement(buckets=("customer.mood",)))
    odd = "a\x00b\\u0000"
    for mood in ("“süß” 😀", "\x00"):
        answer = await empty_shop.decide("c\x00", customer_mood=mood, customer_segment=odd, cart_total=10**30)
        assert not answer.decision.fallback
        logged = await empty_shop.engine.logbook.get(empty_shop.id, answer.decision.decision_id)
        assert msgspec.json.decode(logged.row.facts)["customer.segment"] == odd
        assert (await empty_shop.engine.logbook.replay(empty_shop.id, logged.row.id)).same


async def test_out_of_range_id_is_not_found(shop):
    assert (await shop.report("dec_\x00", "converted", "card")).status == "unknown_decision"
    with pytest.raises(NotFound):
        await shop.engine.logbook.get(shop.id, "dec_\x00")


def test_a_value_that_may_become_a_bucket_is_plain_text():
    with pytest.raises(msgspec.ValidationError, match="allowed"):
        msgspec.convert({"name": "customer.mood", "type": "string", "allowed": ["gl\x00ad"]}, FieldDocument)
