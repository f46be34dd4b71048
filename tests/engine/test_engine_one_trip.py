"""A statement on SQLite makes one trip to the driver's thread, and its result is that of the driver."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator

import aiosqlite
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from engine.store.connection.database import Database, open_database, sqlite_url

pytestmark = pytest.mark.anyio
ADD = text("INSERT INTO numbers VALUES (:number) RETURNING number")


@pytest.fixture
async def database(tmp_path) -> AsyncIterator[Database]:
    database = open_database(sqlite_url(str(tmp_path)))
    async with database.write() as connection:
        await connection.execute(text("CREATE TABLE numbers (number INTEGER PRIMARY KEY)"))
    yield database
    await database.close()


@pytest.fixture
def trips(monkeypatch) -> list[object]:
    """The calls of this thread: servers of other tests run in threads of this process."""
    made: list[object] = []
    execute = aiosqlite.Connection._execute

    async def noted(self, function, *arguments, **options):
        if threading.current_thread() is threading.main_thread():
            made.append(function)
        return await execute(self, function, *arguments, **options)

    monkeypatch.setattr(aiosqlite.Connection, "_execute", noted)
    return made


async def test_a_statement_makes_one_trip(database, trips):
    async with database.read() as connection:
        for number in range(3):
            before = len(trips)
            assert await connection.scalar(text("SELECT :number"), {"number": number}) == number
            assert len(trips) - before == 1


async def test_rows_counts_and_columns_are_those_of_the_driver(database):
    async with database.write() as connection:
        added = await connection.execute(ADD, {"number": 1})
        assert (list(added.keys()), added.all()) == (["number"], [(1,)])
        await connection.execute(text("INSERT INTO numbers VALUES (:number)"), [{"number": 2}, {"number": 3}])
        assert (await connection.execute(text("DELETE FROM numbers WHERE number > 1"))).rowcount == 2
    async with database.read() as connection:
        assert (await connection.execute(text("SELECT number FROM numbers"))).scalars().all() == [1]


async def test_connection_works_after_a_failed_statement(database):
    async with database.write() as connection:
        await connection.execute(ADD, {"number": 1})
        with pytest.raises(IntegrityError, match="UNIQUE"):
            await connection.execute(ADD, {"number": 1})
        await connection.execute(ADD, {"number": 2})
    async with database.read() as connection:
        assert await connection.scalar(text("SELECT sum(number) FROM numbers")) == 3
