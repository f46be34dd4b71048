"""Hundreds of requests over HTTP for the last unit, behind a barrier; and the same without what keeps the cap."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import NamedTuple

from benchmarks.budgets.checkouts import CART, Answer, Connections
from benchmarks.budgets.shop import database_of, offers_of, open_shop
from benchmarks.budgets.watch import OVER, Reader
from benchmarks.budgets.workers import Worker, serving
from engine.settings import Settings

Figure = tuple[str, str, str]

REQUESTS, SAME_KEY = 500, 50
SIDES = (("SQLite", 1), ("PostgreSQL", 1), ("PostgreSQL", 4))


class LastUnitResult(NamedTuple):
    """The statuses of requests for the last unit, the seconds until the last answer, and budgets over their cap."""

    statuses: Counter[int]
    seconds: float
    over: int
    effects: int
    bodies: int


async def run_race(settings: Settings, workers_count: int, *, guarded: bool = True) -> LastUnitResult:
    """Let all requests start at once on a new shop, whose budgets have one unit each."""
    key, _ = await open_shop(settings, 2, 1)
    first, second = offers_of(2)
    reader = Reader(settings.database_url, Path(settings.data))
    async with serving(settings, workers_count, guarded=guarded) as workers:
        began, answers = await at_once(workers, key, [(first, f"key-{number}") for number in range(REQUESTS)])
        seconds = time.perf_counter() - began
        _, same = await at_once(workers, key, [(second, "same-key")] * SAME_KEY)
        effects = await reader.number("SELECT COUNT(*) FROM holds WHERE offer = 'offer-1'")
        over = len(await reader.rows(OVER))
    await reader.close()
    bodies = len({str(body) for status, body in same if status == 201}) + sum(status != 201 for status, _ in same)
    return LastUnitResult(Counter(status for status, _ in answers), seconds, over, effects, bodies)


async def at_once(workers: list[Worker], key: str, requests: list[tuple[str, str]]) -> tuple[float, list[Answer]]:
    """Hold offers with keys, each on a connection of its own that is open before; return when it began."""
    barrier, random = asyncio.Barrier(len(requests) + 1), Random(1)

    async def hold(number: int, offer: str, name: str) -> Answer:
        connection = Connections(workers[number % len(workers) :][:1], key, random)
        await connection.send("/v1/redemptions/none", None, method="GET")
        await barrier.wait()
        answer = await connection.ask_once("/v1/redemptions/hold", {"offer_id": offer, "context": {"cart": CART}}, name)
        connection.close()
        return answer

    tasks = [asyncio.create_task(hold(number, *each)) for number, each in enumerate(requests)]
    await barrier.wait()
    began = time.perf_counter()
    return began, await asyncio.gather(*tasks)


def figures_of_last_unit() -> list[Figure]:
    """Return the rows of races on both databases, with one worker and with four."""
    rows: list[Figure] = []
    for kind, workers in SIDES:
        name = f"{kind}, {workers} worker{'s' if workers > 1 else ''}"
        with database_of(kind) as settings:
            race = asyncio.run(run_race(settings, workers))
        statuses = ", ".join(f"{count} x {status}" for status, count in sorted(race.statuses.items()))
        rows += [
            (f"{name}: {REQUESTS} holds of the last unit at once", f"1 x 201, {REQUESTS - 1} x 409",
             f"{statuses}, in {race.seconds:.1f} s"),
            (f"{name}: one Idempotency-Key {SAME_KEY} times at once, effects and different answers", "1, 1",
             f"{race.effects}, {race.bodies}"),
        ]  # fmt: skip
    with database_of("PostgreSQL") as settings:
        race = asyncio.run(run_race(settings, 4, guarded=False))
    granted = race.statuses[201]
    return [*rows, ("the same without the condition of the update: granted", "more than 1", f"{granted} of {REQUESTS}")]
