"""The CPU time of each stage of a decision, in process, over the benchmark's bench_shop.

`python -m benchmarks.speed.stages [--write]`; `--write` puts the table into docs/performance.md. CPU time of all
threads, so that other work on the machine blurs it little. The rest of a request is HTTP: the constant answer of
bench_server.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import msgspec
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from benchmarks.process import ROOT
from benchmarks.published import put
from benchmarks.speed import bench_shop
from engine.clock import now_ms
from engine.decisions.requests.answers import DecisionAnswer, decision_id, encode, expires_at, log_row
from engine.kernel.kernel import decide
from engine.learning.active import Active
from engine.model.facts import Facts, derive
from engine.model.timestamps import DAY, rfc3339
from engine.service import Engine, open_engine
from engine.settings import Settings
from engine.store.customers.usage import NO_CUSTOMER, StoredCustomer, UsageRow, customers_of, history
from engine.store.decisions import DecisionRow
from web.api.decisions import DecisionRequest
from web.http.process import tune

CUSTOMERS, DECISIONS = 200_000, 20_000
COUNT = 4_800
GROUP = 24
"""About how many requests share a look-up and a commit with 48 connections."""
COMMAND = "python -m benchmarks.speed.stages"


class Request(NamedTuple):
    """One request on its way through the stages."""

    body: bytes
    context: dict[str, Any]
    name: str


Row = tuple[DecisionRow, list[str]]


class Stages:
    """Runs each stage over all requests; `cpu` has microseconds a request by stage."""

    def __init__(self, engine: Engine, merchant_id: int, requests: list[Request]) -> None:
        self.cpu: dict[str, float] = {}
        self._engine, self._merchant, self._requests = engine, merchant_id, requests
        active = engine.live.get(merchant_id, bench_shop.PLACEMENT)
        assert active is not None
        self._active: Active = active
        self._now = now_ms()

    async def run(self) -> None:
        decoder = msgspec.json.Decoder(DecisionRequest)
        self._each("decode the request", self._requests, lambda request: decoder.decode(request.body))
        hasher = self._engine.hasher
        customers = self._each(
            "hash the customer's id", self._requests, lambda request: hasher(self._merchant, request.name)
        )
        usage = await self._grouped("look up the customer's past", customers, self._look_up)
        facts = self._each("gather the facts", list(zip(self._requests, customers, usage, strict=True)), self._facts)
        answers = self._each("rules, chances, draw (the kernel)", facts, self._decide)
        rows = self._each("encode the answer and its row", answers, self._row)
        await self._grouped("append and commit", rows, self._append)

    def _each(self, stage: str, inputs: list[Any], act: Callable[[Any], Any]) -> list[Any]:
        began = time.process_time()
        outputs = [act(item) for item in inputs]
        self.cpu[stage] = 1e6 * (time.process_time() - began) / len(inputs)
        return outputs

    async def _grouped(
        self, stage: str, inputs: list[Any], act: Callable[[list[Any]], Awaitable[list[Any]]]
    ) -> list[Any]:
        began = time.process_time()
        groups = [await act(inputs[start : start + GROUP]) for start in range(0, len(inputs), GROUP)]
        self.cpu[stage] = 1e6 * (time.process_time() - began) / len(inputs)
        return [item for group in groups for item in group]

    async def _look_up(self, names: list[str]) -> list[Sequence[UsageRow]]:
        keys = [(self._merchant, name) for name in names]

        async def work(connection: AsyncConnection) -> dict[tuple[int, str], StoredCustomer]:
            return await customers_of(connection, keys)

        customers = await self._engine.database.look_up(work)
        return [customers.get(key, NO_CUSTOMER).usage for key in keys]

    def _facts(self, given: tuple[Request, str, Sequence[UsageRow]]) -> Facts:
        request, customer, usage = given
        plan, weights = self._active.plan, self._engine.decider._weights
        values = plan.intake.values(request.context)
        past = history(usage, plan.placement.key, today=self._now // DAY, weight=weights) if usage else {}
        derive(values, past, now=rfc3339(self._now))
        return Facts(values, past, customer)

    def _decide(self, facts: Facts) -> DecisionAnswer:
        plan = self._active.plan
        _, beliefs = self._active.for_facts(facts.values)
        decision = decide(plan, beliefs, facts, decision_id(self._now), expires_at=expires_at(plan, self._now))
        return DecisionAnswer(decision, facts, plan, b"")

    def _row(self, answer: DecisionAnswer) -> Row:
        row = log_row(answer._replace(body=encode(answer.decision)), self._merchant, "", self._now, closes=True)
        return row, [item.id for item in answer.decision.ranking]

    async def _append(self, rows: list[Row]) -> list[Row]:
        await asyncio.gather(*(self._engine.recorder.append(*row, self._active.learning) for row in rows))
        return rows


async def measure(folder: Path, *, customers: int, decisions: int, count: int) -> dict[str, float]:
    """Microseconds of CPU a decision, by stage."""
    await bench_shop.prepare(folder, customers=customers, decisions=decisions)
    engine = await open_engine(Settings(data=str(folder)))
    await engine.live.follow()
    await engine.dictionary_trainer.follow()
    await engine.live.refresh(at_once=True)
    try:
        merchant = await engine.accounts.merchant("bench")
        stages = Stages(engine, merchant.id, [_request(Random(seed), customers) for seed in range(count)])
        tune()
        engine.recorder.start()
        await stages.run()
        return stages.cpu
    finally:
        await engine.recorder.stop()
        await engine.database.close()


def _request(random: Random, customers: int) -> Request:
    context, name = bench_shop.context(random), bench_shop.customer(random, customers)
    body = {"placement": bench_shop.PLACEMENT, "customer_id": name, "context": context}
    return Request(msgspec.json.encode(body), context, name)


def main(*, write: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="tap2-stages-") as name:
        cpu = asyncio.run(measure(Path(name), customers=CUSTOMERS, decisions=DECISIONS, count=COUNT))
    cpu["together"] = sum(cpu.values())
    table = Table("stage", "CPU µs a decision", title="Where a decision's time goes")
    for stage, spent in cpu.items():
        table.add_row(stage, f"{spent:.0f}")
    Console().print(table)
    if write:
        lines = [f"| {stage} | {spent:.0f} |" for stage, spent in cpu.items()]
        head = [
            f"`{COMMAND}`: 8 methods, 50 rules, 40 facts, groups of {GROUP}.",
            "",
            "| stage | CPU µs a decision |",
            "|---|---:|",
        ]
        put(ROOT / "docs" / "performance.md", "stages", "\n".join([*head, *lines]))


if __name__ == "__main__":
    main(write="--write" in sys.argv[1:])
