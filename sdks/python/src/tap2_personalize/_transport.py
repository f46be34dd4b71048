"""Blocking HTTP: by httpx where it is installed, otherwise by the standard library. Connections are kept and reused."""

from __future__ import annotations

import asyncio
import http.client
import select
import socket
import ssl
import threading
import time
from collections import deque
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Deque, Tuple
from urllib.parse import urlsplit

from ._steps import Answer, Request
from .errors import ConnectionFailed, RequestTimeout

try:
    import httpx
except ImportError:
    httpx = None  # type: ignore[assignment]

IDLE_SECONDS = 2.0
"""Servers close idle connections, many after 5 s; a request that meets the end of its connection is lost."""
CHUNK = 65_536


class Transport:
    """Carries out requests in the calling thread; each ends soon after its timeout."""

    def send(self, sent: Request) -> Answer:
        """Raise `RequestTimeout` or `ConnectionFailed`."""
        raise NotImplementedError

    def close(self) -> None:
        """Close idle connections."""

    def send_in_time(self, sent: Request) -> Answer:
        """As `send`, given up exactly in time: looking up a name heeds no timeout, and an answer may drip."""
        end = time.monotonic() + sent.timeout
        answer = self.start(sent)  # on a busy machine, a thread's start takes its time, too
        try:
            return answer.result(max(0.0, end - time.monotonic()))
        except FutureTimeout:
            raise RequestTimeout(sent.timeout) from None

    def start(self, sent: Request) -> Future[Answer]:
        """Send in a thread of its own; return a future of the answer."""
        future: Future[Answer] = Future()
        future.set_running_or_notify_cancel()
        threading.Thread(target=self._fulfil, args=(future, sent), name="tap2-request", daemon=True).start()
        return future

    def _fulfil(self, future: Future[Answer], sent: Request) -> None:
        try:
            answer = self.send(sent)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(answer)


class StandardTransport(Transport):
    """By `http.client`."""

    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("url must be an http or https address")
        self._parts = parts
        self._headers = {"authorization": f"Bearer {key}", "accept-encoding": "identity"}
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._idle: Deque[Tuple[float, http.client.HTTPConnection]] = deque()

    def send(self, sent: Request) -> Answer:
        end = time.monotonic() + sent.timeout
        connection = self._connection(sent.timeout)
        try:
            connection.request(
                sent.method, self._parts.path.rstrip("/") + sent.path, sent.body, {**self._headers, **sent.headers}
            )
            response = connection.getresponse()
            body = _read(response, end)
        except (socket.timeout, RequestTimeout):
            connection.close()
            raise RequestTimeout(sent.timeout) from None
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise ConnectionFailed(str(error)) from error
        if response.will_close:
            connection.close()
        else:
            self._idle.append((time.monotonic(), connection))
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, body)

    def close(self) -> None:
        while self._idle:
            self._idle.pop()[1].close()

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        """Return an idle connection that is still open, the last used first, or a new one."""
        while True:
            try:
                used, connection = self._idle.pop()
            except IndexError:
                return self._new(timeout)
            if time.monotonic() - used < IDLE_SECONDS and _is_open(connection):
                connection.sock.settimeout(timeout)
                return connection
            connection.close()

    def _new(self, timeout: float) -> http.client.HTTPConnection:
        host, port = str(self._parts.hostname), self._parts.port
        if self._tls is not None:
            return http.client.HTTPSConnection(host, port, timeout=timeout, context=self._tls)
        return http.client.HTTPConnection(host, port, timeout=timeout)


def _is_open(connection: http.client.HTTPConnection) -> bool:
    """Return whether an idle connection is open: one that the server closed has something to read, its end."""
    try:
        return connection.sock is not None and not select.select([connection.sock], [], [], 0)[0]
    except (OSError, ValueError):
        return False


def _read(response: http.client.HTTPResponse, end: float) -> bytes:
    """Read the body in pieces, so that one that drips ends in time; raise `RequestTimeout`."""
    parts = []
    while piece := response.read1(CHUNK):
        parts.append(piece)
        if time.monotonic() > end:
            raise RequestTimeout(0)
    response.read()  # nothing more: marks the connection as free, which read1 forgets in some versions
    return b"".join(parts)


class HttpxTransport(Transport):
    """By `httpx.Client`."""

    def __init__(self, url: str, key: str) -> None:
        limits = httpx.Limits(keepalive_expiry=IDLE_SECONDS)
        headers = {"authorization": f"Bearer {key}"}
        self._client = httpx.Client(base_url=url, headers=headers, limits=limits)

    def send(self, sent: Request) -> Answer:
        end = time.monotonic() + sent.timeout
        try:
            with self._client.stream(
                sent.method, sent.path, content=sent.body, headers=sent.headers, timeout=sent.timeout
            ) as response:
                parts = []
                for piece in response.iter_bytes():
                    parts.append(piece)
                    if time.monotonic() > end:
                        raise RequestTimeout(sent.timeout)
        except httpx.TimeoutException:
            raise RequestTimeout(sent.timeout) from None
        except (httpx.HTTPError, RuntimeError) as error:  # a client that is closed raises RuntimeError
            raise ConnectionFailed(str(error)) from error
        return Answer(response.status_code, dict(response.headers), b"".join(parts))

    def close(self) -> None:
        self._client.close()


class AsyncTransport:
    """Carries out requests on an event loop, whose caller ends those that take too long."""

    async def send(self, sent: Request) -> Answer:
        """Raise `RequestTimeout` or `ConnectionFailed`."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close idle connections."""


class ThreadTransport(AsyncTransport):
    """By the standard library, in threads."""

    def __init__(self, url: str, key: str) -> None:
        self._transport = StandardTransport(url, key)

    async def send(self, sent: Request) -> Answer:
        return await asyncio.wrap_future(self._transport.start(sent))

    async def close(self) -> None:
        self._transport.close()


class AsyncHttpxTransport(AsyncTransport):
    """By `httpx.AsyncClient`; belongs to one event loop."""

    def __init__(self, url: str, key: str) -> None:
        limits = httpx.Limits(keepalive_expiry=IDLE_SECONDS)
        headers = {"authorization": f"Bearer {key}"}
        self._client = httpx.AsyncClient(base_url=url, headers=headers, limits=limits)

    async def send(self, sent: Request) -> Answer:
        try:
            response = await self._client.request(
                sent.method, sent.path, content=sent.body, headers=sent.headers, timeout=sent.timeout
            )
        except httpx.TimeoutException:
            raise RequestTimeout(sent.timeout) from None
        except (httpx.HTTPError, RuntimeError) as error:  # a client that is closed raises RuntimeError
            raise ConnectionFailed(str(error)) from error
        return Answer(response.status_code, dict(response.headers), response.content)

    async def close(self) -> None:
        await self._client.aclose()


def blocking_transport(url: str, key: str) -> Transport:
    """Return the best transport that is installed."""
    return StandardTransport(url, key) if httpx is None else HttpxTransport(url, key)


def async_transport(url: str, key: str) -> AsyncTransport:
    """Return the best transport that is installed."""
    return ThreadTransport(url, key) if httpx is None else AsyncHttpxTransport(url, key)
