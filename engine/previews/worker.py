"""The process of one preview.

Reads a job as one line of JSON from a socket, and writes lines of JSON: its progress, then the result or a problem. It
ends with the process that started it, because the socket is closed then.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import suppress

import msgspec

from engine.clock import now_ms
from engine.kernel.plan import Plan, PlanDocument
from engine.model.timestamps import first_id_of, moment_of
from engine.previews.estimation.offer_cost import cost_of
from engine.previews.estimation.result import Result, result_of
from engine.previews.estimation.totals import Totals
from engine.previews.reader import PreviewJob, begin, give_way, read_piece
from engine.store import decisions, plans
from engine.store.log.pieces import LogPiece, newest_pieces
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


class Channel:
    """The socket to the process that started this one."""

    def __init__(self, to_parent: socket.socket) -> None:
        self._socket = to_parent

    def read_job(self) -> PreviewJob:
        with self._socket.makefile("rb") as lines:
            return msgspec.json.decode(lines.readline(), type=PreviewJob)

    def send(self, message: Message) -> None:
        self._socket.sendall(msgspec.json.encode(message) + b"\n")

    def end_with_the_parent(self) -> None:
        threading.Thread(target=self._wait_for_the_end, daemon=True).start()

    def _wait_for_the_end(self) -> None:
        with suppress(ConnectionError):
            self._socket.recv(1)
        os.killpg(0, signal.SIGKILL)


def run(to_parent: socket.socket) -> None:
    """Read a job from the socket and do it, in a new process group."""
    os.setpgid(0, 0)
    give_way()
    channel = Channel(to_parent)
    try:
        channel.send(Done(preview(channel.read_job(), channel)))
    except RuleError as error:
        channel.send(Failed(f"the draft cannot be tried: {error.problems[0].message}"))


def preview(job: PreviewJob, channel: Channel) -> Result:
    """Try the draft on the log, in pieces that are read in parallel."""
    began = time.monotonic()
    draft = Plan(job.document, version=0)
    pieces = asyncio.run(_pieces(job))
    totals = _read(job, pieces, channel) if pieces else Totals()
    documents = [job.base] if job.base else asyncio.run(_documents(job, sorted(totals.versions)))
    first_at, last_at = (moment_of(pieces[0].first), moment_of(pieces[-1].last)) if pieces else (job.since, job.until)
    result = result_of(totals, draft, documents, first_at=first_at, last_at=last_at)
    if job.offer:
        result = msgspec.structs.replace(result, offer=cost_of(totals.discounts))
    return msgspec.structs.replace(result, seconds=round(time.monotonic() - began, 1))


def _read(job: PreviewJob, pieces: Sequence[LogPiece], channel: Channel) -> Totals:
    totals, total = Totals(), sum(piece.decisions for piece in pieces)
    channel.send(ReadProgress(0, total))
    for part in _parts(job, pieces, channel):
        totals.add(part)
        channel.send(ReadProgress(totals.read, total))
    return totals


def _parts(job: PreviewJob, pieces: Sequence[LogPiece], channel: Channel) -> Iterator[Totals]:
    """Yield the totals of the pieces as they come in; a single piece is not worth a process more."""
    encoded = msgspec.msgpack.encode(job)
    if len(pieces) == 1:
        channel.end_with_the_parent()
        begin(encoded)
        yield read_piece(pieces[0])
        return
    workers, context = asyncio.run(_workers(job)), multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=begin, initargs=(encoded,)) as pool:
        futures = [pool.submit(read_piece, piece) for piece in pieces]
        # Only now, because a process with threads must not fork.
        channel.end_with_the_parent()
        for future in as_completed(futures):
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


async def _pieces(job: PreviewJob) -> list[LogPiece]:
    span = IdSpan(first_id_of(job.since), first_id_of(job.until))
    database = job.open_database()
    try:
        return await database.look_up(
            lambda connection: newest_pieces(
                connection, job.merchant_id, job.placement, span, limit=job.limit, size=DECISIONS_A_PIECE
            )
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
