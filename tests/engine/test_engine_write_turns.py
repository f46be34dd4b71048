"""Writes off the path of a decision do not hold up decisions."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from engine.store.connection import database as module
from engine.store.connection.database import POOL_SIZE, open_database

pytestmark = pytest.mark.anyio
BURST = 50
PAGE_SECONDS = 0.005


@pytest.fixture
async def database(empty_url):
    opened = open_database(empty_url)
    yield opened
    await opened.close()


async def test_a_decision_waits_for_few_of_many_writes(database):
    finished = []

    async def save_page():
        async with database.write() as connection:
            await connection.execute(text("SELECT 1"))
            await asyncio.sleep(PAGE_SECONDS)
        finished.append("page")

    async def decide():
        await database.transact(lambda connection: connection.execute(text("SELECT 1")))
        finished.append("decision")

    await asyncio.gather(*(decide() for _ in range(POOL_SIZE)))  # opens every connection
    finished.clear()
    pages = [asyncio.create_task(save_page()) for _ in range(BURST)]
    await asyncio.sleep(0)
    await asyncio.gather(decide(), *pages)
    assert finished.index("decision") <= (2 if database.is_sqlite else BURST // 2)
    assert len(finished) == BURST + 1


async def test_a_write_that_waits_too_long_is_refused(database, monkeypatch):
    monkeypatch.setattr(module, "TURN_WAIT_SECONDS", 0.05)
    release = asyncio.Event()

    async def hold():
        async with database.write():
            await release.wait()

    holders = [asyncio.create_task(hold()) for _ in range(POOL_SIZE)]
    await asyncio.sleep(0.02)
    with pytest.raises(TimeoutError):
        async with database.write():
            pass
    release.set()
    await asyncio.gather(*holders, return_exceptions=True)
    async with database.write() as connection:
        assert (await connection.execute(text("SELECT 1"))).scalar() == 1


async def test_failed_write_releases_its_turn(database):
    for _ in range(2 * POOL_SIZE):
        with pytest.raises(RuntimeError):
            async with database.write():
                raise RuntimeError
    async with database.write() as connection:
        assert (await connection.execute(text("SELECT 1"))).scalar() == 1
