"""The kernel in process: `decide` over the benchmark's shop, p50 with and without a customer's past.

`python -m benchmarks.speed.kernel`.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from random import Random

from rich.console import Console
from rich.table import Table

from benchmarks.speed import bench_shop
from engine.kernel.kernel import decide
from engine.learning.active import Active
from engine.model.facts import Facts, History, Past, derive
from engine.service import open_engine
from engine.settings import Settings

Figure = tuple[str, str, str]
COUNT = 5_000
NOW = "2026-11-21T12:00:00.000Z"


def past_of(random: Random) -> History:
    """Three methods of a returning customer."""
    return {name: Past(4.0, float(random.randint(0, 4)), 3) for name in random.sample(bench_shop.METHODS, 3)}


def facts_of(active: Active, random: Random, *, returning: bool) -> Facts:
    values = active.plan.intake.values(bench_shop.context(random))
    past = past_of(random) if returning else {}
    derive(values, past, now=NOW)
    return Facts(values, past, None)


def median_us(active: Active, fact_sets: list[Facts]) -> float:
    took = []
    for number in range(COUNT):
        facts = fact_sets[number % len(fact_sets)]
        began = time.perf_counter_ns()
        _, beliefs = active.for_facts(facts.values)
        decide(active.plan, beliefs, facts, f"dec_{number:032x}", expires_at=NOW)
        took.append(time.perf_counter_ns() - began)
    return statistics.median(took) / 1000


async def _shop(folder: Path) -> Active:
    key = await bench_shop.prepare(folder, customers=1_000, decisions=10)
    engine = await open_engine(Settings(data=str(folder)))
    try:
        await engine.follow()
        access = engine.accounts.access(key)
        active = engine.live.get(access.merchant.id, bench_shop.PLACEMENT) if access else None
        if active is None:
            raise RuntimeError("the benchmark's shop has no placement")
        return active
    finally:
        await engine.database.close()


def figures() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="tap2-kernel-") as folder:
        active = asyncio.run(_shop(Path(folder)))
    random = Random(3)
    fact_sets = {
        "a customer without a past": [facts_of(active, random, returning=False) for _ in range(200)],
        "a customer with a past": [facts_of(active, random, returning=True) for _ in range(200)],
    }
    fact_sets["half and half"] = [facts for pair in zip(*fact_sets.values(), strict=True) for facts in pair]
    for facts_of_kind in fact_sets.values():
        median_us(active, facts_of_kind)
    what = "kernel p50, 8 methods, 50 rules, 40 facts, "
    return [
        (what + name, "at most 40 us", f"{median_us(active, facts_of_kind):.1f} us")
        for name, facts_of_kind in fact_sets.items()
    ]


def main() -> None:
    table = Table("what", "goal", "measured", title="Kernel in process")
    for row in figures():
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
