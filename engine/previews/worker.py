"""The process of one preview: `python -m engine.previews.worker`.

Reads a job as one line of JSON, and writes lines of JSON: its progress, then the result or a problem. It ends with the
process that started it, because its input ends then.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

import msgspec

from engine.clock import now_ms
from engine.kernel.plan import Plan, PlanDocument
from engine.model.timestamps import first_id_of, moment_of
from engine.previews.estimation.offer_cost import cost_of
from engine.previews.estimation.result import Result, result_of
from engine.previews.estimation.totals import Totals
from engine.previews.reader import PreviewJob, begin, give_way, read_piece
from engine.store import decisions, plans
from engine.store.tables.columns import IdSpan
from rules import RuleError

DECISIONS_A_PIECE = 10_000
MOST_PROCESSES = 2
BUSY_MS, BUSY_DECISIONS = 2_000, 20
"""A server that answered so many decisions in so long a time before keeps one core for them."""


class ReadProgress(msgspec.Struct, tag="progress"):
    done: int
    total: int


class Done(msgspec.Struct, tag="done"):
    result: Result


class Failed(msgspec.Struct, tag="failed"):
    problem: str


Message = ReadProgress | Done | Failed


def main() -> None:
    job = msgspec.json.decode(sys.stdin.buffer.readline(), type=PreviewJob)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    give_way()
    try:
        _send(Done(preview(job)))
    except RuleError as error:
        _send(Failed(f"the draft cannot be tried: {error.problems[0].message}"))


def preview(job: PreviewJob) -> Result:
    """Try the draft on the log, in pieces that are read in parallel."""
    began = time.monotonic()
    draft = Plan(job.document, version=0)
    ids = asyncio.run(_ids(job))
    totals = _read(job, ids) if ids else Totals()
    documents = [job.base] if job.base else asyncio.run(_documents(job, sorted(totals.versions)))
    first_at, last_at = (moment_of(ids[0]), moment_of(ids[-1])) if ids else (job.since, job.until)
    result = result_of(totals, draft, documents, first_at=first_at, last_at=last_at)
    if job.offer:
        result = msgspec.structs.replace(result, offer=cost_of(totals.discounts))
    return msgspec.structs.replace(result, seconds=round(time.monotonic() - began, 1))


def _read(job: PreviewJob, ids: Sequence[str]) -> Totals:
    totals, total = Totals(), len(ids)
    _send(ReadProgress(0, total))
    pieces = [ids[start : start + DECISIONS_A_PIECE] for start in range(0, total, DECISIONS_A_PIECE)]
    for part in _parts(job, [(piece[0], piece[-1]) for piece in pieces]):
        totals.add(part)
        _send(ReadProgress(totals.read, total))
    return totals


def _parts(job: PreviewJob, pieces: Sequence[tuple[str, str]]) -> Iterator[Totals]:
    """Yield the totals of the pieces as they come in; a single piece is not worth the start of a process."""
    encoded = msgspec.msgpack.encode(job)
    if len(pieces) == 1:
        begin(encoded)
        yield read_piece(*pieces[0])
        return
    workers, context = asyncio.run(_workers(job)), multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=begin, initargs=(encoded,)) as pool:
        for future in as_completed([pool.submit(read_piece, *piece) for piece in pieces]):
            yield future.result()


async def _workers(job: PreviewJob) -> int:
    """Return how many processes read: one for each core, at most two; one less where the server makes decisions."""
    database = job.open_database()
    try:
        async with database.read() as connection:
            is_busy = await decisions.count_since(connection, first_id_of(now_ms() - BUSY_MS)) >= BUSY_DECISIONS
    finally:
        await database.close()
    return max(1, min(MOST_PROCESSES, os.cpu_count() or 1) - is_busy)


async def _ids(job: PreviewJob) -> list[str]:
    span = IdSpan(first_id_of(job.since), first_id_of(job.until))
    database = job.open_database()
    try:
        return await database.look_up(
            lambda connection: decisions.last_ids(connection, job.merchant_id, job.placement, span, limit=job.limit)
        )
    finally:
        await database.close()


async def _documents(job: PreviewJob, versions: Sequence[int]) -> list[PlanDocument]:
    database = job.open_database()
    try:
        async with database.read() as connection:
            rows = [await plans.get(connection, job.merchant_id, job.placement, version) for version in versions]
        return [msgspec.json.decode(row.document, type=PlanDocument) for row in rows if row]
    finally:
        await database.close()


def _end_with_the_parent() -> None:
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGKILL)


def _send(message: Message) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
