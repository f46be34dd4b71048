"""The cost of running experiments for decisions: the same shop with ten and without, in turns.

`python -m benchmarks.speed.experiment_decisions`. It writes docs/performance.md. Decisions are asked for in process, 32
at once, and stored; a turn is measured by CPU time, which other processes on the machine do not change much.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import tempfile
import time
from datetime import UTC, datetime
from random import Random
from typing import NamedTuple

from rich.console import Console

from benchmarks.process import ROOT
from benchmarks.published import put
from benchmarks.speed import bench_shop
from engine.model.actor import Actor
from engine.model.experiment import Experiment, Variant
from engine.service import Engine, open_engine
from engine.settings import Settings

Figure = tuple[str, str, str]
EXPERIMENTS, WARM_UP, TURNS, DECISIONS, AT_ONCE = 10, 20, 40, 512, 32
CUSTOMERS = 20_000


class Ratio(NamedTuple):
    """Decisions a second of CPU time, and the median ratio of turns beside each other."""

    without: float
    with_experiments: float
    ratio: float


async def _merchant(engine: Engine, slug: str, experiments: int) -> int:
    merchant, _ = await engine.accounts.add_merchant(slug, slug)
    await bench_shop.configure(engine, merchant.id)
    actor = Actor(merchant.id, "bench")
    for number in range(experiments):
        variants = (
            Variant(id="control", name="As it is"),
            Variant(id="other", name="Other", order=(bench_shop.METHODS[number % 8],)),
        )
        document = Experiment(id=f"e{number}", name=f"E{number}", share=1 / experiments, variants=variants)
        await engine.experiments.create(actor, bench_shop.PLACEMENT, document)
        await engine.experiments.start(actor, bench_shop.PLACEMENT, document.id)
    return merchant.id


async def _turn(engine: Engine, merchant_id: int, random: Random) -> float:
    """Return the CPU seconds of a decision."""
    requests = [(f"c{random.randrange(CUSTOMERS)}", bench_shop.context(random)) for _ in range(DECISIONS)]
    gc.collect()
    began = time.process_time()
    for first in range(0, DECISIONS, AT_ONCE):
        batch = requests[first : first + AT_ONCE]
        await asyncio.gather(
            *(engine.decider.decide(merchant_id, (bench_shop.PLACEMENT,), name, facts) for name, facts in batch)
        )
    return (time.process_time() - began) / DECISIONS


async def measure(folder: str) -> Ratio:
    """Return what decisions cost with experiments and without."""
    engine = await open_engine(Settings(data=folder, decision_timeout_ms=10_000))
    await engine.follow()
    engine.recorder.start()
    try:
        plain, tried = await _merchant(engine, "plain", 0), await _merchant(engine, "tried", EXPERIMENTS)
        costs: list[tuple[float, float]] = []
        random = Random(7)
        for number in range(WARM_UP + TURNS):
            order = (plain, tried) if number % 2 else (tried, plain)
            took = {merchant_id: await _turn(engine, merchant_id, random) for merchant_id in order}
            costs.append((took[plain], took[tried]))
    finally:
        await engine.recorder.stop()
        await engine.database.close()
    counted = costs[WARM_UP:]
    without, with_experiments = (statistics.median(column) for column in zip(*counted, strict=True))
    ratio = statistics.median(first / second for first, second in counted)
    return Ratio(1 / without, 1 / with_experiments, ratio)


def figures() -> list[Figure]:
    """Return the figure of the table."""
    with tempfile.TemporaryDirectory(prefix="tap2-experiments-") as folder:
        measured = asyncio.run(measure(folder))
    what = f"decisions with {EXPERIMENTS} running experiments over those without, in turns, all customers enrolled"
    speeds = f"{measured.with_experiments:,.0f} and {measured.without:,.0f} a CPU second"
    return [(what, "at least .95", f"{measured.ratio:.2f} ({speeds})")]


def main() -> None:
    """Print the table and write it."""
    rows = [f"| {' | '.join(row)} |" for row in figures()]
    head = f"`python -m benchmarks.speed.experiment_decisions`, {datetime.now(UTC):%Y-%m-%d}; medians of {TURNS} turns."
    table = "\n".join([head, "", "| what | goal | measured |", "|---|---|---|", *rows])
    Console().print(table, markup=False)
    put(ROOT / "docs" / "performance.md", "experiment-decisions", table)


if __name__ == "__main__":
    main()
