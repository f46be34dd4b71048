"""The CPU time of a look at an experiment: 5,000,000 logged decisions, 50 experiments, 28 days.

`python -m benchmarks.speed.experiment_looks [DECISIONS]`; without a number it writes docs/performance.md. A decision
belongs to one of the experiments. A unit has two decisions, and stands in four segments: everybody, its device, its
country, new or returning.
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from benchmarks.process import ROOT
from benchmarks.published import put
from engine.clock import now_ms
from engine.decisions.requests.answers import decision_id
from engine.experiments.results import ExperimentResults
from engine.model.actor import Actor
from engine.model.experiment import Experiment, ExperimentStatus, Guardrail, Variant
from engine.model.placement import Candidate, Placement
from engine.model.resource import Resource
from engine.model.timestamps import DAY
from engine.service import Engine, open_engine
from engine.settings import Settings
from engine.store.experiments.exposures import cell_hour
from engine.store.experiments.sums import UnitTotals

PLACEMENT = "payment_methods"
DECISIONS, EXPERIMENTS, DAYS = 5_000_000, 50, 28
DEVICES, COUNTRIES = ("mobile", "desktop", "tablet"), tuple(f"{a}{b}" for a in "ABCD" for b in "ABCDE")
GOAL_MS = 50.0


class Cost(NamedTuple):
    """CPU milliseconds of a look, the median of many."""

    with_details: float
    without_details: float
    health: float
    rows: int


def experiment(number: int, now: int) -> Experiment:
    """Return a running experiment of two variants; every fifth has four."""
    changes = [Variant(id=f"v{index}", name=f"V{index}", order=("paypal",)) for index in range(1 if number % 5 else 3)]
    began = now - DAYS * DAY
    return Experiment(
        id=f"e{number}",
        name=f"Experiment {number}",
        share=1 / EXPERIMENTS,
        variants=(Variant(id="control", name="As it is"), *changes),
        secondary=("revenue", "order_value"),
        guardrails=(Guardrail(metric="orders"),),
        status=ExperimentStatus(state="running", started_at=began, phase_started_at=began),
    )


def sum_rows(merchant: int, document: Experiment, units: int, now: int) -> Iterator[tuple[Any, ...]]:
    """Yield rows of `experiment_sums` for random units."""
    rng = np.random.default_rng(len(document.id) + units)
    exposed = now - rng.integers(0, DAYS * DAY, units)
    bought = rng.random(units) < 0.1
    amounts = bought * rng.lognormal(8, 1, units).astype(int)
    countries = np.minimum(rng.geometric(0.2, units), len(COUNTRIES)) - 1
    cells: dict[tuple[str, int, str], UnitTotals] = {}
    for number in range(units):
        past = int(rng.poisson(0.5))
        variant = document.variants[number % len(document.variants)].id
        totals = UnitTotals.of(int(bought[number]), int(amounts[number]), past)
        device = f"device.type={DEVICES[number % 3]}"
        customer = "customer=returning" if past else "customer=new"
        for segment in ("", device, f"geo.country={COUNTRIES[countries[number]]}", customer):
            cell = (segment, cell_hour(segment, int(exposed[number])), variant)
            cells[cell] = cells[cell] + totals if cell in cells else totals
    for cell, totals in sorted(cells.items()):
        yield (merchant, PLACEMENT, document.id, 1, *cell, *totals)


def decision_rows(merchant: int, count: int, now: int) -> Iterator[tuple[Any, ...]]:
    """Yield closed decisions, spread over the time of the experiments."""
    facts, answer = '{"device.type":"mobile","geo.country":"DE","cart.total":5000}', '{"ranking":[]}'
    for number in range(count):
        decided = now - (count - number) * DAYS * DAY // count
        customer = f"{number % (count // 2):032x}"
        yield (decision_id(decided), merchant, PLACEMENT, customer, decided, None, 1, 0, "", facts, "{}", answer, "")


async def measure(decisions: int) -> Cost:
    now = now_ms()
    documents = [experiment(number, now) for number in range(EXPERIMENTS)]
    with tempfile.TemporaryDirectory() as folder:
        engine = await open_engine(Settings(data=folder))
        try:
            merchant, _ = await engine.accounts.add_merchant("bench", "Bench")
            actor = Actor(merchant.id, "bench")
            await engine.catalogue.create(actor, "placement", "", [Placement(key=PLACEMENT, name="Methods")])
            methods = [Candidate(id=name, label=name) for name in ("card", "paypal")]
            await engine.catalogue.create(actor, "candidate", PLACEMENT, methods)
            rows = _fill(Path(folder), merchant.id, documents, decisions, now)
            return await _looks(engine, merchant.id, documents, rows, now)
        finally:
            await engine.stop()


def _fill(folder: Path, merchant: int, documents: list[Experiment], decisions: int, now: int) -> int:
    """Write the log and the sums; return the rows of sums an experiment has."""
    with sqlite3.connect(folder / "tap2.sqlite") as database:
        _insert(database, "decisions", decision_rows(merchant, decisions, now))
        for document in documents:
            _insert(database, "experiment_sums", sum_rows(merchant, document, decisions // EXPERIMENTS // 2, now))
        (rows,) = database.execute("SELECT count(*) FROM experiment_sums").fetchone()
    return int(rows) // len(documents)


def _insert(database: sqlite3.Connection, table: str, rows: Iterator[tuple[Any, ...]]) -> None:
    first = next(rows)
    statement = f"INSERT INTO {table} VALUES ({','.join('?' * len(first))})"
    database.execute(statement, first)
    database.executemany(statement, rows)
    database.commit()


async def _looks(engine: Engine, merchant: int, documents: list[Experiment], rows: int, now: int) -> Cost:
    results: ExperimentResults = engine.experiment_results
    resources = [Resource("experiment", PLACEMENT, document.id, 1, document, now) for document in documents]
    with_details = [await _cpu(results.look, merchant, each, now=now) for each in resources]
    without = [await _cpu(results.look, merchant, each, now=now, has_details=False) for each in resources]
    health = [await _cpu(results.health, merchant, each) for each in resources]
    # The first looks fill caches that all later ones share.
    return Cost(*(statistics.median(times[5:]) for times in (with_details, without, health)), rows)


async def _cpu(work: Callable[..., Coroutine[Any, Any, msgspec.Struct]], *values: Any, **options: Any) -> float:
    began = time.process_time()
    await work(*values, **options)
    return 1_000 * (time.process_time() - began)


def figures(decisions: int = DECISIONS) -> list[tuple[str, str, str]]:
    cost = asyncio.run(measure(decisions))
    size = f"{decisions:,} decisions, {EXPERIMENTS} experiments, {cost.rows:,} rows of sums each"
    goal = f"under {GOAL_MS:.0f} ms of CPU"
    return [
        (f"a look with history and segments, {size}", goal, f"{cost.with_details:.1f} ms"),
        (
            "a look as the list and the API's summary need it",
            f"under {GOAL_MS:.0f} ms",
            f"{cost.without_details:.1f} ms",
        ),
        ("a look of the job that stops experiments", goal, f"{cost.health:.1f} ms"),
    ]


def main(decisions: int = DECISIONS, *, write: bool = False) -> None:
    rows = [f"| {' | '.join(row)} |" for row in figures(decisions)]
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    head = f"`python -m benchmarks.speed.experiment_looks`, {day}; medians of {EXPERIMENTS - 5} looks."
    table = "\n".join([head, "", "| what | goal | measured |", "|---|---|---|", *rows])
    print(table)
    if write:
        put(ROOT / "docs" / "performance.md", "looks", table)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else DECISIONS, write=len(sys.argv) == 1)
