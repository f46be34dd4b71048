"""Limits on passwords and codes, and the person of an OpenID provider's account, on SQLite only."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from sqlalchemy import select

from engine.accounts import identities, login_limits
from engine.accounts.identities import ANOTHER, UNKNOWN, UNVERIFIED
from engine.accounts.login_limits import (
    MOST_BY_ADDRESS,
    MOST_BY_PERSON,
    WINDOW_MS,
    LoginLimits,
    address_counters,
    code_counters,
    login_counters,
)
from engine.accounts.sealing import Sealer
from engine.accounts.second_factor import WRONG
from engine.accounts.team import INVITATION_MS
from engine.clock import now_ms
from engine.model.account import Identity
from engine.model.errors import Conflict, Forbidden, Invalid, TooMany
from engine.store.tables import metadata

pytestmark = pytest.mark.anyio
PASSWORD = "correct horse battery"
FIRST_ADDRESS, SECOND_ADDRESS = "192.0.2.1", "192.0.2.2"


@pytest.fixture
def database_kind() -> str:
    return "sqlite"


@pytest.fixture
async def engine(engine):
    await engine.accounts.add_merchant("shop", "Shop")
    return engine


@pytest.fixture
def limits(engine) -> LoginLimits:
    return LoginLimits(engine.database)


class Clock:
    def __init__(self, monkeypatch, *modules) -> None:
        self.now = now_ms()
        for module in modules:
            monkeypatch.setattr(module, "now_ms", lambda: self.now)


@pytest.fixture
def clock(monkeypatch) -> Clock:
    return Clock(monkeypatch, login_limits)


# Limits


async def test_ten_attempts_are_allowed_and_the_next_is_not(limits, clock):
    counters = login_counters(FIRST_ADDRESS, "ada@shop.example")
    for _ in range(MOST_BY_PERSON):
        await limits.count(counters)
    with pytest.raises(TooMany) as refused:
        await limits.count(counters)
    assert refused.value.retry_after == WINDOW_MS // 1000


async def test_a_lock_ends_five_minutes_after_the_first_attempt(limits, clock):
    counters = login_counters(FIRST_ADDRESS, "ada@shop.example")
    for _ in range(MOST_BY_PERSON):
        await limits.count(counters)
    clock.now += WINDOW_MS - 10_000
    with pytest.raises(TooMany) as refused:
        await limits.count(counters)
    assert refused.value.retry_after == 10
    clock.now += 10_000
    await limits.count(counters)


@pytest.mark.parametrize(
    ("other", "is_free"),
    [
        (login_counters(FIRST_ADDRESS, "ben@shop.example"), True),
        (login_counters(SECOND_ADDRESS, "ada@shop.example"), True),
        (address_counters(FIRST_ADDRESS), True),
        (code_counters(FIRST_ADDRESS, 1), True),
        (login_counters(FIRST_ADDRESS, "ada@shop.example"), False),
    ],
)
async def test_lock_of_a_person_does_not_affect_others(limits, clock, other, is_free):
    for _ in range(MOST_BY_PERSON):
        await limits.count(login_counters(FIRST_ADDRESS, "ada@shop.example"))
    if is_free:
        await limits.count(other)
    else:
        with pytest.raises(TooMany):
            await limits.count(other)


async def test_an_address_that_tries_many_people_is_locked(limits, clock):
    for number in range(MOST_BY_ADDRESS):
        await limits.count(login_counters(FIRST_ADDRESS, f"person-{number}@shop.example"))
    with pytest.raises(TooMany):
        await limits.count(address_counters(FIRST_ADDRESS))
    await limits.count(address_counters(SECOND_ADDRESS))


async def test_codes_are_counted_from_all_addresses_together(limits, clock):
    for number in range(MOST_BY_PERSON):
        await limits.count(code_counters(f"192.0.2.{number}", 7))
    with pytest.raises(TooMany):
        await limits.count(code_counters("198.51.100.1", 7))
    await limits.count(code_counters("198.51.100.1", 8))


async def test_an_attempt_that_succeeds_does_not_count(limits, clock):
    counters = login_counters(FIRST_ADDRESS, "ada@shop.example")
    for _ in range(3 * MOST_BY_PERSON):
        await limits.count(counters)
        await limits.uncount(counters)


async def test_taking_back_more_than_was_counted_gives_no_credit(limits, clock):
    counters = login_counters(FIRST_ADDRESS, "ada@shop.example")
    await limits.count(counters)
    for _ in range(5):
        await limits.uncount(counters)
    for _ in range(MOST_BY_PERSON):
        await limits.count(counters)
    with pytest.raises(TooMany):
        await limits.count(counters)


async def test_attempts_at_the_same_time_do_not_pass_together(limits, clock):
    counters = login_counters(FIRST_ADDRESS, "ada@shop.example")
    results = await asyncio.gather(*(limits.count(counters) for _ in range(25)), return_exceptions=True)
    assert sum(result is None for result in results) == MOST_BY_PERSON


def test_long_address_cannot_avoid_its_limit():
    long = "a" * 200
    assert login_counters(FIRST_ADDRESS, long) == login_counters(FIRST_ADDRESS, long + "b")
    assert login_counters(FIRST_ADDRESS, long) != login_counters(FIRST_ADDRESS, long[:-1])


async def test_addresses_and_people_are_kept_as_hashes(engine, limits, clock):
    await limits.count(login_counters(FIRST_ADDRESS, "ada@shop.example"))
    async with engine.database.read() as connection:
        rows = (await connection.execute(select(metadata.tables["login_attempts"]))).all()
    assert len(rows) == 2
    assert not any(secret in str(rows) for secret in (FIRST_ADDRESS, "ada@"))


# Identities


def identity(**changes) -> Identity:
    ada = Identity("https://login.example", "sub-1", "ada@shop.example", True, "Ada Lovelace")
    return msgspec.structs.replace(ada, **changes)


async def actions(engine, subject: str) -> list[str]:
    table = metadata.tables["audit"]
    async with engine.database.read() as connection:
        query = select(table.c.action).where(table.c.subject == f"person {subject}").order_by(table.c.id)
        return list((await connection.execute(query)).scalars())


async def add_ada(engine):
    return await engine.team.add_user("ada@shop.example", "Ada", "shop", "admin", PASSWORD)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"email": "eve@shop.example"}, UNKNOWN),
        ({"email": ""}, UNVERIFIED),
        ({"is_verified": False}, UNVERIFIED),
        ({"is_verified": False, "email": "eve@shop.example"}, UNVERIFIED),
    ],
)
async def test_account_without_a_person_is_refused(engine, changes, message):
    await add_ada(engine)
    with pytest.raises(Forbidden, match=message[:30]):
        await engine.identities.person_of(identity(**changes))


@pytest.mark.parametrize("email", ["ada@shop.example", "ADA@Shop.Example", "  ada@shop.example "])
async def test_person_is_matched_by_address_at_first(engine, email):
    ada = await add_ada(engine)
    assert (await engine.identities.person_of(identity(email=email))).id == ada.id
    assert "linked the provider's account of" in await actions(engine, ada.email)


@pytest.mark.parametrize("changes", [{"email": "lovelace@shop.example"}, {"is_verified": False}, {"email": ""}])
async def test_person_is_matched_by_subject_later(engine, changes):
    ada = await add_ada(engine)
    await engine.identities.person_of(identity())
    assert (await engine.identities.person_of(identity(**changes))).id == ada.id


async def test_reassigned_address_is_refused(engine):
    await add_ada(engine)
    await engine.identities.person_of(identity())
    with pytest.raises(Forbidden, match=ANOTHER[:30]):
        await engine.identities.person_of(identity(subject="sub-2"))


async def test_another_provider_may_vouch_for_the_same_person(engine):
    ada = await add_ada(engine)
    for issuer in ("https://login.example", "https://other.example"):
        assert (await engine.identities.person_of(identity(issuer=issuer))).id == ada.id


@pytest.mark.parametrize("role", ["viewer", "editor", "admin"])
async def test_invitation_is_accepted_by_its_address(engine, role):
    await add_ada(engine)
    await engine.team.invite("shop", "ben@shop.example", role, actor_name="ada@shop.example")
    ben = await engine.identities.person_of(identity(email="Ben@shop.example", subject="sub-b", name=" Ben "))
    assert (ben.email, ben.name, ben.role) == ("ben@shop.example", "Ben", role)
    assert await engine.team.invitations("shop") == []
    assert await actions(engine, ben.email) == ["invited", "added", "linked the provider's account of"]


async def test_account_without_a_name_uses_its_address(engine):
    await add_ada(engine)
    await engine.team.invite("shop", "ben@shop.example", "viewer", actor_name="ada@shop.example")
    ben = await engine.identities.person_of(identity(email="ben@shop.example", subject="sub-b", name="  "))
    assert ben.name == "ben@shop.example"


async def test_expired_invitation_is_refused(engine, monkeypatch):
    await add_ada(engine)
    await engine.team.invite("shop", "ben@shop.example", "viewer", actor_name="ada@shop.example")
    Clock(monkeypatch, identities).now += INVITATION_MS + 1_000
    with pytest.raises(Forbidden, match=UNKNOWN[:30]):
        await engine.identities.person_of(identity(email="ben@shop.example", subject="sub-b"))


async def test_person_who_joined_with_a_provider_has_no_password(engine):
    await add_ada(engine)
    await engine.team.invite("shop", "ben@shop.example", "viewer", actor_name="ada@shop.example")
    await engine.identities.person_of(identity(email="ben@shop.example", subject="sub-b"))
    for guess in ("", "ben@shop.example", PASSWORD):
        with pytest.raises(Forbidden):
            await engine.sessions.log_in("ben@shop.example", guess, address=FIRST_ADDRESS)


# Second factors


@pytest.mark.parametrize("code", ["", "000000", "12345", "1234567", "abcd-efgh", "²²²²²²", "x" * 5_000])
async def test_a_code_without_a_second_factor_is_wrong(engine, code):
    ada = await add_ada(engine)
    with pytest.raises(Forbidden, match=WRONG):
        await engine.second_factors.check(ada, code, address=FIRST_ADDRESS)
    assert (await actions(engine, ada.email))[-1] == "failed to log in"


async def test_a_setup_that_was_not_confirmed_does_not_count(engine):
    ada = await add_ada(engine)
    await engine.second_factors.begin(ada)
    assert await engine.second_factors.state(ada) == (False, 0)
    assert await engine.second_factors.owners("shop") == frozenset()
    assert await engine.sessions.log_in(ada.email, PASSWORD, address=FIRST_ADDRESS)


async def test_wrong_code_does_not_enable_the_second_factor(engine):
    ada = await add_ada(engine)
    await engine.second_factors.begin(ada)
    with pytest.raises(Invalid):
        await engine.second_factors.confirm(ada, "not a code", address=FIRST_ADDRESS, keep_hash="")
    assert await engine.second_factors.state(ada) == (False, 0)


async def test_a_confirmation_without_a_setup_is_a_conflict(engine):
    ada = await add_ada(engine)
    with pytest.raises(Conflict):
        await engine.second_factors.confirm(ada, "123456", address=FIRST_ADDRESS, keep_hash="")
    with pytest.raises(Conflict):
        await engine.second_factors.remove(ada, actor_name="tap2")


@pytest.mark.parametrize(
    "challenge",
    [
        "",
        ".",
        "1",
        "1.2.3",
        "x.y.z",
        "1.99999999999999.abc",
        "1.99999999999999.ü",
        "².99999999999999.a",
        "9" * 5_000 + ".1.a",
        f"{2**70}.99999999999999.a",
    ],
)
async def test_invented_challenge_is_refused(engine, challenge):
    await add_ada(engine)
    with pytest.raises(Forbidden, match="Start again"):
        await engine.second_factors.challenged(challenge)


async def test_a_challenge_names_its_own_person_only(engine):
    ada = await add_ada(engine)
    ben = await engine.team.add_user("ben@shop.example", "Ben", "shop", "viewer", PASSWORD)
    challenge = engine.second_factors.challenge(ada)
    assert (await engine.second_factors.challenged(challenge)).id == ada.id
    with pytest.raises(Forbidden):
        await engine.second_factors.challenged(challenge.replace(f"{ada.id}.", f"{ben.id}.", 1))


def test_the_same_text_is_sealed_differently_each_time():
    sealer = Sealer(b"k" * 32, b"purpose")
    sealed = {sealer.seal("text", 1) for _ in range(20)}
    assert len(sealed) == 20
    assert {sealer.open(each, 1) for each in sealed} == {"text"}


@pytest.mark.parametrize("text", ["", "ü€😀", "x" * 10_000])
def test_any_text_is_sealed_and_opened(text):
    sealer = Sealer(b"k" * 32, b"purpose")
    assert sealer.open(sealer.seal(text, 1), 1) == text
