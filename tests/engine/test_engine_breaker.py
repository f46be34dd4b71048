"""While nothing can be stored, decisions do not wait for the database; the next commit ends that."""

from __future__ import annotations

import asyncio
import sqlite3

import msgspec
import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from engine.decisions.customers import CustomerLoader
from engine.decisions.queueing.breaker import FAILURES, Breaker, BreakerOpen, fault_of
from engine.decisions.queueing.fair_queue import Overloaded
from engine.learning.credit_settings import Learning
from engine.store import decisions

LEARNING = Learning("converted", "cascade", 60, "EUR", contextual=False)
pytestmark = pytest.mark.anyio
BUSY = OperationalError("BEGIN", {}, Exception("database is locked"))


@pytest.fixture
def away(shop, monkeypatch):
    """`away[0] = True`: every transaction on the path of decisions fails."""
    transact, is_away = shop.engine.database.transact, [False]

    async def failing(work):
        if is_away[0]:
            raise BUSY
        return await transact(work)

    monkeypatch.setattr(shop.engine.database, "transact", failing)
    return is_away


async def stored(shop, answer):
    async with shop.engine.database.read() as connection:
        return await decisions.find(connection, shop.id, answer.decision.decision_id)


def test_the_breaker_opens_after_failures_in_a_row():
    breaker = Breaker()
    for _ in range(FAILURES - 1):
        breaker.fail()
        assert not breaker.is_open
    breaker.succeed()
    for _ in range(FAILURES):
        assert not breaker.is_open
        breaker.fail()
    assert breaker.is_open
    breaker.succeed()
    assert not breaker.is_open


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (BreakerOpen(), "database_away"),
        (TimeoutError(), "timeout"),
        (Overloaded(), "overloaded"),
        (BUSY, "database"),
        (OSError("no route to host"), "database"),
        (sqlite3.OperationalError("disk I/O error"), "database"),
        (ValueError("a defect"), "other"),
    ],
)
def test_a_fallback_names_its_fault(error, fault):
    assert fault_of(error) == fault


async def test_after_three_failures_no_decision_waits_for_the_database(shop, away):
    away[0], shop.engine.decider._timeout = True, 0.2
    faults = [(await shop.decide(f"c{number}")).fault for number in range(6)]
    assert faults[0] == "timeout"
    assert faults[-1] == "database_away"
    shop.engine.decider._timeout = 60
    answer = await asyncio.wait_for(shop.decide("c1", geo_country="DE"), 5)
    assert answer.decision.fallback
    away[0] = False
    async with asyncio.timeout(8):
        while await stored(shop, answer) is None:
            await asyncio.sleep(0.02)
    assert (await shop.decide("c1")).fault == ""


async def test_a_success_between_failures_keeps_the_breaker_closed(shop):
    breaker = shop.engine.recorder.breaker
    for _ in range(2):
        for _ in range(FAILURES - 1):
            breaker.fail()
        assert not (await shop.decide()).decision.fallback
    assert not breaker.is_open


async def test_refused_row_does_not_open_the_breaker(shop):
    """One merchant's fault must not cost the others their answers."""
    row = await stored(shop, await shop.decide())
    for number in range(2 * FAILURES):
        poisonous = msgspec.structs.replace(row, id=f"{row.id[:16]}{number:020x}", merchant_id=10**6)
        with pytest.raises((IntegrityError, sqlite3.IntegrityError)):
            await shop.engine.recorder.append(poisonous, ["card"], LEARNING)
    assert not shop.engine.recorder.breaker.is_open


async def test_decision_without_history_is_preferred_to_a_fallback(shop, monkeypatch):
    async def fail(*_):
        raise OperationalError("SELECT", {}, Exception("disk I/O error"))

    monkeypatch.setattr(CustomerLoader, "load", fail)
    answer = await shop.decide("c1")
    assert not answer.decision.fallback
    assert answer.facts.history == {}
    assert (await shop.engine.logbook.replay(shop.id, answer.decision.decision_id)).same
