"""Let processes that write to the same SQLite file take turns."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Executor
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path


class FileTurn:
    """A lock of a file beside the database, which the system grants without polling and frees when its holder dies.

    Writers that wait at SQLite's own lock sleep and try again, so that a busy process rarely lets another in. Nothing
    relies on this lock: a writer without it is still alone in the database, and waits there.
    """

    def __init__(self, database: Path) -> None:
        self._file = open(f"{database}-turn", "ab", opener=partial(os.open, mode=0o600))  # noqa: SIM115

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold the lock; the thread waits for it."""
        self._take()
        try:
            yield
        finally:
            self._release()

    @asynccontextmanager
    async def taken_in(self, thread: Executor) -> AsyncIterator[None]:
        """Hold the lock; a thread waits for it in place of the event loop."""
        taking = asyncio.get_running_loop().run_in_executor(thread, self._take)
        try:
            await asyncio.shield(taking)
        except asyncio.CancelledError:
            taking.add_done_callback(lambda _: self._release())
            raise
        try:
            yield
        finally:
            self._release()

    def close(self) -> None:
        self._file.close()

    def _take(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def _release(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)
