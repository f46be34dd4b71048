"""Check which passwords are accepted and verified, that many at once are refused, and which faults pass."""

from __future__ import annotations

import asyncio
import importlib.util
import sqlite3
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from engine.accounts import passwords as module
from engine.accounts.passwords import LONGEST_PASSWORD, MOST_WAITING, Passwords
from engine.faults import is_temporary
from engine.model.errors import Invalid, TooMany

GOOD = "correct horse battery staple"


@pytest.fixture
def passwords():
    made = Passwords()
    yield made
    made.close()


def test_hash_uses_the_parameters_of_the_rfc():
    """Read afresh: the tests' own passwords cost as little as possible."""
    specification = importlib.util.spec_from_file_location("fresh_passwords", module.__file__)
    assert specification
    assert specification.loader
    fresh = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(fresh)
    assert (fresh.TIME_COST, fresh.MEMORY_KIB) == (3, 64 * 1024)


@pytest.mark.anyio
async def test_unknown_and_known_person_take_the_same_time(passwords):
    hashed = await passwords.hash(GOOD)
    assert passwords._decoy.split("$")[:4] == hashed.split("$")[:4]


@pytest.mark.anyio
async def test_password_matches_only_its_hash(passwords):
    hashed = await passwords.hash(GOOD)
    assert GOOD not in hashed
    assert hashed.startswith("$argon2id$")
    assert await passwords.matches(hashed, GOOD)
    assert not await passwords.matches(hashed, GOOD + " ")
    assert not await passwords.matches(hashed, GOOD.upper())
    assert not await passwords.matches(hashed, "")


@pytest.mark.anyio
async def test_the_same_password_has_another_hash_each_time(passwords):
    assert await passwords.hash(GOOD) != await passwords.hash(GOOD)


@pytest.mark.anyio
async def test_missing_person_matches_no_password(passwords):
    assert not await passwords.matches(None, GOOD)
    assert not await passwords.matches(None, "")


@pytest.mark.anyio
@pytest.mark.parametrize(("password", "words"), [
    ("", "at least 12"),
    ("x" * 11, "at least 12"),
    ("x" * (LONGEST_PASSWORD + 1), "at most 1000"),
    ("aaaaaaaaaaaa", "too easy to guess"),
    ("password1234", "too easy to guess"),
    ("qwertyuiop12", "too easy to guess"),
    ("123456789012", "too easy to guess"),
])  # fmt: skip
async def test_a_weak_password_is_refused_with_the_field(passwords, password, words):
    with pytest.raises(Invalid) as refused:
        await passwords.hash(password)
    assert refused.value.field == "password"
    assert words in refused.value.detail


@pytest.mark.anyio
async def test_words_about_the_owner_are_easy_to_guess(passwords):
    assert await passwords.hash("zanzibarvogelsang")
    with pytest.raises(Invalid, match="too easy to guess"):
        await passwords.hash("zanzibarvogelsang", owner=["zanzibar", "vogelsang", "zanzibarvogelsang"])


@pytest.mark.anyio
@pytest.mark.parametrize(
    "password", ["ünïcödé wörter überall", "密码密码密码密码 нет пароля", "a7 green Kettle, nine! " * 4]
)
async def test_any_script_and_length_is_accepted(passwords, password):
    assert await passwords.matches(await passwords.hash(password), password)


@pytest.mark.anyio
async def test_too_many_concurrent_logins_get_a_retry_time(passwords):
    async def attempt():
        with passwords.turn():
            return await passwords.matches(None, GOOD)

    results = await asyncio.gather(*(attempt() for _ in range(MOST_WAITING + 5)), return_exceptions=True)
    refused = [result for result in results if isinstance(result, TooMany)]
    assert len(refused) == 4
    assert refused[0].retry_after > 0
    assert not await passwords.matches(None, GOOD)


# Faults of the database


class SqlState(Exception):
    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


def sqlite_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("x")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(("error", "passes"), [
    (DBAPIError("x", {}, SqlState("08006")), True),
    (DBAPIError("x", {}, SqlState("25006")), True),
    (DBAPIError("x", {}, SqlState("25001")), False),
    (DBAPIError("x", {}, SqlState("40P01")), True),
    (DBAPIError("x", {}, SqlState("53100")), True),
    (DBAPIError("x", {}, SqlState("55P03")), True),
    (DBAPIError("x", {}, SqlState("57P03")), True),
    (DBAPIError("x", {}, SqlState("58030")), True),
    (IntegrityError("x", {}, SqlState("23505")), False),
    (OperationalError("x", {}, SqlState("42P01")), False),
    (SqlState("08001"), True),
    (OperationalError("x", {}, sqlite_error(sqlite3.SQLITE_BUSY)), True),
    (OperationalError("x", {}, sqlite_error(sqlite3.SQLITE_FULL)), True),
    (OperationalError("x", {}, sqlite_error(sqlite3.SQLITE_READONLY)), True),
    (OperationalError("x", {}, sqlite_error(sqlite3.SQLITE_ERROR)), False),
    (sqlite_error(sqlite3.SQLITE_IOERR), True),
    (sqlite_error(sqlite3.SQLITE_ERROR), False),
    (InterfaceError("x", {}, Exception("closed")), True),
    (ProgrammingError("x", {}, Exception("no such table")), False),
    (DBAPIError("x", {}, Exception("gone"), connection_invalidated=True), True),
    (PoolTimeout(), True),
    (ConnectionRefusedError(), True),
    (TimeoutError(), True),
    (ValueError("a defect"), False),
    (KeyError("x"), False),
])  # fmt: skip
def test_database_faults_are_distinguished_from_defects(error: Any, passes: bool) -> None:
    assert is_temporary(error) == passes


@pytest.mark.anyio
async def test_a_turn_that_fails_is_free_again(passwords):
    for _ in range(2 * MOST_WAITING):
        with pytest.raises(ValueError, match="broken"), passwords.turn():
            raise ValueError("broken")
    with passwords.turn():
        assert not await passwords.matches(None, GOOD)
