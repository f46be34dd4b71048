"""Speak HTTP/1.1: answer in one write, and close connections that send too much or too slowly."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD_BYTES = 65_536
"""Of the line and the headers of a request."""
REQUEST_SECONDS = 60.0
"""A request must have arrived this long after its first byte, and the first one after the connection opened."""
ENDLESS = "tap2.endless"
"""Where a request's scope says that its response ends only with the connection."""
HEAD_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class JoinedTransport:
    """A transport that keeps the head of a response until the body follows, at most until the loop's next pass.

    Two writes would be two system calls and two packets.
    """

    __slots__ = ("_head", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""

    def write(self, data: bytes) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head + data)
        elif data.startswith(b"HTTP/1."):
            self._head = data
            self._loop.call_soon(self._flush)
        else:
            self._transport.write(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class HttpProtocol(HttpToolsProtocol):
    """HTTP/1.1 as uvicorn speaks it, with joined writes and limits to what a client may keep the server waiting for."""

    _head_bytes = 0
    _waiting_since: float | None = None
    """When the connection opened or a request began that has not arrived wholly, by the loop's clock."""
    _check: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast(asyncio.Transport, JoinedTransport(transport, self.loop)))
        self._waiting_since = self.loop.time()
        self._check = self.loop.call_later(REQUEST_SECONDS, self._close_if_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._check is not None:
            self._check.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        super().shutdown()
        if self.cycle is not None and ENDLESS in self.cycle.scope:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is None or self.scope is not self.cycle.scope:
            # The head is not complete, so all of the data is of it.
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
                self.transport.write(HEAD_TOO_LARGE)
                self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        self._waiting_since = self.loop.time()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._waiting_since = None

    def _close_if_slow(self) -> None:
        now, since = self.loop.time(), self._waiting_since
        if since is not None and now - since >= REQUEST_SECONDS:
            self.transport.close()
            return
        self._check = self.loop.call_at((now if since is None else since) + REQUEST_SECONDS, self._close_if_slow)
