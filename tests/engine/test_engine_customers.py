"""Check the key that customers are hashed with, the hashes, and that usage is loaded once for many requests."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import pytest

from engine.accounts.customer_key import SHORTEST_KEY, UnusableKey, load_key, load_keys
from engine.decisions.customers import CustomerLoader, Hasher
from engine.model.errors import EngineError
from engine.store.customers.usage import NO_CUSTOMER

LONG = "k" * SHORTEST_KEY


# The key


def test_key_of_the_settings_is_used_unchanged(tmp_path: Path) -> None:
    assert load_key(LONG, tmp_path) == LONG.encode()
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_made_once_and_stays(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    key = load_key("", folder)
    assert len(key) == 64
    assert load_key("", folder) == key
    assert load_key("", tmp_path / "other") != key


def test_key_file_is_private(tmp_path: Path) -> None:
    load_key("", tmp_path)
    [path] = list(tmp_path.iterdir())
    assert path.name == "customer.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_blanks_around_the_key_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "customer.key").write_text(f"  {LONG}\n")
    assert load_key("", tmp_path) == LONG.encode()


@pytest.mark.parametrize(("setting", "text", "source"), [
    ("short", None, "TAP2_CUSTOMER_KEY"), ("", "short", "customer.key"), ("", "", "customer.key"),
    ("", " " * 100, "customer.key"),
])  # fmt: skip
def test_a_short_key_is_refused_with_its_source(tmp_path: Path, setting: str, text: str | None, source: str) -> None:
    if text is not None:
        (tmp_path / "customer.key").write_text(text)
    with pytest.raises(UnusableKey, match=f"{source} must have at least {SHORTEST_KEY} characters"):
        load_key(setting, tmp_path)


def test_a_missing_key_beside_a_used_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="is missing, and the database is used with it"):
        load_keys("", tmp_path, is_used=True)
    assert list(tmp_path.iterdir()) == []
    assert load_keys(LONG, tmp_path, is_used=True)


def test_processes_that_start_together_agree_on_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other process writes its key just before this one links its own."""
    link = os.link

    def late(draft: Path, path: Path) -> None:
        if not path.exists():
            path.write_text(LONG)
        link(draft, path)

    monkeypatch.setattr(os, "link", late)
    assert load_key("", tmp_path) == LONG.encode()
    assert [path.name for path in tmp_path.iterdir()] == ["customer.key"]


# Hashes


def test_a_customer_has_one_hash_for_each_merchant_and_key() -> None:
    first, second = Hasher(b"a" * 32), Hasher(b"b" * 32)
    hashes = {first(1, "c1"), first(2, "c1"), first(1, "c2"), second(1, "c1"), first(1, "C1")}
    assert len(hashes) == 5
    assert first(1, "c1") == first(1, "c1")
    assert all(len(text) == 32 and int(text, 16) >= 0 for text in hashes)


@pytest.mark.parametrize(("one_side", "other_side"), [((1, "2:x"), (12, ":x")), ((1, "1:c"), (11, ":c"))])
def test_merchant_and_customer_are_not_mixed_up(one_side: tuple[int, str], other_side: tuple[int, str]) -> None:
    hasher = Hasher(b"a" * 32)
    assert hasher(*one_side) != hasher(*other_side)


@pytest.mark.parametrize("customer", ["-", "ü", "\x00", "😀" * 1_000, "c\nd"])
def test_any_text_has_a_hash(customer: str) -> None:
    assert len(Hasher(b"a" * 32)(1, customer)) == 32


# Usage


class Database:
    """Answers each query with its keys; the next queries raise `errors`."""

    def __init__(self) -> None:
        self.queries: list[list[tuple[int, str]]] = []
        self.errors: list[Exception] = []

    async def look_up(self, query):
        customers = query.keywords["keys"]
        self.queries.append(sorted(customers))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if self.errors:
            raise self.errors.pop()
        return {key: [f"usage of {key[1]}"] for key in customers if key[1] != "new"}


@pytest.mark.anyio
async def test_requests_that_wait_share_the_next_query() -> None:
    database = Database()
    loader = CustomerLoader(database)
    first = loader.load(1, "a")
    await asyncio.sleep(0)
    others = [loader.load(1, name) for name in "bcb"]
    assert [await future for future in (first, *others)] == [
        ["usage of a"],
        ["usage of b"],
        ["usage of c"],
        ["usage of b"],
    ]
    assert database.queries == [[(1, "a")], [(1, "b"), (1, "c")]]


@pytest.mark.anyio
async def test_a_new_customer_has_no_usage() -> None:
    assert await CustomerLoader(Database()).load(1, "new") == NO_CUSTOMER


@pytest.mark.anyio
async def test_failed_query_raises_only_in_its_waiters() -> None:
    database = Database()
    database.errors = [OSError("away")]
    loader = CustomerLoader(database)
    failing = loader.load(1, "a")
    await asyncio.sleep(0)
    fine = loader.load(1, "b")
    with pytest.raises(OSError, match="away"):
        await failing
    assert await fine == ["usage of b"]


@pytest.mark.anyio
async def test_a_request_that_gives_up_harms_no_other() -> None:
    loader = CustomerLoader(Database())
    given_up, kept = loader.load(1, "a"), loader.load(1, "a")
    given_up.cancel()
    assert await kept == ["usage of a"]


@pytest.mark.anyio
async def test_customer_of_two_merchants_is_queried_twice() -> None:
    database = Database()
    loader = CustomerLoader(database)
    await asyncio.gather(loader.load(1, "a"), loader.load(2, "a"))
    assert database.queries == [[(1, "a"), (2, "a")]]
