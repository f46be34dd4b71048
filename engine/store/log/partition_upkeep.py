"""Make partitions of decisions before they are needed, and drop those whose decisions have expired. PostgreSQL alone.

Each step asks for its locks only briefly and tries again: whoever waits for a lock holds up all who come later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from math import inf

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.timestamps import DAY
from engine.store.log import partitions

log = structlog.get_logger()

DAYS_AHEAD = 7
"""After so many days without upkeep, decisions go to `decisions_other`."""
FAST_BYTES = 64 * 1024 * 1024
"""What a start looks through at once, in less than a second; more is left to the hourly job."""
LOCK_MS = 100
TRIES = 5
PAUSE_SECONDS = 1.0
# Any number, but always this one: two processes must not change the partitions together.
ADVISORY_LOCK = 7_420_203
LOCK_NOT_AVAILABLE = "55P03"

Begin = Callable[[], AbstractAsyncContextManager[AsyncConnection]]
"""Begins a transaction, which is committed when the block ends well."""
Step = Callable[[AsyncConnection], Awaitable[None]]


async def prepare(begin: Begin, *, now: int, most_bytes: float = inf) -> None:
    """Make the partitions of the next days, unless another process does so. Harmless to repeat, and to fail.

    What has taken decisions of days without a partition becomes one itself if it has at most `most_bytes`.
    """
    try:
        async with begin() as alone:
            if (await alone.execute(text(f"SELECT pg_try_advisory_xact_lock({ADVISORY_LOCK})"))).scalar():
                await _prepare(begin, now // DAY, most_bytes)
    except DBAPIError as error:
        log.error("partitions not made", exc_info=error)


async def _prepare(begin: Begin, today: int, most_bytes: float) -> None:
    end_day = today + DAYS_AHEAD + 1
    async with begin() as connection:
        stored = await partitions.stored(connection)
        first_day = stored[-1].end if stored else None
        is_needed = first_day is None or await partitions.other_holds(connection, first_day, end_day)
        is_fast = await partitions.other_bytes(connection) <= most_bytes
        has_later = is_needed and await partitions.other_holds(connection, end_day)
    if first_day is not None and not is_needed:
        await _add_days(begin, first_day, today, end_day)
    elif has_later:
        log.warning("log not partitioned", reason="it has decisions of the future: a clock was wrong")
    elif is_fast:
        await _close_other(begin, first_day, end_day)


async def drop_expired(begin: Begin, *, before: int) -> bool:
    """Drop the partitions that have only decisions from before an instant (epoch ms).

    Return whether all are gone; those that others hold for long, such as a backup, are dropped the next time.
    """
    async with begin() as connection:
        stored = await partitions.stored(connection)
    for partition in stored:
        if partition.end * DAY > before:
            break
        if not await _run(begin, partial(partitions.drop, partition=partition)):
            return False
        log.info("decisions dropped", partition=partition.name)
    return True


async def _add_days(begin: Begin, first_day: int, today: int, end_day: int) -> None:
    async def add(connection: AsyncConnection) -> None:
        start = first_day
        # Days on which no server ran share a partition with the day on which one runs again.
        for end in range(max(first_day, today) + 1, end_day + 1):
            await partitions.add(connection, start, end)
            start = end

    if first_day < end_day:
        await _run(begin, add)


async def _close_other(begin: Begin, first_day: int | None, end_day: int) -> None:
    """Make what has taken decisions so far the partition of the days before `end_day`."""
    try:
        if not await _run(begin, partial(partitions.add_bounds, first_day=first_day, end_day=end_day)):
            return
        async with begin() as connection:
            await partitions.check_bounds(connection)
        await _run(begin, partial(partitions.close_other, first_day=first_day, end_day=end_day))
    finally:
        # Bounds that stayed would refuse decisions in a week; a closed partition has none.
        await _run(begin, partitions.remove_bounds)


async def _run(begin: Begin, step: Step) -> bool:
    """Run a step in a transaction that waits for its locks but briefly; return whether it got them in the end."""
    for _ in range(TRIES):
        try:
            async with begin() as connection:
                await connection.execute(text(f"SET LOCAL lock_timeout = {LOCK_MS}"))
                await step(connection)
            return True
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
                raise
        await asyncio.sleep(PAUSE_SECONDS)
    log.warning("partitions not changed", reason="others hold their locks")
    return False
