"""PostgreSQL stores decisions in partitions by day: none is lost, and whole days leave by dropping."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import msgspec
import pytest
from alembic import command
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from engine.clock import now_ms
from engine.decisions.requests.answers import decision_id
from engine.migrate import configuration, upgrade
from engine.model.documents.retention import RetentionPolicy
from engine.model.timestamps import DAY
from engine.store import decisions, tables
from engine.store.connection.database import open_database
from engine.store.decisions import DecisionRow
from engine.store.log import partition_upkeep, partitions
from tests.conftest import execute, postgres_url
from tests.engine.test_engine_migration_steps import MERCHANT
from tests.engine.test_engine_migrations import Clock
from tests.factories import order

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("database_kind", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True),
]
TODAY = now_ms() // DAY


@pytest.fixture
def settings(settings, postgres_server):
    """Settings on a database of its own, because tests change the partitions."""
    name = f"test_{secrets.token_hex(6)}"
    asyncio.run(execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE untouched"))
    yield msgspec.structs.replace(settings, database_url=postgres_url(postgres_server, name))
    asyncio.run(execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


async def stored(database: Any) -> list[str]:
    async with database.read() as connection:
        return [each.name for each in await partitions.stored(connection)]


async def ids_of(shop: Any) -> set[str]:
    return {item.decision.decision_id for item in await shop.engine.logbook.search(shop.id)}


async def count(database: Any, table: Any) -> int:
    async with database.read() as connection:
        return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())


def row_at(moment: int) -> DecisionRow:
    id = decision_id(moment)
    return DecisionRow(id, 1, "p", "ab" * 16, moment, moment + DAY, 1, 1, "", "{}", "{}", f'{{"decision_id":"{id}"}}')


async def log(database: Any, *rows: DecisionRow) -> None:
    async with database.write() as connection:
        await decisions.append(connection, rows, now=now_ms())


async def is_logged(database: Any, rows: list[DecisionRow]) -> bool:
    async with database.read() as connection:
        return await decisions.by_keys(connection, [(1, row.id) for row in rows]) == {row.id: row for row in rows}


async def test_a_full_log_is_migrated_under_a_server_that_runs(empty_url):
    engine = create_async_engine(empty_url)
    async with engine.begin() as connection:
        await connection.run_sync(lambda each: command.upgrade(configuration(each), "0058"))
        await connection.execute(text(MERCHANT))
        await connection.execute(text("GRANT SELECT ON decisions TO pg_monitor"))
    running, rows = open_database(empty_url), [row_at(now_ms() - age * DAY) for age in (500, 20, 1, 0)]
    await log(running, *rows)
    assert await is_logged(running, rows)
    await upgrade(empty_url)
    assert len(await stored(running)) == 1
    rows.append(row_at(now_ms()))
    await log(running, rows[0], rows[-1])
    assert await is_logged(running, rows)
    async with running.write() as connection:
        assert [row.id for row in await decisions.due(connection, now=now_ms(), limit=9)] == [
            row.id for row in rows[:3]
        ]
        await decisions.close(connection, rows[:3])
        assert await decisions.due(connection, now=now_ms(), limit=9) == []
        granted = "SELECT has_table_privilege('pg_monitor', 'decisions', 'SELECT')"
        assert (await connection.execute(text(granted))).scalar()
    await running.close()
    async with engine.begin() as connection:
        await connection.run_sync(lambda each: command.downgrade(configuration(each), "0058"))
        assert (await connection.execute(text("SELECT count(*) FROM decisions"))).scalar() == len(rows)
    await engine.dispose()


async def test_whole_days_are_dropped_with_what_belongs_to_them(shop, clock):
    retention, answers = shop.engine.settings.retention_days, {}
    for day in (20, 21, 22):
        clock.to(TODAY + day)
        await partition_upkeep.prepare(shop.engine.database.write, now=clock.now)
        answers[day] = await shop.decide("c1")
        await shop.report(answers[day], "converted", order(answers[day].decision)[1])
    before = await stored(shop.engine.database)
    assert len(before) == 2 + 7 + 2
    # At the end of the day, so that its decision is older than the retention; it stays as long as its day.
    clock.now = (TODAY + 22 + retention) * DAY - 1
    await shop.engine.purge()
    assert await ids_of(shop) == {answers[day].decision.decision_id for day in (21, 22)}
    assert await count(shop.engine.database, tables.outcomes) == 2
    assert (await stored(shop.engine.database))[: len(before) - 2] == before[2:]
    assert (await shop.engine.logbook.replay(shop.id, answers[21].decision.decision_id)).same


async def test_a_day_that_others_hold_is_dropped_later(shop, clock, monkeypatch):
    monkeypatch.setattr(partition_upkeep, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(partition_upkeep, "LOCK_MS", 20)
    database, old = shop.engine.database, await shop.decide()
    clock.to(TODAY + 10 + shop.engine.settings.retention_days)
    async with database.snapshot() as backup:
        await backup.execute(text("SELECT count(*) FROM decisions"))
        await shop.engine.purge()
        assert old.decision.decision_id in await ids_of(shop)
        assert (await shop.decide()).decision.ranking
    await shop.engine.purge()
    assert old.decision.decision_id not in await ids_of(shop)


async def test_a_shorter_retention_leaves_the_day_of_others(shop, clock):
    other, _ = await shop.engine.accounts.add_merchant("other", "Other")
    theirs = type(shop)(shop.engine, other)
    await theirs.add_placement()
    clock.to(TODAY + 20)
    await partition_upkeep.prepare(shop.engine.database.write, now=clock.now)
    for each in (shop, theirs):
        answer = await each.decide("c1")
        await each.report(answer, "converted", order(answer.decision)[1])
    await shop.engine.retention.replace(shop.actor(), RetentionPolicy(decisions=90), confirmed=True)
    clock.to(TODAY + 20 + 92)
    await shop.engine.purge()
    assert await ids_of(shop) == set()
    assert await ids_of(theirs) == {answer.decision.decision_id}
    assert await count(shop.engine.database, tables.outcomes) == 1


async def test_a_day_without_a_partition_is_stored_and_gets_one_later(shop, clock):
    database = shop.engine.database
    clock.to(TODAY + 60)
    answer = await shop.decide("c1")
    assert await ids_of(shop) == {answer.decision.decision_id}
    at_once = [partition_upkeep.prepare(database.write, now=clock.now) for _ in range(2)]
    await asyncio.gather(*at_once)
    after = await stored(database)
    assert len(after) == 2
    async with database.read() as connection:
        assert not await partitions.other_holds(connection, 0)
    assert await ids_of(shop) == {answer.decision.decision_id}
    await partition_upkeep.prepare(database.write, now=clock.now)
    assert await stored(database) == after


async def test_partitions_that_were_not_finished_refuse_no_decision_later(shop, clock, monkeypatch):
    async def full(_connection):
        raise DBAPIError("", None, OSError("the disk is full"))

    clock.to(TODAY + 60)
    await shop.decide()
    with monkeypatch.context() as patched:
        patched.setattr(partitions, "check_bounds", full)
        await partition_upkeep.prepare(shop.engine.database.write, now=clock.now)
    clock.to(TODAY + 90)
    assert not (await shop.decide()).decision.fallback


async def test_an_id_after_all_times_is_of_no_decision(shop):
    receipt = await shop.report(f"dec_{'f' * 32}", "converted", "card")
    assert receipt.status == "unknown_decision"
