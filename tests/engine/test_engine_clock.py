"""The engine's time: the system's, or a simulated one while a past is written."""

from __future__ import annotations

import time

import pytest

from engine.clock import now_ms, simulated_time
from engine.jobs import Job, JobRunner
from engine.model.timestamps import DAY

pytestmark = pytest.mark.anyio


def is_now(moment: int) -> bool:
    return abs(moment - time.time() * 1000) < 5_000


def test_simulated_time_ends_with_its_block():
    with simulated_time(lambda: 5):
        assert now_ms() == 5
    assert is_now(now_ms())


def test_simulated_time_ends_when_its_block_fails():
    with pytest.raises(ZeroDivisionError), simulated_time(lambda: 5):
        _ = 1 // 0
    assert is_now(now_ms())


async def test_a_decision_of_the_past_is_dated_there(shop):
    yesterday = now_ms() - DAY
    with simulated_time(lambda: yesterday):
        answer = await shop.decide()
    logged = await shop.engine.logbook.get(shop.id, answer.decision.decision_id)
    assert logged.row.decided_at == yesterday
    assert (await shop.engine.logbook.replay(shop.id, answer.decision.decision_id)).same


async def test_a_window_that_ended_in_the_past_is_closed_now(shop):
    with simulated_time(lambda: time.time_ns() // 1_000_000 - DAY):
        answer = await shop.decide()
        await shop.report(answer, "shown")
    await shop.engine.run_jobs()
    counts = await shop.counts()
    assert sum(trials for trials, _ in counts.values()) > 0


async def test_jobs_run_once_in_their_order():
    ran: list[str] = []

    def job(name: str) -> Job:
        async def run() -> None:
            ran.append(name)

        return Job(name, run, 3600)

    await JobRunner([job("first"), job("second")]).run_all()
    assert ran == ["first", "second"]


async def test_a_failing_job_is_not_hidden_when_all_run_once():
    async def fail() -> None:
        raise RuntimeError("no disk")

    with pytest.raises(RuntimeError, match="no disk"):
        await JobRunner([Job("purge", fail, 3600)]).run_all()
