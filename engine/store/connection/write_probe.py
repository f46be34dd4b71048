"""Find out whether the database stores anything, for load balancers."""

from __future__ import annotations

import asyncio

import structlog
from sqlalchemy import delete, insert

from engine.clock import now_ms
from engine.store.connection.database import Database
from engine.store.tables.health import write_probes

log = structlog.get_logger()

FRESH_SECONDS = 5.0
WAIT_SECONDS = 2.0


class WriteProbe:
    """Writes a row at most every five seconds, however often it is asked. All callers share one write."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._task: asyncio.Task[bool] | None = None
        self._ends_at = 0.0

    async def succeeds(self) -> bool:
        """Return whether the last write was stored; False where it takes longer than two seconds."""
        clock = asyncio.get_running_loop().time
        if self._task is None or (self._task.done() and clock() >= self._ends_at):
            self._task = asyncio.create_task(self._write(), name="write probe")
            self._task.add_done_callback(lambda _: self._expire(clock() + FRESH_SECONDS))
        await asyncio.wait([self._task], timeout=WAIT_SECONDS)
        return self._task.done() and self._task.result()

    async def stop(self) -> None:
        """Wait for a write that is under way."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def _expire(self, ends_at: float) -> None:
        self._ends_at = ends_at

    async def _write(self) -> bool:
        try:
            async with self._database.write() as connection:
                await connection.execute(delete(write_probes))
                await connection.execute(insert(write_probes).values(written_at=now_ms()))
        except Exception as error:
            log.error("nothing can be written", fault=type(error).__name__)
            return False
        return True
