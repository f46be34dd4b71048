"""Replace the customer key of a loaded server, kill the command half-way, and compare the data of all customers."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.privacy.loaded import ADDRESS, shop_around
from benchmarks.privacy.postgres import postgres
from benchmarks.privacy.traces import contents, count_words, rows_naming
from benchmarks.privacy.world import PAYMENT, World, create_data, settings_of
from benchmarks.process import ROOT, TAP2, Server, free_port
from engine.accounts.customer_key import UnusableKey
from engine.clock import now_ms
from engine.data_folder import database_url
from engine.decisions.rebuild import compare
from engine.decisions.replay import replay
from engine.installation_keys import rotate_master_key
from engine.model.actor import Actor
from engine.model.placement import RuleDocument
from engine.model.timestamps import MINUTE
from engine.service import Engine, open_engine
from engine.settings import Settings
from engine.store import decisions
from engine.store.connection.database import SQLITE_FILE, open_database

Figure = tuple[str, str, str]
CUSTOMERS, COMPARED, KILLS = 1_000, 200, 6
CHANGES_ANYWAY = frozenset(
    {"fingerprints", "leases", "data_keys", "customer_segments", "customer_segment_ends", "decisions", "erasures"}
)
"""Tables of the installation, what decisions are found by, records that are compressed anew where facts name the
customer, and erasures, whose ends are noted by the second pass."""


def figures() -> list[Figure]:
    """Return what a rotation changes and takes, for both databases."""
    return [*_rotated("SQLite"), *_rotated("PostgreSQL")]


def _rotated(kind: str) -> list[Figure]:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name) / "data"
        folder.mkdir()
        url = stack.enter_context(postgres(Path(name) / "postgres")) if kind == "PostgreSQL" else ""
        settings = settings_of(folder, url)
        key = asyncio.run(_create_data(settings))
        server = Server((*TAP2, "serve"), folder, free_port(), {"TAP2_DATABASE_URL": url} if url else {})
        with server:
            refused = shop_around(server.port, key, CUSTOMERS)
        before, hashes = asyncio.run(_stored_customers(settings)), asyncio.run(_hashes(settings))
        killed, refused_starts = _killed(settings)
        _run(settings)
        left = asyncio.run(_naming(settings, hashes))
        changed = _differing(before, asyncio.run(_stored_customers(settings)))
        with server:
            refused_after = shop_around(server.port, key, CUSTOMERS)
        renamed, wrong = _run(settings), asyncio.run(_wrong(settings))
        files = _in_files(folder, hashes) if kind == "SQLite" else None
    load = f"{CUSTOMERS:,} customers over HTTP, {renamed:,} names"
    return [
        (f"{kind}: `tap2 keys rotate-customer` killed (SIGKILL) half-way, and then gone on with", "",
         f"{killed} times; {load}"),
        (f"{kind}: starts of a server that were not refused meanwhile", "0", str(killed - refused_starts)),
        (f"{kind}: names under the older key that are left in rows, and in facts", "0", str(left)),
        *([(f"{kind}: hashes in all files of the data folder, after `VACUUM`", "0", files)] if files else []),
        (f"{kind}: tables, exports and preferences of {COMPARED} customers that read otherwise", "0", changed or "0"),
        (f"{kind}: of all decisions, replays that differ; sums that a rebuild changes", "0", wrong),
        (f"{kind}: requests of the same customers that are refused, before and after", "the same",
         f"{refused:,} and {refused_after:,}"),
    ]  # fmt: skip


async def _create_data(settings: Settings) -> str:
    """Make a shop with a master key of its own, and a rule that reads the customer's hash; return a key of it."""
    key = await create_data(settings)
    async with _Opened(settings) as engine:
        await rotate_master_key(settings, engine.data_keys, new=True)
        half = {"percent_bucket": [{"var": "customer.id"}, "salt", 0, 50]}
        boost = {"boost": {"candidates": ["card"], "factor": 2}}
        rule = RuleDocument(id="half", name="Half", when=half, effects=(boost,))
        await engine.catalogue.create(Actor(1, "check"), "rule", PAYMENT, [rule])
        await World(engine, 1).shop_around([ADDRESS.format(number) for number in range(COMPARED)])
    return key


class _Opened:
    """An engine on the database, without jobs, while no server runs."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def __aenter__(self) -> Engine:
        self._engine = await open_engine(self._settings)
        await self._engine.start(with_jobs=False)
        return self._engine

    async def __aexit__(self, *_: object) -> None:
        await self._engine.stop()


async def _hashes(settings: Settings) -> list[str]:
    async with _Opened(settings) as engine:
        return [engine.hasher(1, ADDRESS.format(number)) for number in range(COMPARED)]


async def _stored_customers(settings: Settings) -> dict[str, Any]:
    """Return what is read of all tables, and of some customers; what a start writes was written before."""
    for _ in range(2):
        async with _Opened(settings) as engine:
            # The second pass of erasures, for which a server waits a minute.
            await engine.eraser.sweep(now=now_ms() + 2 * MINUTE)
            rows = await contents(engine.database)
            exports = {
                f"export of {number}": await engine.customer_export.sections(1, ADDRESS.format(number))
                for number in range(COMPARED)
            }
    return {name: rows[name] for name in rows.keys() - CHANGES_ANYWAY} | exports


def _differing(before: dict[str, Any], after: dict[str, Any]) -> str:
    return ", ".join(name for name in before if before[name] != after[name])


def _start(settings: Settings) -> subprocess.Popen[bytes]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("TAP2_")}
    own |= {"TAP2_DATA": settings.data, "TAP2_DATABASE_URL": settings.database_url, "TAP2_LOG_LEVEL": "info"}
    command = [sys.executable, *TAP2, "keys", "rotate-customer", "--json"]
    return subprocess.Popen(command, cwd=ROOT, env=own, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _killed(settings: Settings) -> tuple[int, int]:
    """Kill the command at random moments after it has renamed some columns; try to start a server each time.

    Return how often it was killed before it was done, and how often the server was refused.
    """
    random, killed, refused = Random(1), 0, 0
    for _ in range(KILLS):
        process = _start(settings)
        assert process.stderr is not None
        for _ in range(random.randint(1, 3)):
            while (line := process.stderr.readline()) and b"customers renamed" not in line:
                pass
        time.sleep(random.uniform(0.0, 0.3))
        process.kill()
        process.communicate()
        if process.returncode == 0:
            break
        killed += 1
        refused += asyncio.run(_is_refused(settings))
    return killed, refused


async def _is_refused(settings: Settings) -> bool:
    try:
        engine = await open_engine(settings)
    except UnusableKey:
        return True
    await engine.database.close()
    return False


def _run(settings: Settings) -> int:
    """Run the command to its end; return how many names it stored."""
    output, _ = _start(settings).communicate()
    return int(json.loads(output)["renamed"])


async def _naming(settings: Settings, hashes: list[str]) -> int:
    """Return how often hashes occur in rows, and in the stored facts of decisions."""
    database = open_database(database_url(settings))
    count = rows_naming(await contents(database), hashes)
    last = None
    while True:
        async with database.read() as connection:
            rows = await decisions.chunk(connection, after=last, limit=500)
        if not rows:
            break
        count += rows_naming({"facts": [row.facts for row in rows]}, hashes)
        last = rows[-1]
    await database.close()
    return count


async def _wrong(settings: Settings) -> str:
    """Return how many decisions replay otherwise, and how many sums differ from the log."""
    different, last = 0, None
    async with _Opened(settings) as engine:
        while True:
            async with engine.database.read() as connection:
                rows = await decisions.chunk(connection, after=last, limit=500)
            if not rows:
                break
            different += sum([not (await replay(engine.database, row)).same for row in rows])
            last = rows[-1]
        return f"{different}; {len(await compare(engine.database))}"


def _in_files(folder: Path, hashes: list[str]) -> str:
    """Return how often hashes occur in files, after and before free parts of pages were rewritten."""
    words = [*hashes, *map(bytes.fromhex, hashes)]
    before, _ = count_words(folder, words)
    with closing(sqlite3.connect(folder / SQLITE_FILE)) as database:
        database.execute("VACUUM")
    return f"{count_words(folder, words)[0]} ({before} before, in free parts of pages)"
