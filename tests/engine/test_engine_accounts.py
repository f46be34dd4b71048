"""People, sessions, keys and data of customers: secrets are stored only as hashes."""

from __future__ import annotations

import asyncio
import stat
import time
from pathlib import Path

import pytest
from sqlalchemy import func, select

from engine.accounts import sessions as sessions_module
from engine.accounts import team as team_module
from engine.accounts.customer_key import UnusableKey, load_key
from engine.accounts.passwords import MOST_WAITING
from engine.clock import now_ms
from engine.decisions.customers import Hasher
from engine.model.account import MerchantDetails
from engine.model.errors import Conflict, Forbidden, Invalid, NotFound, TooMany
from engine.model.history import AuditFilter
from engine.model.timestamps import DAY
from engine.store import tables
from engine.store.tables.people import login_attempts
from tests.engine.stored_texts import texts_of
from tests.factories import METHODS
from tests.marks import SQLITE_FIRST
from tests.processes import PROCESSES

pytestmark = pytest.mark.anyio
PASSWORD = "correct horse battery"
CUSTOMER = "jane.doe+4711@example.com"


@pytest.fixture
async def user(shop):
    return await shop.engine.team.add_user("Ada@Shop.example ", "Ada", "shop", "admin", PASSWORD)


async def test_a_password_is_kept_only_as_an_argon2_hash(shop, user):
    stored = [text for text in await texts_of(shop.engine) if text.startswith("$argon2id$")]
    assert stored == [user.password_hash]
    assert not any(PASSWORD in text for text in await texts_of(shop.engine))


async def test_login_ignores_the_case_of_the_address_and_opens_both_sides(shop, user):
    token, _ = await shop.engine.sessions.log_in(" ADA@shop.example", PASSWORD)
    visit = await shop.engine.sessions.visit(token)
    assert visit.user.id == user.id
    assert [(merchant.slug, merchant.mode) for merchant in visit.merchants] == [("shop", "live"), ("shop", "test")]


async def test_wrong_password_and_unknown_address_have_the_same_message_and_duration(shop, user):
    details, seconds = set(), {"ada@shop.example": [], "nobody@shop.example": []}
    for _ in range(3):
        for email, own in seconds.items():
            began = time.perf_counter()
            with pytest.raises(Forbidden) as refused:
                await shop.engine.sessions.log_in(email, "not the password")
            own.append(time.perf_counter() - began)
            details.add((refused.value.detail, refused.value.field))
    assert len(details) == 1
    # The least of a few: other work on the machine only makes them longer.
    wrong, missing = (min(own) for own in seconds.values())
    assert max(wrong, missing) < 5 * min(wrong, missing)
    async with shop.engine.database.read() as connection:
        assert (await connection.execute(select(func.count()).select_from(tables.people.sessions))).scalar() == 0


async def test_a_session_ends_when_the_person_leaves(shop, user):
    sessions = shop.engine.sessions
    token, _ = await sessions.log_in("ada@shop.example", PASSWORD)
    other, _ = await sessions.log_in("ada@shop.example", PASSWORD)
    await sessions.log_out(token)
    assert await sessions.visit(token) is None
    assert await sessions.visit(other) is not None
    assert await sessions.visit("anything") is None


async def test_session_expires_and_is_deleted(shop, user, monkeypatch):
    sessions = shop.engine.sessions
    token, _ = await sessions.log_in("ada@shop.example", PASSWORD)
    assert not any(token in text for text in await texts_of(shop.engine))
    later = now_ms() + sessions_module.SESSION_MS + 1
    monkeypatch.setattr(sessions_module, "now_ms", lambda: later)
    assert await sessions.visit(token) is None
    await sessions.purge()
    async with shop.engine.database.read() as connection:
        assert (await connection.execute(select(func.count()).select_from(tables.people.sessions))).scalar() == 0


async def test_a_new_password_replaces_the_old(shop, user):
    await shop.engine.team.set_password("ada@shop.example", PASSWORD + "!")
    with pytest.raises(Forbidden):
        await shop.engine.sessions.log_in("ada@shop.example", PASSWORD)
    assert await shop.engine.sessions.log_in("ada@shop.example", PASSWORD + "!")


async def test_a_new_password_or_role_ends_the_sessions(shop, user):
    team, sessions = shop.engine.team, shop.engine.sessions
    await team.add_user("b@shop.example", "B", "shop", "admin", PASSWORD)
    for change in (
        lambda: team.set_password("ada@shop.example", PASSWORD),
        lambda: team.set_role("shop", "ada@shop.example", "viewer", actor_name="b@shop.example"),
        lambda: team.end_sessions("shop", "ada@shop.example", actor_name="b@shop.example"),
        lambda: team.remove("shop", "ada@shop.example", actor_name="b@shop.example"),
    ):
        token, _ = await sessions.log_in("ada@shop.example", PASSWORD)
        assert await sessions.visit(token)
        await change()
        assert await sessions.visit(token) is None
    with pytest.raises(Forbidden):
        await sessions.log_in("ada@shop.example", PASSWORD)


async def test_an_idle_session_ends(shop, user, monkeypatch):
    sessions = shop.engine.sessions
    token, _ = await sessions.log_in("ada@shop.example", PASSWORD)
    began = now_ms()
    for hours, is_in in ((1.9, True), (3.8, True), (5.9, False)):
        monkeypatch.setattr(sessions_module, "now_ms", lambda hours=hours: began + int(hours * 3_600_000))
        assert (await sessions.visit(token) is not None) == is_in


async def test_the_last_admin_stays(shop, user):
    team = shop.engine.team
    for change in (
        team.remove("shop", user.email, actor_name="x"),
        team.set_role("shop", user.email, "viewer", actor_name="x"),
    ):
        with pytest.raises(Conflict):
            await change
    await team.add_user("b@shop.example", "B", "shop", "admin", PASSWORD)
    removals = (team.remove("shop", email, actor_name="x") for email in (user.email, "b@shop.example"))
    results = await asyncio.gather(*removals, return_exceptions=True)
    assert [type(result) for result in results].count(Conflict) == 1


async def test_parallel_guesses_are_counted_before_verification(shop, user, monkeypatch):
    tried = []

    async def matches(hashed, password):
        tried.append(password)
        await asyncio.sleep(0.01)
        return False

    monkeypatch.setattr(shop.engine.passwords, "matches", matches)
    kinds = []
    for _ in range(2):
        guesses = (shop.engine.sessions.log_in(user.email, f"guess {n}", address="192.0.2.1") for n in range(100))
        kinds += [type(result) for result in await asyncio.gather(*guesses, return_exceptions=True)]
    assert len(tried) == 10
    assert kinds.count(Forbidden) == 10
    # On a busy machine some time out while they wait for the database.
    assert set(kinds) <= {Forbidden, TooMany, TimeoutError}
    assert TooMany in kinds
    with pytest.raises(Forbidden):
        await shop.engine.sessions.log_in(user.email, "from elsewhere", address="192.0.2.2")


async def test_successful_logins_are_not_counted(shop, user):
    for _ in range(12):
        assert await shop.engine.sessions.log_in(user.email, PASSWORD, address="192.0.2.1")


async def test_queue_of_passwords_is_bounded(shop, user):
    guesses = (shop.engine.sessions.log_in(f"{number}@shop.example", "x", address="192.0.2.1") for number in range(30))
    results = await asyncio.gather(*guesses, return_exceptions=True)
    assert [type(result) for result in results].count(TooMany) == 30 - MOST_WAITING - 1
    async with shop.engine.database.read() as connection:
        counted = await connection.scalar(select(func.max(login_attempts.c.count)))
    assert counted == MOST_WAITING + 1, "a refused attempt counts for nobody"


@SQLITE_FIRST
@pytest.mark.parametrize(
    "password", ["123456789012", "passwordpassword", " " * 12, "abcdefghijklmnop", "qwertyuiop123", "ada@shop.example"]
)
async def test_a_password_that_is_easy_to_guess_is_refused(shop, user, password):
    with pytest.raises(Invalid, match="easy to guess"):
        await shop.engine.team.set_password(user.email, password)


async def test_an_invitation_is_used_once(shop, user):
    team = shop.engine.team
    token = await team.invite("shop", "New@shop.example", "editor", actor_name=user.email)
    assert not any(token in text for text in await texts_of(shop.engine))
    joins = (team.join(token, "New", PASSWORD) for _ in range(3))
    results = await asyncio.gather(*joins, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Forbidden", "Forbidden", "User"]
    assert (await team.user("new@shop.example")).role == "editor"


async def test_an_invitation_ends_after_7_days_or_when_withdrawn(shop, user, monkeypatch):
    team = shop.engine.team
    token = await team.invite("shop", "b@shop.example", "editor", actor_name=user.email)
    await team.withdraw("shop", "b@shop.example", actor_name=user.email)
    with pytest.raises(Forbidden):
        await team.invitation(token)
    token = await team.invite("shop", "b@shop.example", "editor", actor_name=user.email)
    later = now_ms() + 7 * DAY + 1
    monkeypatch.setattr(team_module, "now_ms", lambda: later)
    with pytest.raises(Forbidden):
        await team.join(token, "B", PASSWORD)


async def test_log_ins_and_changes_are_in_the_audit_log(shop, user):
    with pytest.raises(Forbidden):
        await shop.engine.sessions.log_in(user.email, "wrong")
    token, _ = await shop.engine.sessions.log_in(user.email, PASSWORD)
    await shop.engine.sessions.log_out(token)
    entries = await shop.engine.catalogue.audit(shop.merchant.id, narrowed=AuditFilter(subject="person"))
    assert [entry.action for entry in entries] == ["logged out", "logged in", "failed to log in", "added"]


@SQLITE_FIRST
@pytest.mark.parametrize(
    ("changes", "error", "field"),
    [
        ({"password": "short"}, Invalid, "password"),
        ({"email": "ada"}, Invalid, "email"),
        ({"role": "owner"}, Invalid, "role"),
        ({"slug": "nobody"}, NotFound, "merchant"),
        ({"email": "ADA@shop.example"}, Conflict, "email"),
    ],
)
async def test_invalid_person_is_not_created(shop, user, changes, error, field):
    proper = {"email": "b@shop.example", "name": "B", "slug": "shop", "role": "viewer", "password": PASSWORD}
    with pytest.raises(error) as refused:
        await shop.engine.team.add_user(*(proper | changes).values())
    assert refused.value.field == field


async def test_slug_is_unique_and_timezone_is_valid(shop):
    with pytest.raises(Conflict):
        await shop.engine.accounts.add_merchant("shop", "Another")
    with pytest.raises(Invalid, match="Mars"):
        await shop.engine.accounts.add_merchant("mars", "Mars", MerchantDetails(timezone="Mars/Olympus"))
    assert [(merchant.slug, merchant.mode) for merchant in await shop.engine.accounts.merchants()] == [
        ("shop", "live"), ("shop", "test"),
    ]  # fmt: skip


async def test_a_customers_plain_id_is_nowhere(shop, capfd, caplog):
    answer = await shop.decide(CUSTOMER, cart_total=5, customer_id=CUSTOMER, nonsense_name=CUSTOMER)
    await shop.report(answer, "converted", METHODS[0])
    await shop.report(None, "converted", METHODS[0], customer=CUSTOMER)
    shop.engine.decider._timeout = 0.0
    assert (await shop.decide(CUSTOMER)).decision.fallback
    shop.engine.decider._timeout = 5
    assert (await shop.decide(CUSTOMER)).facts.history[METHODS[0]].purchases >= 1
    await shop.engine.logbook.search(shop.id, customer_id=CUSTOMER)
    assert not any(CUSTOMER in text or "jane.doe" in text for text in await texts_of(shop.engine))
    for file in Path(shop.engine.settings.data).iterdir():
        assert b"jane.doe" not in file.read_bytes(), file.name
    assert "jane.doe" not in "".join(capfd.readouterr()) + caplog.text


def test_a_customer_is_another_at_another_merchant_and_under_another_key():
    item, other = Hasher(b"k" * 32), Hasher(b"l" * 32)
    assert len({item(1, "c"), item(2, "c"), item(1, "d"), other(1, "c"), item(1, "1:c"), item(11, "c")}) == 6
    assert item(1, "c") == Hasher(b"k" * 32)(1, "c")


def _load(folder, queue):
    queue.put(load_key("", Path(folder)))


def test_concurrent_starts_create_one_key_readable_only_by_the_owner(tmp_path):
    folder = tmp_path / "new"
    queue = PROCESSES.Queue()
    processes = [PROCESSES.Process(target=_load, args=(str(folder), queue)) for _ in range(3)]
    for process in processes:
        process.start()
    keys = {queue.get(timeout=30) for _ in processes}
    for process in processes:
        process.join()
    assert keys == {load_key("", folder)}
    assert stat.S_IMODE((folder / "customer.key").stat().st_mode) == 0o600
    assert [file.name for file in folder.iterdir()] == ["customer.key"]
    assert len(keys.pop()) >= 32


def test_key_from_the_settings_has_a_minimum_length(tmp_path):
    assert load_key("s" * 32, tmp_path) == b"s" * 32
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UnusableKey, match="TAP2_CUSTOMER_KEY must have at least 32 characters"):
        load_key("s" * 31, tmp_path)
