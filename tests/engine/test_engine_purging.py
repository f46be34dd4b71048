"""Deleting many rows: in pieces, between other writers, and again after a failure."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select, update

from engine.store.connection import purging
from engine.store.connection.bulk import insert_many
from engine.store.connection.purging import Expired, purge
from engine.store.tables import metadata
from tests.marks import SQLITE_FIRST

pytestmark = pytest.mark.anyio
USAGE = metadata.tables["usage"]
COLUMNS = ("merchant_id", "customer", "placement", "candidate", "day", "trials", "successes")
OLD, NEW = 1, 20_000
EXPIRED = Expired(USAGE, USAGE.c.day < 100)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(purging, "PIECE", 10)
    monkeypatch.setattr(purging, "PIECES_OF_A_LOOK", 2)


@pytest.fixture
async def database(shop):
    return shop.engine.database


async def store(shop, customers, *, day):
    rows = [(shop.id, customer, "payment_methods", "card", day, 0, 0) for customer in customers]
    async with shop.engine.database.write() as connection:
        await insert_many(connection, USAGE, COLUMNS, rows)


async def customers_of(database):
    async with database.read() as connection:
        return set((await connection.execute(select(USAGE.c.customer))).scalars())


@SQLITE_FIRST
@pytest.mark.parametrize("count", [0, 1, 10, 20, 21, 55])
async def test_only_expired_rows_are_deleted(shop, database, count):
    await store(shop, [f"old-{number}" for number in range(count)], day=OLD)
    await store(shop, ["new-1", "new-2"], day=NEW)
    await purge(database, [EXPIRED])
    assert await customers_of(database) == {"new-1", "new-2"}


async def test_failed_purge_continues_in_the_next_run(shop, database, monkeypatch):
    await store(shop, [f"old-{number}" for number in range(55)], day=OLD)
    whole, calls = purging._delete, 0

    async def fails_at_the_third(*given):
        nonlocal calls
        calls += 1
        if calls == 3:
            raise OSError("the disk is full")
        await whole(*given)

    monkeypatch.setattr(purging, "_delete", fails_at_the_third)
    with pytest.raises(OSError, match="full"):
        await purge(database, [EXPIRED])
    assert len(await customers_of(database)) == 35
    await purge(database, [EXPIRED])
    assert await customers_of(database) == set()


async def test_row_renewed_during_the_purge_is_kept(shop, database, monkeypatch):
    await store(shop, ["ada", "bob"], day=OLD)
    whole = purging._delete

    async def renewed_before(*given):
        async with database.write() as connection:
            await connection.execute(update(USAGE).where(USAGE.c.customer == "ada").values(successes=7))
            await connection.execute(update(USAGE).where(USAGE.c.customer == "bob").values(trials=9))
        await whole(*given)

    monkeypatch.setattr(purging, "_delete", renewed_before)
    await purge(database, [Expired(USAGE, (USAGE.c.day < 100) & (USAGE.c.successes == 0))])
    assert await customers_of(database) == {"ada"}


async def test_concurrent_purges_delete_every_row_once(shop, database, start_engine):
    await store(shop, [f"old-{number}" for number in range(55)], day=OLD)
    other = await start_engine()
    await asyncio.gather(purge(database, [EXPIRED]), purge(other.database, [EXPIRED]))
    assert await customers_of(database) == set()
