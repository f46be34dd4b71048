"""Check that budgets hold: many clients, killed workers, jumping clocks, and an independent reader.

`python -m benchmarks.verify budgets`: 100,000 attempts on each database, some half an hour. Fewer, to try it out:
`python -m benchmarks.budgets.run ATTEMPTS SEQUENCES`. tests/engine/test_engine_ledger_crash.py runs a small version.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.budgets.checkouts import Checkout, Connections, Outcome
from benchmarks.budgets.last_unit import figures_of_last_unit
from benchmarks.budgets.sequences import SEQUENCES, figures_of_sequences
from benchmarks.budgets.shop import OFF, database_of, offers_of, open_shop
from benchmarks.budgets.watch import Reader, Watch
from benchmarks.budgets.workers import Worker, serving
from engine.offers.verification import verify
from engine.service import database_url
from engine.settings import Settings
from engine.store.connection.database import open_database

Figure = tuple[str, str, str]

ATTEMPTS, CLIENTS, UNITS = 100_000, 64, 1_000
ATTEMPTS_A_BUDGET = 5_000
"""At the chances of `FATES` some 2,500 of them are granted, until 1,000 stay spent."""
KILL_SECONDS, JUMP_SECONDS = 2.0, 3.0
HOUR_MS = 3_600_000
RELEASE_WITHIN_SECONDS = 60.0
GRANTS = "SELECT COUNT(*) FROM ledger WHERE kind = 'hold' AND uses = 1"
LIVE = "SELECT COUNT(*) FROM holds WHERE state = 'live'"
OUTSIDE_DECISIONS = "SELECT COUNT(*) FROM holds WHERE decision_id = ''"
SPENT = "SELECT SUM(spent_uses) FROM budget_balances"


class Run(NamedTuple):
    """The result of a run on one database."""

    name: str
    outcome: Outcome
    watch: Watch
    grants: int
    kills: int
    jumps: int
    spent: int
    units: int
    held_by_key: int
    differences: int
    seconds: float


async def disturb(workers: Sequence[Worker], random: Random, ended: asyncio.Event) -> tuple[int, int]:
    """Kill a worker every two seconds, and set a clock every three; return how often each was done.

    While half of several workers are starting, none is killed.
    """
    jumps = asyncio.create_task(_jump(workers, random, ended))
    kills = 0
    starting: set[asyncio.Task[None]] = set()
    while not ended.is_set():
        await asyncio.sleep(KILL_SECONDS)
        ready_workers = [worker for worker in workers if worker.is_ready]
        if 2 * len(ready_workers) > len(workers):
            worker = random.choice(ready_workers)
            await worker.kill()
            kills += 1
            starting.add(asyncio.create_task(worker.start()))
    await asyncio.gather(*starting)
    return kills, await jumps


async def _jump(workers: Sequence[Worker], random: Random, ended: asyncio.Event) -> int:
    jumps = 0
    while not ended.is_set():
        random.choice(workers).jump(random.choice((0, HOUR_MS, -HOUR_MS)))
        jumps += 1
        await asyncio.sleep(JUMP_SECONDS)
    for worker in workers:
        worker.jump(0)
    return jumps


async def spend(kind: str, settings: Settings, workers_count: int, attempts: int) -> Run:
    """Let the clients spend all budgets while workers are killed and clocks jump."""
    began, random = time.monotonic(), Random(attempts)
    budgets = max(1, attempts // ATTEMPTS_A_BUDGET)
    offers = offers_of(budgets)
    key, merchant_id = await open_shop(settings, budgets, UNITS)
    reader, outcome, ended = Reader(settings.database_url, Path(settings.data)), Outcome(), asyncio.Event()
    watch = Watch(reader, dict.fromkeys(offers, (UNITS * OFF, UNITS)))
    async with serving(settings, workers_count) as workers:
        watching = asyncio.create_task(watch.run(ended))
        disturbed = asyncio.Event()
        disturbing = asyncio.create_task(disturb(workers, random, disturbed))
        connections = [Connections(workers, key, Random(random.random())) for _ in range(CLIENTS)]
        clients = [Checkout(each, offers, outcome, Random(random.random())) for each in connections]
        await asyncio.gather(*(client.run(lambda: outcome.attempts < attempts) for client in clients))
        disturbed.set()
        kills, jumps = await disturbing
        await _release_forgotten(workers, reader)
        await asyncio.gather(*(client.use_up(offers) for client in clients))
        ended.set()
        await watching
    for each in connections:
        outcome.sent_again += each.sent_again
        each.close()
    grants, spent = await reader.number(GRANTS), await reader.number(SPENT)
    held_by_key = await reader.number(OUTSIDE_DECISIONS)
    await reader.close()
    differences = await _differences(settings, merchant_id)
    seconds = time.monotonic() - began
    measured = (grants, kills, jumps, spent, budgets * UNITS, held_by_key, differences, seconds)
    return Run(f"{kind}, {workers_count} workers" if workers_count > 1 else kind, outcome, watch, *measured)


async def _release_forgotten(workers: Sequence[Worker], reader: Reader) -> None:
    """Wait until the jobs of workers an hour ahead have released what was forgotten."""
    for worker in workers:
        worker.jump(2 * HOUR_MS)
    async with asyncio.timeout(RELEASE_WITHIN_SECONDS):
        while await reader.number(LIVE):
            await asyncio.sleep(0.5)
    for worker in workers:
        worker.jump(0)


async def _differences(settings: Settings, merchant_id: int) -> int:
    database = open_database(database_url(settings))
    try:
        verification = await verify(database, merchant_id)
    finally:
        await database.close()
    return sum(map(len, verification[3:]))


def figures_of(run: Run) -> list[Figure]:
    """Return the rows of a run."""
    outcome, share = run.outcome, run.spent / run.units
    ends = ", ".join(f"{count:,} {end}" for end, count in outcome.ends.most_common())
    load = f"{outcome.attempts:,} attempts of {CLIENTS} clients in {run.seconds / 60:.1f} min"
    disturbances = f"{run.kills} kill -9, {run.jumps} clock jumps, {outcome.sent_again:,} requests sent again"
    return [
        (f"{run.name}: grants", "half the attempts", f"{run.grants:,} of {load}; {ends}"),
        (f"{run.name}: looks at which committed + held exceeded a cap", "0",
         f"{len(run.watch.over)} of {run.watch.looks:,} ({disturbances})"),
        (f"{run.name}: budgets spent in the end", "at least 99.5%", f"{share:.2%} of {run.units:,} units"),
        (f"{run.name}: live holds that were not honoured", "0", str(len(outcome.dishonoured))),
        (f"{run.name}: answers that no one expects", "0", str(len(outcome.unexpected))),
        (f"{run.name}: holds by Idempotency-Key, less answered keys", "0",
         str(run.held_by_key - len(outcome.held_by_key))),
        (f"{run.name}: differences that `tap2 budget verify` finds", "0", str(run.differences)),
    ]  # fmt: skip


def figures(attempts: int = ATTEMPTS, sequences: int = SEQUENCES) -> list[Figure]:
    """Return (subject, goal, measured) for the table of docs/verification.md."""
    rows: list[Figure] = []
    for kind, workers in (("PostgreSQL", 4), ("SQLite", 1)):
        with database_of(kind) as settings:
            run = asyncio.run(spend(kind, settings, workers, attempts))
        rows += figures_of(run)
        for text in (*run.outcome.dishonoured, *run.outcome.unexpected, *map(str, run.watch.over)):
            Console(stderr=True).print(text, markup=False)
    return rows + figures_of_last_unit() + figures_of_sequences(sequences)


def main() -> None:
    table = Table("what", "goal", "measured")
    for figure in figures(*map(int, sys.argv[1:])):
        table.add_row(*figure)
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
