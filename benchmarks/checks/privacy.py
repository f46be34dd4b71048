"""What customers own: preferences obeyed at once, erasures that leave nothing, and what both cost a decision.

`python -m benchmarks.verify privacy`, some minutes. tests/engine/test_engine_preferences.py, test_engine_consents.py
and test_engine_erasure.py run small versions.
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import select

from engine.customers.changes import Changer
from engine.decisions import rebuild
from engine.model.actor import Actor
from engine.model.documents.consent import ConsentRecord
from engine.model.documents.preferences import PreferenceChange
from engine.model.placement import Candidate, Placement
from engine.service import Engine, open_engine
from engine.settings import Settings
from engine.store.tables import metadata

Figure = tuple[str, str, str]
PLACEMENT = "payment_methods"
METHODS = ("card", "paypal", "klarna", "ideal", "sepa_debit", "apple_pay")
SERVER = Changer("server", "the check")
CUSTOMERS, VISITS, ERASED = 2_000, 2, 100
BATCHES, DECISIONS_A_BATCH, AT_ONCE = 12, 1_000, 16
CHANGES = 200
MORE_CUSTOMERS = 500_000
LOOK_UPS = 4_000
CUSTOMER_NAME = "person-{}@example.com"


class World(NamedTuple):
    """An engine with one merchant in a folder of its own."""

    engine: Engine
    merchant_id: int
    folder: Path

    async def decide(self, customer: str) -> Any:
        context = {"cart": {"total": 4_900, "currency": "EUR"}}
        return (await self.engine.decider.decide(self.merchant_id, [PLACEMENT], customer, context))[0]


async def open_world(folder: Path) -> World:
    """Open a new engine with six methods."""
    engine = await open_engine(Settings(data=str(folder), decision_timeout_ms=60_000, refresh_seconds=3600))
    await engine.start(with_jobs=False)
    merchant, _ = await engine.accounts.add_merchant("shop", "Shop")
    actor = Actor(merchant.id, "check")
    await engine.catalogue.create(actor, "placement", "", [Placement(key=PLACEMENT, name="Payment methods")])
    candidates = [Candidate(id=id, label=id, position=number) for number, id in enumerate(METHODS)]
    await engine.catalogue.create(actor, "candidate", PLACEMENT, candidates)
    return World(engine, merchant.id, folder)


async def erasing(world: World) -> list[Figure]:
    """Erase customers of a mixed load; return receipts, traces, and the agreement of sums and log."""
    names = [CUSTOMER_NAME.format(number) for number in range(CUSTOMERS)]
    for start in range(0, CUSTOMERS, AT_ONCE):
        for _ in range(VISITS):
            await asyncio.gather(*(world.decide(name) for name in names[start : start + AT_ONCE]))
    for name in names[: 2 * ERASED]:
        change = PreferenceChange(language="de", categories={"note": "rotweiss"})
        await world.engine.preferences.change(world.merchant_id, name, change, SERVER)
        record = ConsentRecord(method="save", purposes={"analytics": True})
        await world.engine.consents.record(world.merchant_id, name, record, SERVER)
    seconds = []
    for name in names[:ERASED]:
        began = time.perf_counter()
        await world.engine.eraser.erase(world.merchant_id, name)
        seconds.append(time.perf_counter() - began)
    differences = await rebuild.compare(world.engine.database)
    hashes = {world.engine.hasher(world.merchant_id, name) for name in names[:ERASED]}
    proofs = {"erasures", "customer_settings", "customer_setting_versions"}
    traces = 0
    async with world.engine.database.read() as connection:
        for table in metadata.tables.values():
            if table.name not in proofs:
                stored = await connection.execute(select(table))
                traces += sum(any(hash in str(tuple(row)) for hash in hashes) for row in stored)
    plain = _plain_words(world.folder, ["person-", "example.com", "rotweiss"])
    return [
        (f"erasing {ERASED} of {CUSTOMERS:,} customers: slowest receipt", "< 1 s", f"{max(seconds) * 1e3:.0f} ms"),
        ("median receipt", "", f"{statistics.median(seconds) * 1e3:.0f} ms"),
        ("rows that name an erased customer, beside the proof", "0", str(traces)),
        ("sums that differ from the log afterwards", "0", str(len(differences))),
        ("ids, addresses or preferences in plain in the database's files", "0", str(plain)),
    ]


def _plain_words(folder: Path, words: list[str]) -> int:
    """Return how often words stand in the files of the database: tables, free pages and write-ahead log."""
    raw = b"".join(path.read_bytes() for path in folder.glob("tap2.sqlite*"))
    return sum(raw.count(word.encode()) for word in words)


async def obeying(folder: Path) -> list[Figure]:
    """Change a preference in one process and decide in another, over and over."""
    world = await open_world(folder)
    other = await open_engine(world.engine.settings)
    await other.start(with_jobs=False)
    late, seconds = 0, []
    for number in range(CHANGES):
        method = METHODS[number % len(METHODS)]
        began = time.perf_counter()
        await world.engine.preferences.change(
            world.merchant_id, "anna", PreferenceChange(default_method=method), SERVER
        )
        (answer,) = await other.decider.decide(world.merchant_id, [PLACEMENT], "anna", {})
        seconds.append(time.perf_counter() - began)
        late += answer.decision.ranking[0].id != method
    await other.stop()
    await world.engine.stop()
    slowest = sorted(seconds)[int(0.99 * CHANGES)]
    return [
        (f"of {CHANGES} changes, next decisions of another process that disobey", "0", str(late)),
        ("from the change to the obeying answer, p99", "< 5 s", f"{slowest * 1e3:.0f} ms"),
    ]


async def costing(world: World) -> list[Figure]:
    """Compare the throughput of decisions for customers with and without preferences and consent, interleaved."""
    with_wishes = [f"with {number}" for number in range(DECISIONS_A_BATCH)]
    without = [f"none {number}" for number in range(DECISIONS_A_BATCH)]
    for name in with_wishes:
        change = PreferenceChange(default_method="paypal", excluded=("ideal",), language="de")
        await world.engine.preferences.change(world.merchant_id, name, change, SERVER)
        record = ConsentRecord(method="save", purposes={"analytics": False})
        await world.engine.consents.record(world.merchant_id, name, record, SERVER)
    ratios = []
    for _ in range(BATCHES):
        plain, wished = await _seconds(world, without), await _seconds(world, with_wishes)
        ratios.append(plain / wished)
    share = statistics.median(ratios)
    what = "throughput with preferences, consent and encryption, over that without"
    return [(what, ">= 0.9", f"{share:.2f} ({min(ratios):.2f} to {max(ratios):.2f} in {BATCHES} pairs)")]


async def _seconds(world: World, names: list[str]) -> float:
    began = time.process_time()
    for start in range(0, len(names), AT_ONCE):
        await asyncio.gather(*(world.decide(name) for name in names[start : start + AT_ONCE]))
    return time.process_time() - began


def looking_up(folder: Path) -> list[Figure]:
    """Compare the look-up of a customer with few and with many customers in the table; in SQLite alone."""
    path = folder / "tap2.sqlite"
    with sqlite3.connect(path) as connection:
        merchant_id = connection.execute("SELECT id FROM merchants").fetchone()[0]
        few = _fill(connection, merchant_id, 0, 10_000)
        before = _look_up_us(connection, merchant_id, few)
        many = _fill(connection, merchant_id, 10_000, MORE_CUSTOMERS)
        after = _look_up_us(connection, merchant_id, many)
        query = "EXPLAIN QUERY PLAN SELECT sealed FROM customer_settings WHERE merchant_id = 1 AND customer = 'a'"
        plan = connection.execute(query).fetchone()[-1]
    return [
        (f"look-up among {MORE_CUSTOMERS:,} customers over that among 10,000", "<= 1.1", f"{after / before:.2f}"),
        ("the same, times", "", f"{before:.1f} us -> {after:.1f} us"),
        ("index used", "primary key", "primary key" if "PRIMARY KEY" in plan else plan),
    ]


def _fill(connection: sqlite3.Connection, merchant_id: int, first: int, end: int) -> list[str]:
    """Add settings of customers; return the hashes of all that were added."""
    names = [f"{(number * 0x9E3779B97F4A7C15) % 2**128:032x}" for number in range(first, end)]
    rows = ((merchant_id, name, 1, "x" * 180) for name in names)
    connection.executemany("INSERT INTO customer_settings VALUES (?, ?, ?, ?)", rows)
    connection.commit()
    return names


def _look_up_us(connection: sqlite3.Connection, merchant_id: int, names: list[str]) -> float:
    """Return the median time of a look-up in microseconds, with the pages of these customers read before."""
    step = max(1, len(names) // LOOK_UPS)
    query = "SELECT sealed FROM customer_settings WHERE merchant_id = ? AND customer = ?"
    times = []
    for _ in range(2):
        times = []
        for name in names[::step]:
            began = time.perf_counter()
            connection.execute(query, (merchant_id, name)).fetchone()
            times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e6


def figures() -> list[Figure]:
    """Return all figures, goals and measurements."""
    return asyncio.run(_figures())


async def _figures() -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world = await open_world(folder / "erasing")
        rows = await erasing(world)
        await world.engine.stop()
        rows += await obeying(folder / "obeying")
        world = await open_world(folder / "costing")
        rows += await costing(world)
        await world.engine.stop()
        return rows + looking_up(folder / "costing")
