"""Processes that share a SQLite file take turns to write, and a turn ends with its process."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from engine.store.connection.database import SQLITE_FILE, open_database, sqlite_url
from engine.store.connection.file_turn import FileTurn
from tests.processes import PROCESSES


def hold(path: Path, held: Any, end: Any) -> None:
    with FileTurn(path).taken():
        held.set()
        end.wait(30)


@pytest.fixture
def database(tmp_path: Path):
    return tmp_path / SQLITE_FILE


@pytest.fixture
def holder(database: Path):
    """Another process that has the turn; setting its event ends it."""
    held, end = PROCESSES.Event(), PROCESSES.Event()
    process = PROCESSES.Process(target=hold, args=(database, held, end), daemon=True)
    process.start()
    assert held.wait(30)
    yield process, end
    process.kill()
    process.join()


def wait_for_turn(database: Path) -> float:
    """Return the seconds that the turn took to come."""
    began = time.monotonic()
    with FileTurn(database).taken():
        return time.monotonic() - began


@pytest.mark.parametrize("how", ["returns", "is killed"])
def test_the_next_writer_gets_the_turn_when_its_holder(how, holder, database: Path):
    process, end = holder
    with ThreadPoolExecutor(1) as thread:
        waiter = thread.submit(wait_for_turn, database)
        time.sleep(0.2)
        assert not waiter.done()
        end.set() if how == "returns" else process.kill()
        assert waiter.result(timeout=30) >= 0.1


def test_cancelled_writer_passes_the_turn_on(holder, database: Path):
    _, end = holder

    async def give_up_and_write_again() -> None:
        turn, thread = FileTurn(database), ThreadPoolExecutor(1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1), turn.taken_in(thread):
                pytest.fail("the other process has the turn")
        end.set()
        async with asyncio.timeout(30):
            async with turn.taken_in(thread):
                pass
            assert await asyncio.to_thread(wait_for_turn, database) < 30
        thread.shutdown()

    asyncio.run(give_up_and_write_again())


def test_writes_wait_while_another_process_has_the_turn(holder, tmp_path: Path):
    _, end = holder

    async def write() -> None:
        store = open_database(sqlite_url(str(tmp_path)))
        async with store.write() as connection:
            await connection.execute(text("CREATE TABLE written (x)"))
        await store.close()

    async def both() -> None:
        writing = asyncio.create_task(write())
        await asyncio.sleep(0.2)
        assert not writing.done()
        end.set()
        await writing

    asyncio.run(both())
