"""One of the processes that share a database does the work that is needed once."""

from __future__ import annotations

import asyncio

import pytest

from engine import leadership
from engine.jobs import Job, JobRunner
from engine.leadership import LEASE_SECONDS, Leadership
from engine.store.connection import leases

pytestmark = pytest.mark.anyio


@pytest.fixture
def two(shop):
    """Two processes that do not lead yet; the engine of the test has no jobs of its own."""
    return Leadership(shop.engine.database, "first"), Leadership(shop.engine.database, "second")


@pytest.fixture
async def shop(shop):
    await shop.engine.leadership.give_back()
    return shop


async def test_one_process_leads_and_renews_its_lease(two):
    first, second = two
    await asyncio.gather(first.renew(), second.renew())
    assert sorted([first.held, second.held]) == [False, True]
    leader, other = (first, second) if first.held else (second, first)
    await other.renew()
    await leader.renew()
    assert leader.held
    assert not other.held


async def test_another_process_leads_when_the_leader_stops(two):
    first, second = two
    await first.renew()
    await first.give_back()
    await second.renew()
    assert second.held
    assert not first.held


async def test_stopping_a_follower_keeps_the_leader(two):
    first, second = two
    await first.renew()
    await second.give_back()
    await second.renew()
    assert not second.held


async def test_another_process_leads_some_seconds_after_the_leader_was_killed(two, monkeypatch):
    first, second = two
    await first.renew()
    after_the_lease = leases.now_ms() + round(1000 * LEASE_SECONDS) + 1_000

    async def later(_connection):
        return after_the_lease

    monkeypatch.setattr(leases, "_now", later)
    await second.renew()
    assert second.held


async def test_a_clock_that_is_set_back_by_an_hour_stops_no_jobs(two, monkeypatch):
    first, second = two
    await first.renew()
    hour_ago = leases.now_ms() - 3_600_000

    async def earlier(_connection):
        return hour_ago

    monkeypatch.setattr(leases, "_now", earlier)
    await second.renew()
    assert second.held


async def test_a_leader_that_cannot_renew_stops_leading(two, monkeypatch):
    first, _ = two
    await first.renew()
    real = leadership.time.monotonic
    monkeypatch.setattr(leadership.time, "monotonic", lambda: real() + LEASE_SECONDS)
    assert not first.held


async def test_jobs_that_are_needed_once_wait_until_the_process_leads():
    leads, runs = False, []

    async def run(name):
        runs.append(name)

    jobs = JobRunner(
        [Job("each", lambda: run("each"), 0.01), Job("once", lambda: run("once"), 0.01, once=True)], lambda: leads
    )
    jobs.start()
    await asyncio.sleep(0.1)
    assert set(runs) == {"each"}
    leads = True
    await asyncio.sleep(0.1)
    assert set(runs) == {"each", "once"}
    await jobs.stop()
