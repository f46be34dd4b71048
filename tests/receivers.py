"""A receiver of webhooks: a small HTTP server that keeps its requests and answers as a test sets."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

LOOPBACK = "127.0.0.0/8,::1/128"
OK = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


class Received(NamedTuple):
    """A request: its path, its headers by lower-case name, and its body."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.body)
        return document


Behaviour = Callable[[Received], Awaitable[bytes]]
"""Returns the bytes of the answer; if there are none, the connection closes."""


async def accept(_request: Received) -> bytes:
    """Answer with success."""
    return OK


async def hang(_request: Received) -> bytes:
    """Never answer."""
    await asyncio.Event().wait()
    return b""


def answering(status: int, headers: str = "") -> Behaviour:
    """Return the behaviour of a receiver that always gives the same status."""

    async def behave(_request: Received) -> bytes:
        return f"HTTP/1.1 {status} Word\r\nContent-Length: 2\r\n{headers}\r\nno".encode()

    return behave


def failing(times: int, status: int = 500) -> Behaviour:
    """Return the behaviour of a receiver that refuses each message some times, and then accepts it."""
    attempts: dict[str, int] = {}

    async def behave(request: Received) -> bytes:
        attempts[request.id] = attempts.get(request.id, 0) + 1
        return OK if attempts[request.id] > times else await answering(status)(request)

    return behave


@dataclass
class Receiver:
    """Listens on a free port of this machine."""

    behave: Behaviour = accept
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> Receiver:
        return await self.start()

    async def start(self, trusted: ssl.SSLContext | None = None) -> Receiver:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=trusted)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self._server is not None:
            self._server.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"

    @property
    def ids(self) -> list[str]:
        return [request.id for request in self.received]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            body = await reader.readexactly(int(headers["content-length"]))
            request = Received(first.split()[1], headers, body)
            self.received.append(request)
            writer.write(await self.behave(request))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
