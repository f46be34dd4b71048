"""Run work at intervals beside the decisions' path."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

import structlog

from engine import expiry
from engine.clock import now_ms
from engine.learning.fit import fit_placement
from engine.learning.live import Live
from engine.model.documents.retention import RetentionPolicy
from engine.model.timestamps import MINUTE
from engine.store import folds
from engine.store.connection import purging
from engine.store.connection.database import Database
from engine.store.connection.purging import ExpiredRows
from engine.store.connection.writers import merge_past
from engine.store.customers import retention
from engine.store.log import partition_upkeep
from engine.store.tables import decisions

log = structlog.get_logger()

MOST_SECONDS_AFTER_A_FAILURE = 10.0
SECONDS_UNTIL_LEADING = 30.0
"""A process that becomes the leader starts its jobs within this time."""
REST = 4
"""A job rests so many times as long as it ran, so that it takes at most a fifth of a processor from decisions."""

MINUTES_OF_WRITERS = 10
"""Sums of minutes and days that ended so long ago hardly change, so rows of writers are merged."""


class Job(NamedTuple):
    """Work that runs again `seconds` after it last began, later where it takes long, never twice at the same time.

    If `once`, only the leader of the processes that share the database does it.
    """

    name: str
    run: Callable[[], Awaitable[None]]
    seconds: float
    once: bool = False


class JobRun(NamedTuple):
    """A run of a job that has ended; it starts again `pause` seconds later."""

    name: str
    failed: bool
    pause: float


Watcher = Callable[[JobRun], object]


class JobRunner:
    """Run jobs in the event loop until stopped; a job that fails is logged and tried again.

    Intervals follow the loop's monotonic clock: a wall clock that is set back stops nothing.
    """

    def __init__(self, jobs: Iterable[Job], leads: Callable[[], bool] = lambda: True) -> None:
        self._jobs = tuple(jobs)
        self._leads = leads
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, watch: Watcher = lambda run: None) -> None:
        """Start every job; each runs first after its interval. `watch` is called after each run."""
        self._tasks = [asyncio.create_task(_repeat(job, self._leads, watch), name=job.name) for job in self._jobs]

    async def run_all(self) -> None:
        """Run every job once, in their order; a job that fails raises."""
        for job in self._jobs:
            await job.run()

    async def stop(self) -> None:
        """Cancel the jobs and wait until they have ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []


async def _repeat(job: Job, leads: Callable[[], bool], watch: Watcher) -> None:
    clock = asyncio.get_running_loop().time
    delay, failures = job.seconds, 0
    while True:
        await asyncio.sleep(delay)
        started = clock()
        if job.once and not leads():
            delay = min(job.seconds, SECONDS_UNTIL_LEADING)
            continue
        try:
            await job.run()
            failures = 0
        except Exception as error:
            failures += 1
            log.error("job failed", job=job.name, failures=failures, exc_info=error)
        # A database that is away fails every job; waiting longer each time keeps the log readable.
        pause = min(MOST_SECONDS_AFTER_A_FAILURE, 2.0**failures) if failures else 0.0
        duration = clock() - started
        delay = max(job.seconds - duration, REST * duration, pause)
        watch(JobRun(job.name, failures > 0, delay))


async def fit_all(database: Database, live: Live) -> None:
    """Fit again how the statistics of every learning placement are read."""
    for merchant_id, placement in live.learning_placements():
        await fit_placement(database, merchant_id, placement, now_ms())


async def purge(database: Database, *, retention_days: int) -> None:
    """Merge the sums of writers, and delete what is older than the server's retention, or a merchant's shorter one."""
    now = now_ms()
    await merge_past(database, folds.mergeable(before_minute=now // MINUTE - MINUTES_OF_WRITERS))
    expired = expiry.of_all(now, retention_days, by_days=not database.is_sqlite)
    if not database.is_sqlite and not await _keep_partitions(database, now, retention_days):
        # A partition that could not be dropped now is dropped the next time; deleting its rows would take far longer.
        expired = [each for each in expired if each.table is not decisions]
    await purging.purge(database, expired)
    async with database.read() as connection:
        stored = await retention.all_stored(connection)
    for merchant_id, each in stored.items():
        await _purge_merchant(database, merchant_id, each.policy, now)


async def _keep_partitions(database: Database, now: int, retention_days: int) -> bool:
    """Make the partitions of the next days and drop the expired ones; return whether all of these are gone."""
    await partition_upkeep.prepare(database.write, now=now)
    before = expiry.first_kept(now, retention_days, by_days=True)
    return await partition_upkeep.drop_expired(database.write, before=before)


async def _purge_merchant(database: Database, merchant_id: int, policy: RetentionPolicy, now: int) -> None:
    """Delete what a merchant's own retention ends, until the merchant changes it."""

    async def is_in_force() -> bool:
        async with database.read() as connection:
            return (await retention.get(connection, merchant_id)).policy == policy

    await purging.purge(database, expiry.of_merchant(merchant_id, policy, now), is_in_force)


async def preview_retention(database: Database, *, days: int) -> list[ExpiredRows]:
    """Return how many rows the purge would delete from each table if the retention were so many days. Reads only."""
    return await purging.count(database, expiry.of_all(now_ms(), days, by_days=not database.is_sqlite))


def with_now(run: Callable[..., Awaitable[object]]) -> Callable[[], Awaitable[None]]:
    """Return a job's work that is told the time."""

    async def work() -> None:
        await run(now=now_ms())

    return work
