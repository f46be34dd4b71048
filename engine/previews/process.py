"""Start a preview in a process of its own, and listen to it.

The processes are forked from one that has imported what a preview needs, which would take each of them over a second.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import socket
from contextlib import suppress
from multiprocessing.context import ForkServerProcess
from typing import Self

import msgspec

from engine.previews import worker
from engine.previews.reader import PreviewJob
from engine.previews.worker import Done, Failed, Message, ReadProgress

LONGEST_LINE = 64 * 2**20

_FORK_SERVER = multiprocessing.get_context("forkserver")
_FORK_SERVER.set_forkserver_preload([worker.__name__, "bandits.drawing.compiled"])

_read_message = msgspec.json.Decoder(Message).decode


class PreviewProcess:
    """A process that has got its job; `reached` has its progress while something listens."""

    def __init__(self, process: ForkServerProcess, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reached = ReadProgress(0, 0)
        self._process = process
        self._reader = reader
        self._writer = writer

    @classmethod
    async def start(cls, job: PreviewJob) -> Self:
        parent_socket, child_socket = socket.socketpair()
        with child_socket:
            process = _FORK_SERVER.Process(target=worker.run, args=(child_socket,), name="preview")
            # The first start waits for the imports.
            await asyncio.to_thread(process.start)
        reader, writer = await asyncio.open_connection(sock=parent_socket, limit=LONGEST_LINE)
        writer.write(msgspec.json.encode(job) + b"\n")
        return cls(process, reader, writer)

    async def listen(self) -> Done | Failed:
        """Return how the preview ended."""
        with suppress(ConnectionError):
            while line := await self._reader.readline():
                message: Message = _read_message(line)
                if not isinstance(message, ReadProgress):
                    return message
                self.reached = message
        return Failed("its process ended early")

    def kill(self) -> None:
        """Kill the process with its group: all that it started."""
        # Group 0 would be the server's own.
        if self._process.pid:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        # It has no group of its own yet if it has just begun.
        self._process.kill()

    async def end(self) -> None:
        """Kill the process and wait for its end."""
        self.kill()
        self._writer.close()
        await asyncio.to_thread(self._process.join)
