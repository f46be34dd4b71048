"""Second factors at rest: secrets encrypted, recovery codes hashed, each code used once."""

from __future__ import annotations

import asyncio

import pyotp
import pytest
from sqlalchemy import select, update

from engine.accounts import second_factor
from engine.accounts.sealing import Sealer
from engine.clock import now_ms
from engine.model.errors import CodeNeeded, Conflict, Forbidden
from engine.store import tables
from engine.store.tables.people import second_factors
from tests.marks import SQLITE_FIRST

pytestmark = pytest.mark.anyio
PASSWORD = "correct horse battery"


@pytest.fixture
async def user(shop):
    return await shop.engine.team.add_user("ada@shop.example", "Ada", "shop", "admin", PASSWORD)


async def turn_on(shop, user):
    """Return the secret and the recovery codes."""
    setup = await shop.engine.second_factors.begin(user)
    code = pyotp.TOTP(setup.secret).at(now_ms() // 1000)
    return setup.secret, await shop.engine.second_factors.confirm(user, code, address="192.0.2.1", keep_hash="")


async def texts_of(engine):
    async with engine.database.read() as connection:
        return [
            str(value)
            for table in tables.metadata.tables.values()
            for row in await connection.execute(select(table))
            for value in row
        ]


async def test_secret_and_recovery_codes_are_not_readable_in_the_database(shop, user):
    secret, codes = await turn_on(shop, user)
    stored = await texts_of(shop.engine)
    for plain in (secret, *codes, *(code.replace("-", "") for code in codes)):
        assert not any(plain in text for text in stored)


async def test_secret_moved_to_another_person_is_refused(shop, user):
    secret, _ = await turn_on(shop, user)
    other = await shop.engine.team.add_user("ben@shop.example", "Ben", "shop", "admin", PASSWORD)
    async with shop.engine.database.write() as connection:
        await connection.execute(update(second_factors).values(user_id=other.id, last_step=0))
    code = pyotp.TOTP(secret).at(now_ms() // 1000)
    with pytest.raises(Forbidden):
        await shop.engine.second_factors.check(other, code, address="")


def test_sealed_text_opens_with_the_same_key_owner_and_purpose_only():
    sealed = Sealer(b"k" * 32, b"purpose").seal("text", 1)
    assert Sealer(b"k" * 32, b"purpose").open(sealed, 1) == "text"
    for sealer, owner in ((Sealer(b"l" * 32, b"purpose"), 1), (Sealer(b"k" * 32, b"other"), 1)):
        assert sealer.open(sealed, owner) is None
    assert Sealer(b"k" * 32, b"purpose").open(sealed, 2) is None


async def test_code_used_concurrently_works_once(shop, user, monkeypatch):
    secret, codes = await turn_on(shop, user)
    later = now_ms() + second_factor.STEP_SECONDS * 1000
    monkeypatch.setattr(second_factor, "now_ms", lambda: later)
    for code in (pyotp.TOTP(secret).at(later // 1000), codes[0]):
        checks = (shop.engine.second_factors.check(user, code, address="192.0.2.2") for _ in range(5))
        results = await asyncio.gather(*checks, return_exceptions=True)
        assert [type(result).__name__ for result in results].count("NoneType") == 1


async def test_new_password_ends_a_half_log_in(shop, user):
    await turn_on(shop, user)
    with pytest.raises(CodeNeeded) as needed:
        await shop.engine.sessions.log_in(user.email, PASSWORD)
    assert (await shop.engine.second_factors.challenged(needed.value.challenge)).id == user.id
    await shop.engine.team.set_password(user.email, PASSWORD + "!")
    with pytest.raises(Forbidden):
        await shop.engine.second_factors.challenged(needed.value.challenge)


@SQLITE_FIRST
async def test_second_setup_needs_the_first_to_be_removed(shop, user):
    await turn_on(shop, user)
    with pytest.raises(Conflict):
        await shop.engine.second_factors.begin(user)
    await shop.engine.second_factors.remove(user, actor_name="tap2")
    assert (await shop.engine.second_factors.state(user)).codes_left == 0
    await shop.engine.second_factors.begin(user)
    assert await shop.engine.sessions.log_in(user.email, PASSWORD)


async def test_removed_person_leaves_no_second_factor(shop, user):
    await shop.engine.team.add_user("ben@shop.example", "Ben", "shop", "admin", PASSWORD)
    await turn_on(shop, user)
    await shop.engine.team.remove("shop", user.email, actor_name="ben@shop.example")
    async with shop.engine.database.read() as connection:
        assert (await connection.execute(select(second_factors))).first() is None
