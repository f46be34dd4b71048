"""One of the processes that share a database leads: it does the work that is needed once."""

from __future__ import annotations

import secrets
import time
from math import inf

import structlog

from engine.store.connection import leases
from engine.store.connection.database import Database

log = structlog.get_logger()

NAME = "jobs"
PROCESS = secrets.token_hex(8)
RENEW_SECONDS = 5.0
LEASE_SECONDS = 20.0
"""After a leader dies, another process leads this much later at most."""


class Leadership:
    """The claim of this process to lead; `renew` must run every few seconds.

    Two processes may lead for seconds after a clock was set or a process stood still, so the work must bear that.
    """

    def __init__(self, database: Database, process: str = PROCESS) -> None:
        self._database = database
        self._holder = process
        self._until = -inf

    @property
    def held(self) -> bool:
        """Return whether this process leads."""
        return time.monotonic() < self._until

    async def renew(self) -> None:
        """Go on leading, or lead if no process does."""
        began, led = time.monotonic(), self.held
        async with self._database.write() as connection:
            leads = await leases.take(connection, NAME, self._holder, milliseconds=round(1000 * LEASE_SECONDS))
        self._until = began + LEASE_SECONDS if leads else -inf
        if leads and not led:
            log.debug("leads the jobs")

    async def give_back(self) -> None:
        """Let another process lead at once."""
        if self.held:
            self._until = -inf
            async with self._database.write() as connection:
                await leases.give_back(connection, NAME, self._holder)
