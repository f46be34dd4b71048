"""What partitions by day cost queries on PostgreSQL, and how long decisions wait while partitions change.

`python -m benchmarks.verify partitions`. Two databases of one server have the same decisions, one in a partition for
each day and one in a single table; each query goes to both in turn. A third has a full log from before partitions,
which is migrated, looked through and dropped while decisions are logged.
"""

from __future__ import annotations

import asyncio
import secrets
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.privacy.postgres import postgres
from engine.clock import now_ms
from engine.decisions.requests.answers import decision_id
from engine.migrate import configuration, upgrade
from engine.model.timestamps import DAY, MINUTE
from engine.store import decisions
from engine.store.connection.database import Database, open_database
from engine.store.decisions import DecisionRow
from engine.store.log import partition_upkeep, partitions
from engine.store.log.records import compressed

Figure = tuple[str, str, str]
DAYS, DECISIONS_A_DAY, MERCHANTS = 90, 3_000, 3
DAYS_OF_A_YEAR, FEWER_A_DAY = 400, 600
ROUNDS, EACH_ROUND = 12, 40
GROUP = 24
FULL_LOG = 2_000_000
WRITERS = 4
MERCHANT = """
INSERT INTO merchants (id, slug, mode, name, country, currency, locale, timezone, created_at, revision)
SELECT number, 's' || number, 'live', 'S', 'DE', 'EUR', 'de', 'UTC', 1, 0 FROM generate_series(1, :merchants) AS number
"""
FILL = """
INSERT INTO decisions (merchant_id, id, placement, customer, plan_version, beliefs_version, dictionary, record)
SELECT 1 + number % :merchants,
    decode(lpad(to_hex(:first + number * :days * 86400000 / :count), 12, '0') || left(md5(number::text), 20), 'hex'),
    'payment_methods', decode(md5((number % 1000)::text), 'hex'), 1, 1, 0, :record
FROM generate_series(0::bigint, :count - 1) AS number
"""
Key = tuple[int, str]
Query = Callable[[Database, Random], Awaitable[None]]


class Sides(NamedTuple):
    """The same log twice, and keys of it: of yesterday, and of all days."""

    single: Database
    parted: Database
    yesterday: Sequence[Key]
    all: Sequence[Key]


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="tap2-partitions-") as folder, postgres(Path(folder, "postgres")) as url:
        for days, a_day in ((DAYS, DECISIONS_A_DAY), (DAYS_OF_A_YEAR, FEWER_A_DAY)):
            yield from asyncio.run(_costs(url, days, a_day))
        yield from asyncio.run(_waits(url))


async def _costs(url: str, days: int, a_day: int) -> list[Figure]:
    sides = await _open(url, days, a_day)
    measured = []
    for name, goal, query in _queries(sides):
        took: dict[Database, list[float]] = {sides.single: [], sides.parted: []}
        for number in range(ROUNDS):
            for database in took if number % 2 else reversed(took):
                random = Random(number)
                for _ in range(EACH_ROUND):
                    began = time.perf_counter()
                    await query(database, random)
                    took[database].append(time.perf_counter() - began)
        single, parted = (1e6 * statistics.median(each) for each in took.values())
        shown = f"{single:,.0f} and {parted:,.0f} us: {parted / single:.2f} x"
        measured.append((f"{name}, single table and {days} days", goal, shown))
    for database in (sides.single, sides.parted):
        await database.close()
    return measured


def _queries(sides: Sides) -> Iterator[tuple[str, str, Query]]:
    async def append(database: Database, random: Random) -> None:
        rows = [_row(now_ms(), random.randint(1, MERCHANTS)) for _ in range(GROUP)]
        await database.transact(lambda connection: decisions.append(connection, rows, now=now_ms()))

    def by_keys(keys: Sequence[Key], count: int) -> Query:
        async def read(database: Database, random: Random) -> None:
            async with database.read() as connection:
                if len(await decisions.by_keys(connection, random.sample(keys, count))) != count:
                    raise RuntimeError("a decision is missing")

        return read

    async def newest(database: Database, random: Random) -> None:
        async with database.read() as connection:
            await decisions.newest(connection, random.randint(1, MERCHANTS))

    async def due(database: Database, _random: Random) -> None:
        async with database.write() as connection:
            await decisions.due(connection, now=now_ms(), limit=100)

    yield f"append {GROUP} decisions and commit", "at most 1.1 x", append
    yield "read 1 decision by id", "at most 1.1 x", by_keys(sides.yesterday, 1)
    yield "read 50 decisions of a day by id", "at most 1.1 x", by_keys(sides.yesterday, 50)
    yield "read 50 decisions of all days by id", "", by_keys(sides.all, 50)
    yield "the newest 50 of a merchant", "", newest
    yield "decisions whose window has ended (every 5 s)", "", due


async def _open(url: str, days: int, a_day: int) -> Sides:
    single, parted = [open_database(await _new(url, f"{name}_{days}")) for name in ("single", "parted")]
    now = now_ms()
    today = now // DAY
    for database in (single, parted):
        async with database.write() as connection:
            [first] = await partitions.stored(connection)
            await connection.execute(text(f"ALTER TABLE decisions DETACH PARTITION {first.name}"))
            if database is single:
                await connection.execute(text("DROP TABLE decisions"))
                await connection.execute(text(f"ALTER TABLE {first.name} RENAME TO decisions"))
            else:
                await connection.execute(text(f"DROP TABLE {first.name}"))
                for day in range(today - days, today + partition_upkeep.DAYS_AHEAD + 1):
                    await partitions.add(connection, day, day + 1)
        await _fill(database, now, days, days * a_day)
    async with single.read() as connection:
        query = "SELECT merchant_id, 'dec_' || encode(id, 'hex') FROM decisions WHERE merchant_id = 1 ORDER BY id"
        keys = [(row[0], row[1]) for row in await connection.execute(text(query))]
    return Sides(single, parted, keys[-a_day // MERCHANTS :], keys)


async def _new(url: str, name: str, *, revision: str | None = None) -> str:
    """Make a database at a revision, or at the newest one; return its URL."""
    server = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with server.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    await server.dispose()
    own = url.replace("/postgres?", f"/{name}?")
    await (upgrade(own) if revision is None else _migrate(own, revision))
    return own


async def _migrate(url: str, revision: str) -> None:
    def run(connection: Connection) -> None:
        command.upgrade(configuration(connection), revision)

    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(run)
    await engine.dispose()


async def _fill(database: Database, now: int, days: int, count: int) -> None:
    """Log the decisions of some days, up to now."""
    [record] = compressed([("", "", '{"cart.total":5}', "{}", secrets.token_hex(100))])
    values = {"first": now - days * DAY, "days": days, "count": count, "record": record, "merchants": MERCHANTS}
    async with database.write() as connection:
        await connection.execute(text(MERCHANT), {"merchants": MERCHANTS})
        await connection.execute(text(FILL), values)
    async with database.read() as connection:
        await connection.execute(text("VACUUM ANALYZE decisions"))


def _row(moment: int, merchant_id: int) -> DecisionRow:
    id = decision_id(moment)
    answer = f'{{"decision_id":"{id}"}}'
    closes_at = moment + 60 * MINUTE
    return DecisionRow(id, merchant_id, "payment_methods", "ab" * 16, moment, closes_at, 1, 1, "", "{}", "{}", answer)


async def _waits(url: str) -> list[Figure]:
    """Migrate, part and drop a full log while decisions are logged and read; return how long these waited."""
    full = await _new(url, "full_log", revision="0058")
    database = open_database(full)
    await _fill(database, now_ms(), DAYS, FULL_LOG)
    waits: list[float] = []
    writers = [asyncio.create_task(_log(database, waits)) for _ in range(WRITERS)]
    now, measured = now_ms(), []
    steps: list[tuple[str, Callable[[], Awaitable[object]]]] = [
        ("nothing for a second", lambda: asyncio.sleep(1)),
        ("migration 0059", lambda: _migrate(full, "0059")),
        ("the old table becomes a partition", lambda: partition_upkeep.prepare(database.write, now=now)),
        ("8 days get partitions", lambda: partition_upkeep.prepare(database.write, now=now + 8 * DAY)),
        ("all of it is dropped", lambda: partition_upkeep.drop_expired(database.write, before=now + 9 * DAY)),
    ]
    for name, step in steps:
        await asyncio.sleep(1)
        waits.clear()
        began = time.perf_counter()
        await step()
        took = time.perf_counter() - began
        await asyncio.sleep(0.5)
        shown = f"{took:.2f} s; longest wait of {len(waits)} decisions {1000 * max(waits):.0f} ms"
        measured.append((f"{name}, {FULL_LOG:,} decisions", "", shown))
    for writer in writers:
        writer.cancel()
    await asyncio.gather(*writers, return_exceptions=True)
    await database.close()
    return measured


async def _log(database: Database, waits: list[float]) -> None:
    """Log decisions, each in a transaction, and read them again; a writer that fails is missed by the others' waits."""
    while True:
        row, began = _row(now_ms(), 1), time.perf_counter()
        async with database.write() as connection:
            await decisions.append(connection, [row], now=now_ms())
        async with database.read() as connection:
            await decisions.find(connection, 1, row.id)
        waits.append(time.perf_counter() - began)
        await asyncio.sleep(0.002)
