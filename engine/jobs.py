"""What happens by itself: windows close, draws are renewed, what others published is taken over, old things go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from engine.clock import DAY, MINUTE, now_ms
from engine.fit import fit_placement
from engine.ids import first_id_of
from engine.network import network_priors, nobody
from engine.rollup import roll_up
from engine.store import beliefs as snapshots
from engine.store import decisions, folds, lessons, outcomes, rollups

if TYPE_CHECKING:
    from engine.service import Engine


FIT_MINUTES = 5
MINUTES_TO_WAIT = 60 * 24 * 31
"""Longer than the longest window."""


def schedule(engine: Engine) -> AsyncIOScheduler:
    """All jobs of a running engine; a job that is still running is not started twice."""
    scheduler = AsyncIOScheduler(
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}, timezone="UTC"
    )

    async def close_windows() -> None:
        await engine.recorder.close_due(now_ms())

    async def fit() -> None:
        await fit_all(engine)

    async def count_uses() -> None:
        await roll_up(engine.database, now=now_ms())

    async def publish_scheduled() -> None:
        await engine.releases.publish_due(now_ms())

    async def purge_old() -> None:
        await purge(engine)

    def add(job: Callable[[], Awaitable[None]], name: str, **every: float) -> None:
        scheduler.add_job(_until_stopped(job), "interval", id=name, **every)

    add(engine.live.refresh, "refresh beliefs", seconds=engine.settings.refresh_seconds)
    add(fit, "fit strengths", minutes=FIT_MINUTES)
    add(engine.follow, "follow others", seconds=1)
    add(count_uses, "count uses of rules and fields", seconds=20)
    add(close_windows, "close windows", seconds=5)
    add(publish_scheduled, "publish scheduled drafts", seconds=1)
    add(purge_old, "purge", hours=1)
    return scheduler


def _until_stopped(job: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """Stopping cancels what runs, which is no fault to be logged."""

    @wraps(job)
    async def run() -> None:
        with suppress(asyncio.CancelledError):
            await job()

    return run


async def fit_all(engine: Engine) -> None:
    """Fit again how the statistics of every placement are to be read, and what the network has in common."""
    if engine.consents is not nobody:
        async with engine.database.read() as connection:
            usage = await folds.all_usage(connection)
        engine.live.learned_from_network(network_priors(usage, engine.live.types(), engine.consents))
    for merchant_id, placement in engine.live.learning_placements():
        await fit_placement(engine.database, merchant_id, placement, now_ms())


async def purge(engine: Engine) -> None:
    """Forget what is older than the retention: the log, customers' usage, tallies, snapshots; and ended sessions."""
    before = now_ms() - engine.settings.retention_days * DAY
    async with engine.database.write() as connection:
        await decisions.purge(connection, before_id=first_id_of(before))
        await outcomes.purge(connection, before=before, before_id=first_id_of(before))
        await lessons.purge(connection, before_id=first_id_of(before))
        await folds.purge_usage(connection, before_day=before // DAY)
        await folds.purge_waiting(connection, before_minute=now_ms() // MINUTE - MINUTES_TO_WAIT)
        await folds.purge_tallies(connection, before_minute=before // MINUTE)
        await snapshots.purge(connection, before=before)
        await rollups.purge(connection, before_day=before // DAY)
    await engine.accounts.purge_sessions()
    await engine.previews.purge()
