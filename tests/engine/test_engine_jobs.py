"""Jobs beside the decisions' path, and a start while the database is away."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import time

import pytest
import structlog
from sqlalchemy.exc import OperationalError

from engine import jobs
from engine.data_folder import database_url
from engine.jobs import Job, JobRunner
from engine.service import open_engine
from engine.settings import Settings
from engine.store.connection.database import SQLITE_FILE

pytestmark = pytest.mark.anyio


async def run_until(enough, run, *, every=0.01, watch=lambda run: None):
    """Run a job until enough happened, however long a busy machine takes for it."""
    runner = JobRunner([Job("count", run, every)])
    runner.start(watch)
    async with asyncio.timeout(60):
        while not enough():
            await asyncio.sleep(every)
    await runner.stop()


async def test_job_runs_while_the_clock_is_set_back(monkeypatch):
    runs = []

    async def run():
        runs.append(time.time_ns())
        monkeypatch.setattr("time.time_ns", lambda: -3_600 * 10**9)

    await run_until(lambda: len(runs) > 3, run)


async def test_each_run_is_logged_with_result_and_pause(monkeypatch):
    monkeypatch.setattr(jobs, "MOST_SECONDS_AFTER_A_FAILURE", 0.05)
    seen = []

    async def run():
        if not seen:
            raise OSError("away")

    await run_until(lambda: len(seen) > 1, run, watch=seen.append)
    assert [(result.name, result.failed) for result in seen[:2]] == [("count", True), ("count", False)]
    assert seen[0].pause >= 0.05


async def test_a_job_that_fails_is_logged_and_runs_again(monkeypatch):
    monkeypatch.setattr(jobs, "MOST_SECONDS_AFTER_A_FAILURE", 0.1)
    runs = []

    async def run():
        runs.append(1)
        if len(runs) == 1:
            raise OSError("away")

    with structlog.testing.capture_logs() as lines:
        await run_until(lambda: len(runs) > 2, run)
    assert [line["job"] for line in lines if line["event"] == "job failed"] == ["count"]


async def test_a_slow_job_never_runs_twice_at_once():
    running = []
    most = []

    async def run():
        running.append(1)
        most.append(len(running))
        await asyncio.sleep(0.05)
        running.pop()

    await run_until(lambda: len(most) > 2, run)
    assert max(most) == 1


async def test_stopping_ends_a_running_job():
    began, ended = asyncio.Event(), asyncio.Event()

    async def run():
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    await run_until(began.is_set, run)
    assert ended.is_set()


async def test_start_waits_for_an_unreachable_database(tmp_path):
    settings = Settings(data=str(tmp_path), database_url="postgresql://127.0.0.1:1/tap2")
    with structlog.testing.capture_logs() as lines, pytest.raises(OSError, match="1"):
        await open_engine(settings, wait_seconds=5)
    # Threads of earlier engines may log meanwhile.
    assert {line["event"] for line in lines if line["log_level"] != "info"} == {"database not reachable"}


async def test_failed_migration_is_not_tried_again(tmp_path):
    with sqlite3.connect(tmp_path / SQLITE_FILE) as connection:
        connection.execute("CREATE TABLE merchants (id)")
    async with asyncio.timeout(30):
        with pytest.raises(OperationalError, match="merchants already exists"):
            await open_engine(Settings(data=str(tmp_path)), wait_seconds=60)


def test_the_usual_forms_of_a_database_url_work():
    for scheme in ("postgres", "postgresql", "postgresql+asyncpg"):
        assert database_url(Settings(database_url=f"{scheme}://db/tap2")) == "postgresql+asyncpg://db/tap2"


async def test_slow_job_pauses_four_times_its_duration():
    runs: list[tuple[float, float]] = []

    async def run():
        started = time.monotonic()
        await asyncio.sleep(0.05)
        runs.append((started, time.monotonic()))

    await run_until(lambda: len(runs) > 2, run)
    for (started, ended), (following, _) in itertools.pairwise(runs):
        assert following - ended >= 3.5 * (ended - started)
