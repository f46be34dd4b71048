"""Several server processes over one SQLite file: what was acknowledged is stored, also where a process is killed,
and they count together."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sqlite3
import time
import urllib.request
from contextlib import closing
from pathlib import Path

from benchmarks.process import STARTS_WITHIN, TAP2, Server, free_port
from benchmarks.speed import bench_shop
from benchmarks.speed.load import closed_loop
from benchmarks.speed.server import DECIDE
from engine.service import SQLITE_FILE

SECONDS = 2.0


def workers_of(server: Server) -> list[int]:
    """Return the ids of the processes that reported ready."""
    lines = [json.loads(line) for line in server.log().splitlines() if line.startswith("{")]
    return [line["process"] for line in lines if line["event"] == "ready"]


def decisions_of(server: Server) -> float:
    """Return the number of decisions that all processes have counted together."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=10) as answer:
        (line,) = [line for line in answer.read().decode().splitlines() if line.startswith("tap2_decisions_total")]
    return float(line.split()[1])


def test_two_processes_log_acknowledged_decisions_if_one_is_killed(tmp_path: Path):
    key = asyncio.run(bench_shop.prepare(tmp_path, customers=100, decisions=20))
    server = Server((*TAP2, "serve"), tmp_path, free_port(), {"TAP2_WORKERS": "2", "TAP2_LOG_LEVEL": "info"})
    ids: list[str] = []

    def keep(status: int, body: bytes) -> None:
        decision = json.loads(body)
        if status == 200 and not decision["fallback"]:
            ids.append(decision["decision_id"])

    async def load() -> None:
        source = itertools.cycle(bench_shop.requests(DECIDE, key, 400, customers=100)).__next__
        loop = asyncio.get_running_loop()
        loop.call_later(SECONDS / 2, lambda: os.kill(workers_of(server)[0], signal.SIGKILL))
        tally = await closed_loop(server.port, source, connections=16, seconds=SECONDS, sink=keep)
        assert set(tally.errors) <= {0}

    with server:
        began = time.monotonic()
        while len(workers_of(server)) < 2:
            assert time.monotonic() - began < STARTS_WITHIN, server.log()
            time.sleep(0.1)
        asyncio.run(load())
        assert decisions_of(server) >= len(ids)
        server.stop()
    with closing(sqlite3.connect(tmp_path / SQLITE_FILE)) as database:
        stored = {id for (id,) in database.execute("SELECT 'dec_' || lower(hex(id)) FROM decisions")}
    assert len(ids) == len(set(ids)) > 100
    assert set(ids) <= stored
