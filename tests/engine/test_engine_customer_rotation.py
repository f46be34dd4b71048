"""A new customer key: customers stay who they are, and no name under an older key is left, also if it was killed."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from engine import installation_keys
from engine.accounts.customer_key import CustomerKeys, UnusableKey, load_keys
from engine.clock import now_ms
from engine.customers.erasure_file import ErasureFile
from engine.data_folder import database_url
from engine.decisions import rebuild
from engine.decisions.replay import replay
from engine.decisions.upkeep import renaming as upkeep
from engine.decisions.upkeep.customer_index import index_customers
from engine.doctor import examine
from engine.insights.log_export import export_decisions
from engine.installation_keys import CustomerRotation, rotate_customer_key, rotate_master_key
from engine.model.documents.preferences import PreferenceChange
from engine.model.errors import Conflict
from engine.service import Engine, open_engine
from engine.settings import Settings
from engine.store import decisions
from engine.store.connection.customer_names import HASH_DIGITS, PLAIN, CustomerNames, NamesCustomers
from engine.store.connection.database import open_database
from engine.store.customers import renaming
from engine.store.log import customer_segments
from engine.store.tables import metadata
from tests import factories
from tests.engine.test_engine_erasure import SERVER, contents, open_shop, shop_around
from tests.marks import SQLITE, SQLITE_FIRST
from tests.offers import is_verified, offer_candidate, open_offers
from tests.shop import Shop

pytestmark = pytest.mark.anyio

PEOPLE = ("anna", "ben", "device", "erased")
CART = {"cart": {"total": 10_000, "currency": "EUR"}}
OF_THE_INSTALLATION = {"fingerprints", "leases", "data_keys", "customer_segments", "customer_segment_ends"}
Running = Callable[[], AbstractAsyncContextManager[Engine]]


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation_keys, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(installation_keys, "STEADY_SECONDS", 0.02)
    monkeypatch.setattr(installation_keys, "LEASE_SECONDS", 0.05)


@pytest.fixture
def running(settings: Settings) -> Running:
    """Runs a server on the test's database for a while, without jobs."""

    @asynccontextmanager
    async def run(**changes: Any) -> AsyncIterator[Engine]:
        engine = await open_engine(msgspec.structs.replace(settings, **changes))
        try:
            await engine.start(with_jobs=False)
            yield engine
        finally:
            await engine.stop()

    return run


async def load(engine: Engine) -> Shop:
    """A shop in which everything happens that names customers, under a master key of its own."""
    await rotate_master_key(engine.settings, engine.data_keys, new=True)
    merchant, _ = await engine.accounts.add_merchant("shop", "Shop")
    shop = Shop(engine, merchant)
    await open_shop(shop)
    half = {"percent_bucket": [{"var": "customer.id"}, "salt", 0, 50]}
    await shop.create("rule", factories.rule({"boost": {"candidates": ["card"], "factor": 2}}, when=half, id="half"))
    await open_offers(shop, offer_candidate(codes="customer"), scope="customer")
    await shop_around(shop, *PEOPLE)
    await engine.aliases.link(shop.id, "anna", "device")
    for customer in ("anna", "ben"):
        assert (await engine.decider.decide_offers(shop.id, "offers", customer, CART)).holds
    await engine.preferences.change(shop.id, "ben", PreferenceChange(personalization_enabled=False), SERVER)
    await engine.customer_look_up.read(shop.actor(), "ben", reason="she called")
    await engine.privacy_requests.take_in(shop.actor(), "ben", "export")
    await engine.eraser.erase(shop.id, "erased")
    await engine.visits.flush()
    return shop


async def raw_facts(settings: Settings) -> str:
    """Return the facts of all decisions as they are stored, which is compressed."""
    database = open_database(database_url(settings))
    async with database.read() as connection:
        rows = await decisions.newest(connection, 1, limit=500)
    await database.close()
    return "\n".join(row.facts for row in rows)


async def raw_texts(settings: Settings) -> str:
    """Return all rows as they are stored."""
    database = open_database(database_url(settings))
    rows = await contents(database)
    await database.close()
    return "\n".join(row for own in rows.values() for row in own)


async def seen(engine: Engine) -> dict[str, Any]:
    """Return all that the engine reads, and what it says of each customer."""
    rows = await contents(engine.database)
    logged = await engine.logbook.search(1, limit=500)
    assert all([(await replay(engine.database, each.row)).same for each in logged])
    tables = {name: rows[name] for name in rows.keys() - OF_THE_INSTALLATION - {"decisions"}}
    exports = {customer: await engine.customer_export.sections(1, customer) for customer in PEOPLE}
    return tables | {"log": logged, "exports": exports}


def names_in(engine: Engine) -> list[str]:
    return [engine.hasher(1, customer) for customer in PEOPLE]


async def variants(shop: Shop) -> dict[str, Any]:
    """Return the experiments' variants and the rules of a decision for each customer."""
    decisions = {customer: (await shop.decide(customer)).decision for customer in PEOPLE}
    return {customer: (decision.experiments, decision.rules) for customer, decision in decisions.items()}


async def before_rotation(running: Running) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """Load a shop; return what is seen of it, what customers get, and their hashes."""
    async with running() as engine:
        shop = await load(engine)
        given, hashes = await variants(shop), names_in(engine)
    # Counts in memory are written when a server stops, and read when it starts.
    async with running() as engine:
        return await seen(engine), given, hashes


async def named_anywhere(settings: Settings, hashes: list[str]) -> bool:
    """Return whether a customer has the hash, in the database or in files beside it."""
    stored = await raw_texts(settings) + await raw_facts(settings) + Path(settings.data, "erasures.jsonl").read_text()
    return any(hash in stored or str(bytes.fromhex(hash))[2:-1] in stored for hash in hashes)


async def check_after(running: Running, before: dict[str, Any], given: dict[str, Any]) -> None:
    """Check that a server reads what it read before, and that customers get what they got."""
    async with running() as engine:
        assert await seen(engine) == before
        shop = Shop(engine, await engine.accounts.merchant("shop", "live"))
        assert await variants(shop) == given
        assert await is_verified(shop)
        assert await rebuild.compare(engine.database) == []
        assert (await engine.audit_chain.check(shop.id)).problem == ""
        assert not (await shop.decide("ben")).is_personal
        assert not (await shop.decide("erased")).is_personal
        # The hold that Anna has already, with her own code.
        held = await engine.decider.decide_offers(shop.id, "offers", "anna", CART)
        assert len([row for row in before["holds"] if held.holds[0].id in row]) == 1


@SQLITE_FIRST
async def test_killed_rotation_keeps_customers(settings: Settings, running: Running, monkeypatch: pytest.MonkeyPatch):
    before, given, hashes = await before_rotation(running)
    rename, left = renaming.rename, [0]

    async def killed(*given: Any) -> int:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        return await rename(*given)

    monkeypatch.setattr(upkeep, "AT_ONCE", 3)
    monkeypatch.setattr(renaming, "rename", killed)
    assert hashes[0] in (await raw_facts(settings)), "a rule reads `customer.id`"
    for pieces in (1, 9, 21):
        left[0] = pieces
        with pytest.raises(KeyboardInterrupt):
            await rotate_customer_key(settings)
        with pytest.raises(UnusableKey, match="run `tap2 keys rotate-customer`"):
            await open_engine(settings)
    # PostgreSQL of tests runs without fsync, which is an error of its own.
    [problem] = [each for each in await examine(settings) if each.state == "error" and each.check != "durability"]
    assert "tap2 keys rotate-customer" in problem.remedy
    assert await named_anywhere(settings, hashes), "it was killed before all were renamed"
    # The key of the first call, and then another one.
    for number, is_new in ((2, False), (3, True)):
        rotation = await rotate_customer_key(settings)
        assert (rotation.new_key, rotation.renamed > 0) == (is_new, True)
        keys = load_keys("", Path(settings.data))
        assert (len(keys.later) + 1, keys.fingerprints[-1]) == (number, rotation.fingerprint)
        assert not await named_anywhere(settings, hashes)
    await check_after(running, before, given)


@SQLITE
async def test_a_rotation_is_refused_while_a_server_leads(settings: Settings, running: Running):
    async with running() as engine:
        await load(engine)
        await engine.leadership.renew()
        with pytest.raises(Conflict, match="stop all servers"):
            await rotate_customer_key(settings)
        await engine.leadership.give_back()
    async with running():
        assert load_keys("", Path(settings.data)).later == ()


@SQLITE
async def test_two_rotations_at_once_add_one_key(settings: Settings, running: Running):
    async with running() as engine:
        await load(engine)
    results = await asyncio.gather(*(rotate_customer_key(settings) for _ in range(2)), return_exceptions=True)
    assert [type(each) for each in results] == [CustomerRotation, Conflict]
    assert len(load_keys("", Path(settings.data)).later) == 1


@SQLITE
async def test_a_server_that_was_about_to_start_is_refused(settings: Settings, running: Running):
    async with running() as engine:
        await load(engine)
    late = await open_engine(settings)
    await rotate_customer_key(settings)
    with pytest.raises(UnusableKey, match="is not the key that the database is used with"):
        await late.start(with_jobs=False)
    await late.database.close()


@SQLITE
async def test_unusable_key_is_refused(settings: Settings, running: Running):
    async with running():
        pass
    with pytest.raises(Conflict, match="run `tap2 keys rotate` first"):
        await rotate_customer_key(settings)


@SQLITE
async def test_keys_may_be_settings(settings: Settings, running: Running):
    first, second = Path(settings.data, "customer.key").read_text(), "second".ljust(40, ".")
    async with running() as engine:
        await load(engine)
    for keys in (first, second):
        with pytest.raises((Conflict, UnusableKey)):
            await rotate_customer_key(msgspec.structs.replace(settings, customer_key=keys))
    both = msgspec.structs.replace(settings, customer_key=f"{second},{first}")
    with pytest.raises(UnusableKey, match="run `tap2 keys rotate-customer`"):
        await open_engine(both)
    assert (await rotate_customer_key(both)).renamed > 0
    async with running(customer_key=both.customer_key) as engine:
        assert await engine.logbook.search(1, customer_id="anna") != []
        file, hash = Path(settings.data, "log.parquet"), engine.hasher(1, "anna")
        await export_decisions(engine.database, 1, file, begin=0, end=now_ms() + 1)
        rows = parquet.read_table(file, columns=["customer", "facts"]).to_pylist()
        assert {engine.database.names.hash_of(row["customer"]) for row in rows if row["customer"]} >= {hash}
        assert not any(hash in str(row) for row in rows), "an export names customers as the database does"
    for other in (f"{first},{second}", f"{second},{'x' * 40}", first):
        with pytest.raises(UnusableKey):
            await open_engine(msgspec.structs.replace(settings, customer_key=other))


@SQLITE
async def test_an_older_backup_is_renamed_before_it_serves(settings: Settings, running: Running, tmp_path: Path):
    async with running() as engine:
        await load(engine)
    shutil.copy(tmp_path / "tap2.sqlite", tmp_path / "backup.sqlite")
    await rotate_customer_key(settings)
    async with running() as engine:
        await engine.eraser.erase(1, "anna")
    shutil.copy(tmp_path / "backup.sqlite", tmp_path / "tap2.sqlite")
    with pytest.raises(UnusableKey, match="run `tap2 keys rotate-customer`"):
        await open_engine(settings)
    assert not (await rotate_customer_key(settings)).new_key
    async with running() as engine:
        assert await engine.logbook.search(1, customer_id="anna") == []
        assert await engine.logbook.search(1, customer_id="ben") != []
    older = CustomerNames(load_keys("", tmp_path).later[:-1])
    with pytest.raises(UnusableKey, match="restore the newest"):
        list(ErasureFile(tmp_path, older).lines())


@SQLITE_FIRST
async def test_segments_are_made_again(settings: Settings, running: Running, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(customer_segments, "DECISIONS", 6)
    async with running() as engine:
        shop, later = await load(engine), now_ms() + 10 * customer_segments.LATE
        await index_customers(engine.database, [shop.id], now=later)
        logged = await engine.logbook.search(shop.id, customer_id="anna")
    await rotate_customer_key(settings)
    for _ in range(2):
        async with running() as engine:
            assert await engine.logbook.search(shop.id, customer_id="anna") == logged != []
            await index_customers(engine.database, [shop.id], now=later)
            assert (await contents(engine.database))["customer_segments"] != []
    async with running() as engine:
        assert (await engine.eraser.erase(shop.id, "anna")).decisions > 0
        assert await engine.logbook.search(shop.id, customer_id="anna") == []


HASHES = st.binary(min_size=16, max_size=16).map(bytes.hex)
KEYS = st.lists(st.binary(min_size=32, max_size=32), max_size=3)


@given(HASHES, KEYS, st.text(max_size=40))
def test_names_are_read_back_under_any_later_key(hash: str, keys: list[bytes], text: str):
    names = [CustomerNames(keys[:count]) for count in range(len(keys) + 1)]
    for older in names:
        stored = older.stored(hash)
        assert names[-1].hash_of(stored) == hash
        assert names[-1].renamed(stored) == names[-1].stored(hash)
        assert names[-1].hashes_within(f'["{stored}"]') == f'["{hash}"]'
        assert (stored == hash) == (older.keys == ())
    assert PLAIN.hash_of(names[-1].stored(hash)) == names[-1].stored(hash), "stays, where its key is missing"
    if len(text) not in (HASH_DIGITS, HASH_DIGITS + 2):
        assert names[-1].hash_of(names[-1].stored(text)) == text


def test_order_of_keys_matters():
    first, second, third = (letter * 32 for letter in (b"a", b"b", b"c"))
    prints = CustomerKeys(first, (second, third)).fingerprints
    assert prints[:2] == CustomerKeys(first, (second,)).fingerprints
    assert not set(prints) & set(CustomerKeys(third, (second, first)).fingerprints)
    assert CustomerKeys(first, (third, second)).fingerprints[-1] not in prints


def test_every_column_with_a_customer_is_renamed():
    named = {
        column
        for table in metadata.tables.values()
        for column in table.columns
        if column.name in ("customer", "alias", "unit", "balances")
    }
    assert {column for column in named if not isinstance(column.type, NamesCustomers)} == set()
    assert {column.name for column in named - set(renaming.COLUMNS)} == {"balances"}
