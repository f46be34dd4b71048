"""Look customers up among 10,000 and among 5,000,000, in turn, as each decision does."""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import insert, text

from benchmarks.privacy.postgres import postgres
from engine.migrate import upgrade
from engine.store.connection.database import Database, open_database, sqlite_url
from engine.store.customers.usage import customers_of
from engine.store.tables.accounts import merchants

Figure = tuple[str, str, str]
FEW, MANY = 10_000, 5_000_000
ROUNDS, LOOK_UPS_A_ROUND = 40, 250
PIECE = 100_000
TEXTS = dict.fromkeys(("name", "country", "currency", "locale", "timezone"), "-")
QUERY = "SELECT sealed FROM customer_settings WHERE merchant_id = 1 AND customer = 'a'"
SEALED = "x" * 180


class Filled(NamedTuple):
    """A database with so many customers."""

    database: Database
    customers: int

    async def look_up_us(self, chance: random.Random) -> list[float]:
        """Return the times of look-ups of customers at random, in microseconds."""
        times = []
        for _ in range(LOOK_UPS_A_ROUND):
            key = (1, name_of(chance.randrange(self.customers), self.customers))
            began = time.perf_counter()
            stored = await self.database.look_up(partial(customers_of, customers=[key]))
            times.append((time.perf_counter() - began) * 1e6)
            assert stored[key].sealed
        return times


def name_of(number: int, customers: int) -> str:
    """Return the hash of a customer; in order, so that tables are filled quickly."""
    return f"{number * (2**128 // customers):032x}"


def figures() -> list[Figure]:
    """Return the figures of both databases."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = asyncio.run(_sqlite(folder))
        with postgres(folder / "postgres") as url:
            return rows + asyncio.run(_postgres(url))


async def _sqlite(folder: Path) -> list[Figure]:
    filled = []
    for customers in (FEW, MANY):
        own = folder / str(customers)
        own.mkdir()
        database = await _opened(sqlite_url(str(own)))
        for rows in _pieces(customers):
            async with database.write() as connection:
                await connection.exec_driver_sql("INSERT INTO customer_settings VALUES (1, ?, 1, ?, 1)", rows)
        filled.append(Filled(database, customers))
    async with filled[1].database.read() as connection:
        plan = str((await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {QUERY}")).all())
    return await _compared("SQLite", filled, "primary key" if "PRIMARY KEY" in plan else plan)


async def _postgres(url: str) -> list[Figure]:
    filled = []
    server = open_database(url)
    for customers in (FEW, MANY):
        async with server.read() as connection:
            await connection.exec_driver_sql(f"CREATE DATABASE of_{customers}")
        database = await _opened(f"{url.partition('?')[0].rpartition('/')[0]}/of_{customers}?{url.partition('?')[2]}")
        step = 2**128 // customers
        rows = (
            "INSERT INTO customer_settings SELECT 1, lpad(to_hex((g.high)::bigint), 16, '0') || g.low, 1, "
            f"repeat('x', {len(SEALED)}), 1 FROM unnest(CAST(:high AS bigint[]), CAST(:low AS text[])) AS g(high, low)"
        )
        for numbers in _ranges(customers):
            hashes = [number * step for number in numbers]
            high = [(hash >> 64) - (2**64 if hash >> 127 else 0) for hash in hashes]
            low = [f"{hash % 2**64:016x}" for hash in hashes]
            async with database.write() as connection:
                await connection.execute(text(rows), {"high": high, "low": low})
        async with database.read() as connection:
            await connection.exec_driver_sql("VACUUM ANALYZE customer_settings")
        filled.append(Filled(database, customers))
    async with filled[1].database.read() as connection:
        plan = str((await connection.exec_driver_sql(f"EXPLAIN {QUERY}")).all())
    await server.close()
    return await _compared("PostgreSQL", filled, "primary key" if "pk_customer_settings" in plan else plan)


async def _opened(url: str) -> Database:
    await upgrade(url)
    database = open_database(url)
    async with database.write() as connection:
        await connection.execute(insert(merchants).values(id=1, slug="shop", mode="live", created_at=0, **TEXTS))
    return database


def _ranges(customers: int) -> Iterator[range]:
    for start in range(0, customers, PIECE):
        yield range(start, min(start + PIECE, customers))


def _pieces(customers: int) -> Iterator[list[tuple[str, str]]]:
    for numbers in _ranges(customers):
        yield [(name_of(number, customers), SEALED) for number in numbers]


async def _compared(name: str, filled: list[Filled], plan: str) -> list[Figure]:
    """Look up in turn: customers at random, and the same customers once more; the first rounds do not count."""
    few, many = filled
    pairs: dict[str, list[tuple[float, float]]] = {"at random": [], "who come again": []}
    for seed in range(2 * ROUNDS):
        for measured in pairs.values():
            small, large = [statistics.median(await each.look_up_us(random.Random(seed))) for each in (few, many)]
            if seed >= ROUNDS:
                measured.append((small, large))
    for each in filled:
        await each.database.close()
    what = f"{name}: look-up among {MANY:,} customers over that among {FEW:,}"
    rows = [(f"{what}, of customers {group}", "<= 1.1", _ratio(measured)) for group, measured in pairs.items()]
    return [*rows, (f"{name}: index used", "primary key", plan)]


def _ratio(pairs: list[tuple[float, float]]) -> str:
    small, large = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
    return f"{statistics.median(many / few for few, many in pairs):.2f} ({small:.0f} us -> {large:.0f} us)"
