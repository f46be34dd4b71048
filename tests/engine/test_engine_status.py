"""The status of an installation: size, growth, pending decisions, age of beliefs, leader."""

from __future__ import annotations

import pytest

from engine import status
from engine.model.timestamps import DAY
from engine.store.connection import leases

pytestmark = pytest.mark.anyio


async def test_decisions_are_counted_as_pending(shop):
    before = await status.read(shop.engine.database)
    for _ in range(3):
        await shop.decide()
    after = await status.read(shop.engine.database)
    assert (before.installation.decisions_last_day, after.installation.decisions_last_day) == (0, 3)
    assert before.installation.bytes_a_day is None
    assert after.installation.bytes > 100_000
    assert 0 < after.installation.bytes_a_day <= after.installation.bytes
    assert after.backlogs["decisions with an open window"] - before.backlogs["decisions with an open window"] == 3


async def test_beliefs_of_a_placement_have_an_age(shop, monkeypatch):
    assert (await status.read(shop.engine.database)).beliefs == []
    await shop.update_state(card=(10, 3))
    fresh = await status.read(shop.engine.database)
    moment = status.now_ms() + DAY
    monkeypatch.setattr(status, "now_ms", lambda: moment)
    aged = await status.read(shop.engine.database)
    [unchanged], [old] = fresh.beliefs, aged.beliefs
    assert (old.merchant, old.side, old.placement) == ("shop", shop.merchant.mode, "payment_methods")
    assert unchanged.beliefs_version == old.beliefs_version == 1
    assert unchanged.seconds_old < 3600 < old.seconds_old


async def test_leader_is_shown_until_its_lease_ends(shop):
    seen = (await status.read(shop.engine.database)).installation.leader_seen_seconds
    assert 0 <= seen < 20
    await shop.engine.leadership.give_back()
    assert (await status.read(shop.engine.database)).installation.leader_seen_seconds is None


async def test_expired_lease_has_zero_seconds(shop):
    async with shop.engine.database.write() as connection:
        await leases.take(connection, "other", "somebody", milliseconds=-1)
    async with shop.engine.database.read() as connection:
        assert await leases.milliseconds_left(connection, "other") is None
        assert await leases.milliseconds_left(connection, "nobody") is None


async def test_the_database_is_named(engine, database_kind):
    installation = (await status.read(engine.database)).installation
    assert installation.database == {"sqlite": "SQLite", "postgres": "PostgreSQL"}[database_kind]
    assert installation.version
