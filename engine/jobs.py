"""Run work at intervals beside the decisions' path."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import wraps
from typing import NamedTuple

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from engine.clock import now_ms
from engine.learning.fit import fit_placement
from engine.learning.live import Live
from engine.model.ids import first_id_of
from engine.model.timestamps import DAY, MINUTE
from engine.store import beliefs as snapshots
from engine.store import decisions, folds, observations, outcomes, rollups
from engine.store.connection.database import Database

MINUTES_TO_WAIT = 60 * 24 * 31
"""Longer than the longest window."""


class Job(NamedTuple):
    """Work that runs again `seconds` after it last began, but never twice at the same time."""

    name: str
    run: Callable[[], Awaitable[None]]
    seconds: float


def schedule(jobs: Iterable[Job]) -> AsyncIOScheduler:
    """Return a scheduler of the jobs, to be started in a running event loop."""
    scheduler = AsyncIOScheduler(
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}, timezone="UTC"
    )
    for job in jobs:
        scheduler.add_job(_until_stopped(job.run), "interval", id=job.name, seconds=job.seconds)
    return scheduler


def _until_stopped(run: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    # Stopping cancels running jobs, which is not a fault to log.
    @wraps(run)
    async def run_until_stopped() -> None:
        with suppress(asyncio.CancelledError):
            await run()

    return run_until_stopped


async def fit_all(database: Database, live: Live) -> None:
    """Fit again how the statistics of every learning placement are read."""
    for merchant_id, placement in live.learning_placements():
        await fit_placement(database, merchant_id, placement, now_ms())


async def purge(database: Database, *, retention_days: int) -> None:
    """Delete what is older than the retention: the log, customers' usage, tallies, snapshots."""
    before = now_ms() - retention_days * DAY
    async with database.write() as connection:
        await decisions.purge(connection, before_id=first_id_of(before))
        await outcomes.purge(connection, before=before, before_id=first_id_of(before))
        await observations.purge(connection, before_id=first_id_of(before))
        await folds.purge_usage(connection, before_day=before // DAY)
        await folds.purge_waiting(connection, before_minute=now_ms() // MINUTE - MINUTES_TO_WAIT)
        await folds.purge_tallies(connection, before_minute=before // MINUTE)
        await snapshots.purge(connection, before=before)
        await rollups.purge(connection, before_day=before // DAY)
