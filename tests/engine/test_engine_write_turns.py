"""Writes off the path of a decision do not hold up decisions."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from engine.store.connection.database import open_database, sqlite_url

pytestmark = pytest.mark.anyio
BURST = 50


@pytest.fixture
async def database(tmp_path):
    opened = open_database(sqlite_url(str(tmp_path)))
    yield opened
    await opened.close()


async def test_a_decision_waits_for_at_most_two_of_many_writes(database):
    finished = []

    async def save_page():
        async with database.write() as connection:
            await connection.execute(text("SELECT 1"))
        finished.append("page")

    async def decide():
        await database.transact(lambda connection: connection.execute(text("SELECT 1")))
        finished.append("decision")

    pages = [asyncio.create_task(save_page()) for _ in range(BURST)]
    await asyncio.sleep(0)
    await asyncio.gather(decide(), *pages)
    assert finished.index("decision") <= 2
    assert len(finished) == BURST + 1
