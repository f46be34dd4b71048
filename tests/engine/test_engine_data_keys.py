"""Stored texts are encrypted with a key a day; a rotation of the master key loses nothing, wherever it is stopped."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from engine.accounts.customer_key import UnusableKey
from engine.accounts.data_keys import Rotation
from engine.accounts.sealing import Sealer
from engine.clock import now_ms
from engine.customers.changes import Changer
from engine.decisions.requests.settings_reader import PURPOSE
from engine.installation_keys import accept_customer_key, data_keys_of, rotate_master_key
from engine.model.documents.preferences import PreferenceChange
from engine.model.errors import Conflict
from engine.model.events.webhook import NewEndpoint
from engine.model.timestamps import DAY, MINUTE
from engine.store.customers import data_keys
from engine.webhooks.endpoints import PURPOSE as OF_WEBHOOKS
from tests.marks import SQLITE_FIRST

pytestmark = pytest.mark.anyio

SERVER = Changer("server", "key 1")


async def say(engine: Any, merchant_id: int, customer: str, language: str = "de") -> None:
    change = PreferenceChange(language=language)
    await engine.preferences.change(merchant_id, customer, change, SERVER)


async def language(engine: Any, merchant_id: int, customer: str) -> str | None:
    return (await engine.preferences.get(merchant_id, customer)).preferences.language


async def make_days(engine: Any, days: int) -> None:
    """Make keys of so many days before today."""
    today = now_ms() // DAY
    for day in range(today - days, today, 2):
        await engine.data_keys.make_due(now=day * DAY)


async def masters(engine: Any) -> dict[str, int]:
    """Return how many data keys are under each master key."""
    async with engine.database.read() as connection:
        rows = await connection.execute(text("SELECT master, count(*) FROM data_keys GROUP BY master"))
        return dict(list(rows))


async def sealed_texts(engine: Any) -> list[str]:
    async with engine.database.read() as connection:
        return list(
            (await connection.execute(text("SELECT sealed FROM customer_settings ORDER BY customer"))).scalars()
        )


def rotate(engine: Any) -> Any:
    return rotate_master_key(engine.settings, engine.data_keys, new=True)


async def test_texts_of_each_day_are_encrypted_with_its_key(shop, start_engine, monkeypatch):
    engine, today = shop.engine, now_ms() // DAY
    await say(engine, shop.id, "anna")
    for days in (1, 2):
        later = now_ms() + days * DAY
        await engine.data_keys.make_due(now=later)
        monkeypatch.setattr("engine.accounts.data_keys.now_ms", lambda later=later: later + 2 * MINUTE)
        await say(engine, shop.id, f"ben {days}")
    days = sorted(int(each.partition(".")[0]) for each in await sealed_texts(engine))
    assert days == [today, today + 1, today + 2]
    for reader in (engine, await start_engine()):
        assert [await language(reader, shop.id, name) for name in ("anna", "ben 1", "ben 2")] == ["de"] * 3


async def test_key_is_used_after_all_processes_loaded_it(shop, start_engine, monkeypatch):
    engine, later = shop.engine, now_ms() + 3 * DAY
    other = await start_engine()
    await engine.data_keys.make_due(now=later)
    monkeypatch.setattr("engine.accounts.data_keys.now_ms", lambda: later + MINUTE // 2)
    await say(engine, shop.id, "anna")
    assert await language(other, shop.id, "anna") == "de", "the other process has not loaded the new key yet"
    await other.follow()
    monkeypatch.setattr("engine.accounts.data_keys.now_ms", lambda: later + MINUTE)
    await say(engine, shop.id, "anna", "fr")
    assert await language(other, shop.id, "anna") == "fr"


async def test_a_clock_that_was_set_back_still_encrypts(shop, monkeypatch):
    monkeypatch.setattr("engine.accounts.data_keys.now_ms", lambda: now_ms() - 400 * DAY)
    await say(shop.engine, shop.id, "anna")
    assert await language(shop.engine, shop.id, "anna") == "de"


async def test_texts_from_before_data_keys_stay_readable(shop):
    engine, customer = shop.engine, shop.engine.hasher(shop.id, "anna")
    await say(engine, shop.id, "anna")
    key = Path(engine.settings.data, "customer.key").read_text().encode()
    older = Sealer(key, PURPOSE).seal('{"preferences":{"language":"it"}}', f"{shop.id}:{customer}")
    async with engine.database.write() as connection:
        await connection.execute(text("UPDATE customer_settings SET sealed = :sealed"), {"sealed": older})
    assert await language(engine, shop.id, "anna") == "it"


async def test_earlier_plain_texts_are_encrypted_with_a_data_key(shop, start_engine):
    engine, names = shop.engine, [f"c{number}" for number in range(60)]
    key = Path(engine.settings.data, "customer.key").read_text().encode()
    for name in names:
        await say(engine, shop.id, name)
    tables = ("customer_settings", "customer_setting_versions")
    async with engine.database.write() as connection:
        for name in names:
            customer = engine.hasher(shop.id, name)
            older = Sealer(key, PURPOSE).seal('{"preferences":{"language":"it"}}', f"{shop.id}:{customer}")
            for table in tables:
                change = text(f"UPDATE {table} SET sealed = :sealed WHERE customer = :customer")
                await connection.execute(change, {"sealed": older, "customer": customer})
    user = await engine.team.add_user("anna@example.com", "Anna", "shop", "admin", "correct horse battery staple 7")
    sealed = Sealer(key, b"secrets of second factors").seal("SECRET", user.id)
    async with engine.database.write() as connection:
        values = {"user": user.id, "sealed": sealed}
        await connection.execute(text("INSERT INTO second_factors VALUES (:user, :sealed, 1, 0, 1)"), values)
    endpoint, _ = await engine.webhooks.create(shop.actor(), NewEndpoint(url="https://example.com/", types=[]))
    async with engine.database.write() as connection:
        values = {"older": Sealer(key, OF_WEBHOOKS).seal("whsec_older", endpoint.id)}
        await connection.execute(text("UPDATE webhook_endpoints SET secret = :older"), values)
    assert (await rotate(engine)).older_texts == 2 * len(names) + 2
    endpoint = await engine.webhooks.get(shop.id, endpoint.id)
    assert engine.webhooks.secrets_of(endpoint, now=now_ms()) == ["whsec_older"]
    async with engine.database.read() as connection:
        stored = [endpoint.secret, *await connection.scalars(text("SELECT secret FROM second_factors"))]
        for table in tables:
            stored += await connection.scalars(text(f"SELECT sealed FROM {table}"))
    assert len(stored) == 2 * len(names) + 2
    assert all("." in each for each in stored)
    other = await start_engine()
    assert {await language(other, shop.id, name) for name in names} == {"it"}
    assert (await rotate(engine)).older_texts == 0


async def test_rotation_changes_only_the_wrapped_key(shop, start_engine):
    engine = shop.engine
    await make_days(engine, 120)
    await say(engine, shop.id, "anna")
    before, texts = await masters(engine), await sealed_texts(engine)
    assert len(before) == 1
    count = sum(before.values())
    assert await rotate(engine) == Rotation(True, count, count)
    after = await masters(engine)
    assert len(after) == 1
    assert before.keys() & after.keys() == set()
    assert await sealed_texts(engine) == texts
    path = Path(engine.settings.data, "master.key")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert await language(await start_engine(), shop.id, "anna") == "de"
    assert (await rotate(engine)).new_master_key
    assert len(path.read_text().split()) == 2, "older keys stay, for copies of the database from before"


@SQLITE_FIRST
async def test_interrupted_rotation_continues_without_errors(shop, start_engine, monkeypatch):
    engine = shop.engine
    await make_days(engine, 300)
    await say(engine, shop.id, "anna")
    count, steps = sum((await masters(engine)).values()), 0
    rewrap = data_keys.rewrap

    async def stop(*arguments: Any, **table: Any) -> None:
        nonlocal steps
        steps -= 1
        if steps < 0:
            raise asyncio.CancelledError
        await rewrap(*arguments, **table)

    monkeypatch.setattr(data_keys, "rewrap", stop)
    for steps in (0, 1, 60, 130):
        rotating = await start_engine()
        with pytest.raises(asyncio.CancelledError):
            await rotate(rotating)
        fresh = await start_engine()
        assert await language(fresh, shop.id, "anna") == "de"
        await say(engine, shop.id, f"ben {steps}")
        assert await language(fresh, shop.id, f"ben {steps}") == "de"
    assert len(await masters(engine)) == 2, "half-way"
    steps = 10_000
    last = await rotate(await start_engine())
    assert (last.new_master_key, last.keys) == (False, count)
    assert 0 < last.rewrapped < count
    assert len(await masters(engine)) == 1
    assert len(Path(engine.settings.data, "master.key").read_text().split()) == 1, "one new key for all attempts"


async def test_a_missing_master_key_is_named_at_the_start(shop, start_engine):
    await rotate(shop.engine)
    path = Path(shop.engine.settings.data, "master.key")
    kept = path.read_text()
    path.unlink()
    with pytest.raises(UnusableKey, match=r"restore master\.key from the backup"):
        await start_engine()
    path.write_text("short")
    with pytest.raises(UnusableKey, match="at least 32 characters"):
        await start_engine()
    path.write_text(kept)
    await start_engine()


async def test_setting_overrides_the_file_and_is_not_written(shop, start_engine):
    await say(shop.engine, shop.id, "anna")
    new, older = "n" * 40, "o" * 40
    engine = await start_engine(master_key=f"{new},{older}")
    rotation = await engine.data_keys.rotate()
    with pytest.raises(Conflict, match="TAP2_MASTER_KEY"):
        await rotate(engine)
    assert (rotation.new_master_key, rotation.rewrapped) == (False, rotation.keys)
    assert not Path(engine.settings.data, "master.key").exists()
    assert await language(await start_engine(master_key=new), shop.id, "anna") == "de"
    with pytest.raises(UnusableKey):
        await start_engine()


async def test_processes_that_start_together_share_their_keys(shop):
    async with shop.engine.database.write() as connection:
        await connection.execute(text("DELETE FROM data_keys"))
    keys = [data_keys_of(shop.engine.settings, shop.engine.database, b"k" * 32) for _ in range(4)]
    now = now_ms()
    await asyncio.gather(*(each.make_due(now=now) for each in keys))
    assert len({each.get(now // DAY) for each in keys}) == 1
    assert len({each.get(now // DAY + 1) for each in keys}) == 1


async def test_database_contains_no_plain_key(shop):
    async with shop.engine.database.read() as connection:
        rows = str((await connection.execute(text("SELECT * FROM data_keys"))).all())
    key = shop.engine.data_keys.get(now_ms() // DAY)
    assert key is not None
    assert key.hex() not in rows
    assert str(key) not in rows


async def test_deleting_a_day_deletes_its_data_key(shop, start_engine):
    await say(shop.engine, shop.id, "anna")
    settings = msgspec.structs.replace(shop.engine.settings, customer_key="another".ljust(40, "."))
    await accept_customer_key(settings)
    engine = await start_engine(customer_key=settings.customer_key)
    await say(engine, shop.id, "ben")
    assert await language(engine, shop.id, "ben") == "de"
    assert len(await masters(engine)) == 1
