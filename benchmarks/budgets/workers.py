"""Servers that share a database, are killed with SIGKILL, and whose clocks jump, each by itself."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

import uvicorn
from litestar import Litestar

import bandits
from benchmarks.process import free_port
from engine.clock import simulated_time
from engine.settings import Settings
from engine.store.offers import balances
from web.app import create_app
from web.http.protocol import HttpProtocol

STARTS_WITHIN = 60.0

_context = multiprocessing.get_context("spawn")


def fork_workers(settings: Settings, clocks: list[Any], commands: Connection, *, guarded: bool) -> None:
    """Fork a worker for each (number, port) that is received, and send back its process id.

    Everything is imported, compiled and built once, so that a worker that was killed soon serves again. Workers that
    are not `guarded` take holds without the condition that keeps the caps, to show that the check notices.
    """
    if not guarded:
        balances.UNDER_THE_CAP = ""
    log = os.open(Path(settings.data) / "workers.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    # The system then removes workers that ended.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    bandits.prepare()
    app = create_app(settings)
    with suppress(EOFError):
        while True:
            number, port = commands.recv()
            process_id = os.fork()
            if process_id == 0:
                _serve(app, port, clocks[number])
                os._exit(0)
            commands.send(process_id)


def _serve(app: Litestar, port: int, clock: Any) -> None:
    with simulated_time(lambda: time.time_ns() // 1_000_000 + clock.value):
        uvicorn.run(app, port=port, log_config=None, access_log=False, loop="uvloop", http=HttpProtocol)


class Worker:
    """A server in a process of its own, on a port that it keeps."""

    def __init__(self, number: int, clock: Synchronized[int], commands: Connection) -> None:
        self.port = free_port()
        self.is_ready = False
        self._number, self._clock, self._commands = number, clock, commands
        self._process_id = 0

    async def start(self) -> None:
        """Start and wait until it answers; raise `TimeoutError` where it does not."""
        self._commands.send((self._number, self.port))
        self._process_id = self._commands.recv()
        async with asyncio.timeout(STARTS_WITHIN):
            while not await self._answers():
                await asyncio.sleep(0.02)
        self.is_ready = True

    async def kill(self) -> None:
        """Send SIGKILL, and wait until the process is gone."""
        self.is_ready = False
        if not self._process_id:
            return
        with suppress(ProcessLookupError):
            os.kill(self._process_id, signal.SIGKILL)
            while True:
                os.kill(self._process_id, 0)
                await asyncio.sleep(0.01)
        self._process_id = 0

    def jump(self, milliseconds: int) -> None:
        """Set the clock so far ahead of the true time, or behind."""
        self._clock.value = milliseconds

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            answer = await reader.read()
            writer.close()
        except OSError:
            return False
        return answer.startswith(b"HTTP/1.1 200")


@asynccontextmanager
async def serving(settings: Settings, count: int, *, guarded: bool = True) -> AsyncIterator[list[Worker]]:
    """Run workers; they are killed at the end."""
    commands, theirs = _context.Pipe()
    clocks = [_context.Value("q", 0) for _ in range(count)]
    arguments = {"guarded": guarded}
    forking = _context.Process(target=fork_workers, args=(settings, clocks, theirs), kwargs=arguments, daemon=True)
    forking.start()
    workers = [Worker(number, clock, commands) for number, clock in enumerate(clocks)]
    try:
        for worker in workers:
            await worker.start()
        yield workers
    finally:
        for worker in workers:
            await worker.kill()
        forking.kill()
        forking.join()
