"""Databases are made and brought up to date by themselves; old things go after the retention, and no sooner."""

from __future__ import annotations

import asyncio

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import func, inspect, select, text
from sqlalchemy.ext.asyncio import create_async_engine

from engine import jobs, service
from engine.accounts import accounts
from engine.clock import now_ms
from engine.decisions import decide, rebuild
from engine.learning import live
from engine.migrate import OLDEST_READER, SchemaTooNew, configuration, upgrade
from engine.model.errors import NotFound
from engine.model.timestamps import DAY
from engine.store import tables
from engine.store.connection.database import open_database
from tests import shop as shop_module
from tests.factories import order
from tests.processes import PROCESSES

pytestmark = pytest.mark.anyio


async def look(url, question):
    """Answer a question about a database's schema."""
    database = open_database(url)
    async with database.read() as connection:
        answer = await connection.run_sync(question)
    await database.close()
    return answer


def table_names(connection):
    return inspect(connection).get_table_names()


def differences(connection):
    def is_compared(_object, name, kind, _reflected, _other):
        return kind != "table" or not name.startswith("decisions_")  # a partition

    options = {"compare_type": True, "compare_server_default": True, "include_object": is_compared}
    return compare_metadata(MigrationContext.configure(connection, opts=options), tables.metadata)


async def test_empty_database_gets_the_schema_of_the_code(empty_url):
    newest = ScriptDirectory.from_config(configuration()).get_current_head()
    assert await upgrade(empty_url) == newest
    assert await look(empty_url, differences) == []
    assert {"decisions", "outcomes", "beliefs"} <= set(
        await look(empty_url, lambda connection: inspect(connection).get_table_names())
    )


async def test_bringing_up_to_date_twice_is_harmless(empty_url):
    assert await upgrade(empty_url) == await upgrade(empty_url)
    assert await look(empty_url, differences) == []


def _upgrade(url, queue):
    queue.put(asyncio.run(upgrade(url)))


async def test_concurrent_processes_migrate_once(empty_url):
    queue = PROCESSES.Queue()
    processes = [PROCESSES.Process(target=_upgrade, args=(empty_url, queue)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        await asyncio.to_thread(process.join, 60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert await look(empty_url, differences) == []


async def test_interrupted_migration_is_rolled_back(empty_url, monkeypatch):
    create_table, seen = Operations.create_table, []

    def failing(self, *arguments, **options):
        seen.append(arguments)
        if len(seen) == 5:
            raise OSError("the disk is full")
        return create_table(self, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Operations, "create_table", failing)
        with pytest.raises(OSError, match="full"):
            await upgrade(empty_url)
    assert await look(empty_url, table_names) == []
    await upgrade(empty_url)
    assert await look(empty_url, differences) == []


async def test_an_older_version_runs_beside_a_newer_version_if_that_only_added(empty_url):
    newest = await upgrade(empty_url)
    await _change(empty_url, "UPDATE alembic_version SET version_num = '9999'")
    await _change(empty_url, f"UPDATE schema_readers SET oldest = '{newest}'")
    assert await upgrade(empty_url) == "9999"
    assert await look(empty_url, differences) == []
    await _change(empty_url, "UPDATE schema_readers SET oldest = '9998'")
    with pytest.raises(SchemaTooNew, match=f"is 9999, and this version knows {newest}"):
        await upgrade(empty_url)


async def _change(url, statement):
    database = open_database(url)
    async with database.write() as connection:
        await connection.execute(text(statement))
    await database.close()


async def test_migrations_since_the_oldest_reader_only_add(empty_url):
    def columns(revision):
        def at_revision(connection):
            command.upgrade(configuration(connection), revision)
            tables = inspect(connection).get_table_names()
            return {(name, each["name"]): each for name in tables for each in inspect(connection).get_columns(name)}

        return at_revision

    engine = create_async_engine(empty_url)
    async with engine.begin() as connection:
        before = await connection.run_sync(columns(OLDEST_READER))
        after = await connection.run_sync(columns("head"))
    await engine.dispose()
    old_tables = {table for table, _ in before}
    for key, column in before.items():
        assert (str(after[key]["type"]), after[key]["nullable"]) == (str(column["type"]), column["nullable"]), key
    for key in after.keys() - before.keys():
        is_optional = after[key]["nullable"] or after[key]["default"] is not None
        assert key[0] not in old_tables or is_optional, key


class Clock:
    """Sets the time of every module that reads it."""

    def __init__(self, monkeypatch):
        self.now = now_ms()
        for module in (decide, jobs, service, live, accounts, shop_module):
            monkeypatch.setattr(module, "now_ms", lambda: self.now)

    def to(self, day):
        self.now = day * DAY + DAY // 2


async def count(shop, table):
    async with shop.engine.database.read() as connection:
        return (await connection.execute(select(func.count()).select_from(table))).scalar()


async def test_purge_deletes_only_rows_older_than_the_retention(shop, monkeypatch):
    clock, today = Clock(monkeypatch), now_ms() // DAY
    retention = shop.engine.settings.retention_days
    answers = {}
    for age in (retention + 30, retention + 1, retention - 2, 5, 0):
        clock.to(today - age)
        answer = answers[age] = await shop.decide("c1")
        await shop.report(answer, "converted", order(answer.decision)[1])
        await shop.report(None, "converted", "card", customer="c1")
        await shop.engine.live.refresh(at_once=True)
    statistics = await shop.counts()
    await shop.engine.purge()
    kept = {item.decision.decision_id for item in await shop.engine.logbook.search(shop.id)}
    assert kept == {answers[age].decision.decision_id for age in (retention - 2, 5, 0)}
    assert await count(shop, tables.outcomes) == 6
    assert await count(shop, tables.tallies) == 3
    assert (await shop.decide("c1")).decision.ranking
    assert await shop.counts() == statistics
    since = rebuild.first_whole_day(clock.now, retention)
    assert await rebuild.compare(shop.engine.database, since_day=since) == []
    assert await rebuild.compare(shop.engine.database) != []
    await rebuild.rebuild(shop.engine.database, since_day=since)
    assert await shop.counts() == statistics
    with pytest.raises(NotFound):
        await shop.engine.logbook.get(shop.id, answers[retention + 1].decision.decision_id)
    for age in (retention - 2, 5, 0):
        assert (await shop.engine.logbook.replay(shop.id, answers[age].decision.decision_id)).same


async def test_kept_decision_keeps_outcomes_of_any_time(shop):
    answer = await shop.decide("c1")
    await shop.report(answer, "converted", order(answer.decision)[0], event="e", occurred_at=7)
    await shop.engine.purge()
    assert (
        await shop.report(answer, "converted", order(answer.decision)[0], event="e", occurred_at=7)
    ).status == "duplicate"
    assert await rebuild.compare(shop.engine.database) == []


async def test_an_old_snapshot_stays_while_a_kept_decision_names_it(shop, monkeypatch):
    clock, today = Clock(monkeypatch), now_ms() // DAY
    clock.to(today - 500)
    await shop.update_state(card=(10, 5))
    clock.to(today - 499)
    await shop.update_state(card=(20, 9))
    clock.to(today - 10)
    answer = await shop.decide()
    clock.to(today - 5)
    await shop.update_state(card=(30, 1))
    clock.to(today)
    await shop.engine.purge()
    assert (await shop.engine.logbook.replay(shop.id, answer.decision.decision_id)).same
    async with shop.engine.database.read() as connection:
        versions = (await connection.execute(select(tables.beliefs.c.version))).scalars().all()
    assert sorted(versions) == [2, 3]


async def test_a_purge_of_one_merchant_leaves_the_last_beliefs_of_others(shop, monkeypatch):
    clock, today = Clock(monkeypatch), now_ms() // DAY
    other, _ = await shop.engine.accounts.add_merchant("other", "Other")
    theirs = type(shop)(shop.engine, other)
    await theirs.add_placement()
    clock.to(today - 500)
    await theirs.update_state(card=(10, 5))
    clock.to(today)
    await shop.engine.purge()
    assert await count(shop, tables.beliefs) == 1
    async with shop.engine.database.read() as connection:
        assert (await connection.execute(text("SELECT merchant_id FROM beliefs"))).scalar() == other.id
