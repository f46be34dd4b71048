"""Look-ups that many requests share."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from engine.decisions.batch_loader import BatchLoader

pytestmark = pytest.mark.anyio


class Database:
    """Runs look-ups concurrently, and keeps the keys of each."""

    def __init__(self) -> None:
        self.loaded: list[list[str]] = []

    async def look_up(self, work):
        await asyncio.sleep(0)
        return await work(None)


def loader_of(database: Database) -> BatchLoader[str, str]:
    async def read(_connection, keys):
        database.loaded.append(sorted(keys))
        return {key: key.upper() for key in keys if key != "none"}

    return BatchLoader(database, read, partial(str, "nothing"))


async def test_keys_during_a_look_up_share_the_next_one():
    database = Database()
    loader = loader_of(database)
    first = loader.load("a")
    await asyncio.sleep(0)
    assert await asyncio.gather(first, loader.load("b"), loader.load("c"), loader.load("b")) == ["A", "B", "C", "B"]
    assert database.loaded == [["a"], ["b", "c"]]


async def test_a_key_without_a_value_gets_the_missing_one():
    assert await loader_of(Database()).load("none") == "nothing"


async def test_a_loader_works_again_after_it_was_idle():
    database = Database()
    loader = loader_of(database)
    assert [await loader.load("a"), await loader.load("a")] == ["A", "A"]
    assert database.loaded == [["a"], ["a"]]
