"""Bytes that a decision takes on the disk, with all indexes, on SQLite and on PostgreSQL.

`python -m benchmarks.speed.log_size [--write]`; `--write` puts the table into docs/performance.md. The decisions have
40 facts and 8 candidates, and their windows are open, so that they stand in every index.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from random import Random
from typing import Any, NamedTuple

import msgspec
from rich.console import Console
from sqlalchemy import text

from benchmarks.budgets.shop import database_of
from benchmarks.process import ROOT
from benchmarks.published import put
from benchmarks.speed import bench_shop
from engine.clock import now_ms
from engine.decisions.requests.answers import decision_id
from engine.service import Engine, open_engine
from engine.settings import Settings
from engine.store import decisions
from engine.store.decisions import DecisionRow

TRAINED_ON, DIFFERENT, COPIES, AT_ONCE = 1_000, 2_000, 50, 50
COMMAND = "python -m benchmarks.speed.log_size"
SIZES = {
    "SQLite": "SELECT sum(pgsize) FROM dbstat WHERE name IN ('decisions', 'ix_decisions_open')",
    "PostgreSQL": "SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('decisions')",
}


class Size(NamedTuple):
    """Bytes a decision: the whole row with its indexes, and of it the compressed record; before, its texts."""

    row: float
    record: float
    texts: float


async def measure(kind: str, settings: Settings) -> Size:
    """Log many decisions in the order of their times; return how much the tables grew."""
    engine = await open_engine(settings)
    await engine.start(with_jobs=False)
    try:
        merchant, _ = await engine.accounts.add_merchant("bench", "RuleContext")
        await bench_shop.configure(engine, merchant.id)
        await _decide(engine, merchant.id, TRAINED_ON, seed=1)
        await engine.dictionary_trainer.train(now=now_ms())
        await _decide(engine, merchant.id, DIFFERENT, seed=2)
        async with engine.database.read() as connection:
            rows = await decisions.newest(connection, merchant.id, limit=DIFFERENT)
        before = await _size(engine, SIZES[kind])
        for _ in range(COPIES):
            async with engine.database.write() as connection:
                await decisions.append(connection, _again(rows), engine.recorder.dictionaries)
        grown = await _size(engine, SIZES[kind]) - before
        record, texts = await _records(engine, rows)
        return Size(grown / (COPIES * len(rows)), record, texts)
    finally:
        await engine.stop()


async def _decide(engine: Engine, merchant_id: int, count: int, *, seed: int) -> None:
    random = Random(seed)
    for start in range(0, count, 50):
        request = (
            engine.decider.decide(
                merchant_id,
                (bench_shop.PLACEMENT,),
                f"c{number % 500 if number % 2 else number}",
                bench_shop.context(random),
            )
            for number in range(start, start + 50)
        )
        await asyncio.gather(*request)


def _again(rows: list[DecisionRow]) -> list[DecisionRow]:
    """Return copies under new ids, in their order."""
    ids = sorted(decision_id(now_ms()) for _ in rows)
    return [
        msgspec.structs.replace(row, id=id, answer=row.answer.replace(row.id, id))
        for row, id in zip(rows, ids, strict=True)
    ]


async def _size(engine: Engine, query: str) -> int:
    async with engine.database.read() as connection:
        return int((await connection.execute(text(query))).scalar_one())


async def _records(engine: Engine, rows: list[DecisionRow]) -> tuple[float, float]:
    """Return the average bytes of records, and of their texts."""
    texts = sum(len("".join(decisions.record_texts(row)).encode()) for row in rows) / len(rows)
    query = f"SELECT avg(length(record)) FROM (SELECT record FROM decisions ORDER BY id DESC LIMIT {len(rows)}) AS new"
    async with engine.database.read() as connection:
        return float((await connection.execute(text(query))).scalar_one()), texts


def table(sizes: dict[str, Any]) -> str:
    rows = (f"| {kind} | {size.texts:,.0f} | {size.record:,.0f} | {size.row:,.0f} |" for kind, size in sizes.items())
    head = "|  | texts of a decision | its record | on the disk, with indexes (goal: at most 500) |"
    return "\n".join([f"`{COMMAND}`, {datetime.now(UTC):%Y-%m-%d}; bytes.", "", head, "|---|---:|---:|---:|", *rows])


def main(*, write: bool) -> None:
    sizes: dict[str, Any] = {}
    for kind in SIZES:
        with database_of(kind) as settings:
            sizes[kind] = asyncio.run(measure(kind, settings))
    Console().print(table(sizes))
    if write:
        put(ROOT / "docs" / "performance.md", "log-size", table(sizes))


if __name__ == "__main__":
    main(write="--write" in sys.argv)
