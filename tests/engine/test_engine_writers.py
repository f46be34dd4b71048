"""Processes that share a PostgreSQL add to rows of their own, so that no commit waits for another."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import func, select

from engine import jobs
from engine.clock import now_ms
from engine.decisions import rebuild
from engine.model.timestamps import DAY, MINUTE
from engine.store import folds, rollups
from engine.store.connection import writers
from engine.store.connection.writers import merge_past
from engine.store.folds import WAITING, Sums, WaitingCell
from engine.store.tables import pending_trials, statistics, tallies
from tests.factories import order

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("reproducible_draws")]
LATER = 3 * 60 * MINUTE


def become_process(monkeypatch, number):
    """Write as another process would."""
    monkeypatch.setattr(writers, "_OWN", number)


async def rows_of(shop, table):
    async with shop.engine.database.read() as connection:
        return (await connection.execute(select(func.count()).select_from(table))).scalar()


async def sell(shop, customer):
    answer = await shop.decide(customer)
    await shop.report(answer, "converted", order(answer.decision)[0])


async def test_the_sums_of_two_processes_add_up_as_in_the_log(shop, monkeypatch):
    for number in (1, 2):
        become_process(monkeypatch, number)
        await sell(shop, f"c{number}")
        await shop.decide(f"d{number}")
    await shop.engine.recorder.close_due(now_ms() + LATER)
    assert await rebuild.compare(shop.engine.database) == []
    await rebuild.rebuild(shop.engine.database)
    assert await rebuild.compare(shop.engine.database) == []


@pytest.mark.parametrize("database_kind", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
class TestOnPostgres:
    async def test_processes_do_not_wait_for_each_others_rows(self, shop, monkeypatch):
        database, minute = shop.engine.database, now_ms() // MINUTE
        cell = WaitingCell(shop.merchant.id, "payment_methods", "converted", "", "card\npaypal", 0, minute)
        sums = Sums()
        sums.add(WAITING, cell, 1)
        firsts = {(shop.merchant.id, "payment_methods", minute, "card"): 1}
        become_process(monkeypatch, 1)
        async with database.write() as first:
            await rollups.add_firsts(first, firsts)
            await folds.add(first, sums)
            become_process(monkeypatch, 2)
            async with asyncio.timeout(1), database.write() as second:
                await rollups.add_firsts(second, firsts)
                await folds.add(second, sums)
        async with database.read() as connection:
            counted = await rollups.answers_by_span(
                connection,
                shop.merchant.id,
                "payment_methods",
                since_minute=minute,
                before_minute=minute + 1,
                span_ms=MINUTE,
            )
        assert counted == {minute: 2}

    async def test_rows_of_past_times_are_merged(self, shop, monkeypatch):
        for customer in range(12):
            become_process(monkeypatch, 1 + customer % 3)
            await sell(shop, f"c{customer}")
        apart = await rows_of(shop, statistics)
        before = await shop.counts()
        later = now_ms() // MINUTE + 2 * DAY // MINUTE
        await merge_past(shop.engine.database, folds.mergeable(before_minute=later))
        assert await rows_of(shop, statistics) < apart
        assert await shop.counts() == before
        assert await rebuild.compare(shop.engine.database) == []
        async with shop.engine.database.read() as connection:
            of_writers = [
                (await connection.execute(select(func.max(table.c.writer)))).scalar()
                for table in (statistics, tallies, pending_trials)
            ]
        assert of_writers == [0, 0, 0]

    async def test_rows_of_now_stay_apart(self, shop, monkeypatch):
        for number in (1, 2):
            become_process(monkeypatch, number)
            await sell(shop, f"c{number}")
        apart = await rows_of(shop, tallies)
        await merge_past(shop.engine.database, folds.mergeable(before_minute=now_ms() // MINUTE - 10))
        assert await rows_of(shop, tallies) == apart

    async def test_a_purge_leaves_no_pending_rows_of_processes_that_cancel_each_other(self, shop, monkeypatch):
        become_process(monkeypatch, 1)
        await shop.decide("c1")
        become_process(monkeypatch, 2)
        await shop.engine.recorder.close_due(now_ms() + LATER)
        assert await rows_of(shop, pending_trials) > 1
        long_after = now_ms() + 40 * DAY
        monkeypatch.setattr(jobs, "now_ms", lambda: long_after)
        await jobs.purge(shop.engine.database, retention_days=400)
        assert await rows_of(shop, pending_trials) == 0
