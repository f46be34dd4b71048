"""A client that sends headers without end, or hardly anything, does not keep the server."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager

import pytest
import uvicorn

from benchmarks.process import free_port
from web.http import protocol
from web.http.protocol import MOST_HEAD_BYTES, HttpProtocol

pytestmark = pytest.mark.anyio


async def answer(scope, receive, send):
    if scope["type"] != "http":
        return
    body = b""
    more = True
    while more:
        event = await receive()
        body += event.get("body", b"")
        more = event.get("more_body", False)
    text = str(len(body)).encode()
    headers = [(b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text})


@pytest.fixture
async def port():
    port = free_port()
    config = uvicorn.Config(answer, port=port, http=HttpProtocol, lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield port
    server.should_exit = True
    await task


@asynccontextmanager
async def connected(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def post(reader, writer, body):
    writer.write(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split()[0])
    return head.split()[1], await reader.readexactly(length)


async def test_headers_without_end_are_refused(port):
    async with connected(port) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nhost: a\r\nx: ")
        writer.write(b"y" * (MOST_HEAD_BYTES + 1))
        assert (await reader.read(12)) == b"HTTP/1.1 431"


async def test_a_long_header_within_the_limit_and_a_long_body_are_accepted(port):
    async with connected(port) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 30_000 + b"\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).split()[1] == b"200"
        assert await reader.readexactly(1) == b"0"
        for _ in range(3):
            assert await post(reader, writer, b"z" * 300_000) == (b"200", b"300000")


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\nhost:", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n1"]
)
async def test_incomplete_request_times_out(port, monkeypatch, sent):
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 0.3)
    async with connected(port) as (reader, writer):
        writer.write(sent)
        began = time.monotonic()
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        assert time.monotonic() - began > 0.2


async def test_an_idle_connection_stays_open_between_requests(port, monkeypatch):
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 0.2)
    async with connected(port) as (reader, writer):
        assert await post(reader, writer, b"1") == (b"200", b"1")
        await asyncio.sleep(0.7)
        assert await post(reader, writer, b"22") == (b"200", b"2")
