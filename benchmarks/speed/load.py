"""A load generator that is not the bottleneck: raw HTTP/1.1 on keep-alive connections.

About 20 us a request on one core, against about 1 ms for a full HTTP client, so that on a machine of two
cores the server's figures are the server's. It reads answers that carry a Content-Length and nothing else.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

HEAD_END = b"\r\n\r\n"
LENGTH = b"\r\ncontent-length:"

Source = Callable[[], bytes | None]
"""The next request's bytes, or None when there are no more."""
Sink = Callable[[int, bytes], None]
"""Called with status and body of every answer."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The result of a load; latencies in milliseconds, `seconds` on the clock, `errors` by status (0: cut off)."""

    count: int
    seconds: float
    p50: float
    p95: float
    p99: float
    errors: dict[int, int]

    @property
    def rate(self) -> float:
        return self.count / self.seconds if self.seconds else 0.0


@dataclass(slots=True)
class Tally:
    """The counts of a running load; `latencies` in seconds, of successful answers. Tallies add up."""

    latencies: list[float] = field(default_factory=list)
    errors: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.latencies + other.latencies, self.errors + other.errors, self.seconds + other.seconds)

    @property
    def measured(self) -> Measured:
        ordered = sorted(self.latencies)
        p50, p95, p99 = (1e3 * percentile(ordered, share) for share in (0.50, 0.95, 0.99))
        return Measured(len(ordered), self.seconds, p50, p95, p99, dict(self.errors))


def percentile(ordered: list[float], share: float) -> float:
    """Nearest rank: the smallest value that at least `share` of them do not exceed; nan of nothing."""
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else math.nan


def request(method: str, path: str, body: Any = None, *, key: str | None = None) -> bytes:
    """The bytes of one request; a body that is not bytes is sent as JSON."""
    payload = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", f"content-length: {len(payload)}"]
    if body is not None:
        lines.append("content-type: application/json")
    if key:
        lines.append(f"authorization: Bearer {key}")
    return "\r\n".join(lines).encode() + HEAD_END + payload


class Connection(asyncio.Protocol):
    """One keep-alive connection with one request in flight.

    `idle` is called with the connection when it may take the next request.
    """

    def __init__(self, tally: Tally, idle: Callable[[Connection], None], sink: Sink | None) -> None:
        self._tally, self._idle, self._sink = tally, idle, sink
        self._buffer, self._need = b"", 0
        self._began = 0.0
        self._transport: asyncio.Transport | None = None
        self.busy = False
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._idle(self)

    def send(self, payload: bytes, began: float) -> None:
        """`began` is when the request should have gone out, so that waiting in the client counts."""
        assert self._transport
        self.busy, self._began, self._buffer, self._need = True, began, b"", 0
        self._transport.write(payload)

    def close(self) -> None:
        if self._transport:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        if not self._need:
            self._need = _whole_length(self._buffer)
        if self._need and len(self._buffer) >= self._need:
            self._answered(time.perf_counter())

    def _answered(self, now: float) -> None:
        answer, self.busy = self._buffer, False
        status = int(answer[9:12])
        if status < 300:
            self._tally.latencies.append(now - self._began)
        else:
            self._tally.errors[status] += 1
        if self._sink:
            self._sink(status, answer[answer.index(HEAD_END) + 4 :])
        self._idle(self)

    def connection_lost(self, error: Exception | None) -> None:
        if self.busy:
            self._tally.errors[0] += 1
        if not self.closed.done():
            self.closed.set_result(None)


def _whole_length(buffer: bytes) -> int:
    """Head and body together, or 0 while the head is incomplete."""
    end = buffer.find(HEAD_END)
    if end < 0:
        return 0
    head = buffer[: end + 2].lower()
    start = head.find(LENGTH)
    if start < 0:
        raise ValueError(f"an answer without Content-Length: {head!r}")
    start += len(LENGTH)
    return end + 4 + int(head[start : head.index(b"\r\n", start)])


async def closed_loop(
    port: int,
    source: Source,
    *,
    connections: int = 48,
    seconds: float = math.inf,
    sink: Sink | None = None,
) -> Tally:
    """Every connection sends its next request as soon as the last one was answered.

    Ends when `source` has no more, when `seconds` are over, or when the server hangs up.
    """
    tally = Tally()
    began = time.perf_counter()

    def feed(connection: Connection) -> None:
        now = time.perf_counter()
        payload = source() if now - began < seconds else None
        connection.close() if payload is None else connection.send(payload, now)

    opened = await _connect(port, connections, lambda: Connection(tally, feed, sink))
    await asyncio.gather(*(connection.closed for connection in opened))
    tally.seconds = time.perf_counter() - began
    return tally


async def open_loop(
    port: int,
    source: Source,
    *,
    rate: float,
    seconds: float,
    connections: int = 48,
    sink: Sink | None = None,
) -> Tally:
    """`rate` requests a second whether or not the server keeps up.

    Latency counts from the moment that a request was due, so a stalled server is not forgiven the requests
    that had to wait for a connection.
    """
    tally, free = Tally(), deque[Connection]()
    opened = await _connect(port, connections, lambda: Connection(tally, free.append, sink))
    began = time.perf_counter()
    for number in range(int(rate * seconds)):
        due = began + number / rate
        while (wait := due - time.perf_counter()) > 0 or not free:
            await asyncio.sleep(max(wait, 0.0005))
            if all(connection.closed.done() for connection in opened):
                tally.seconds = time.perf_counter() - began
                return tally
        payload = source()
        if payload is None:
            break
        free.popleft().send(payload, due)
    while any(connection.busy and not connection.closed.done() for connection in opened):
        await asyncio.sleep(0.001)
    tally.seconds = time.perf_counter() - began
    for connection in opened:
        connection.close()
    return tally


async def _connect(port: int, count: int, make: Callable[[], Connection]) -> list[Connection]:
    loop = asyncio.get_running_loop()
    opened = [await loop.create_connection(make, "127.0.0.1", port) for _ in range(count)]
    return [protocol for _, protocol in opened]
