"""A response leaves in one write; what is streamed leaves at once."""

from __future__ import annotations

import asyncio

import pytest

from web.http.protocol import JoinedTransport

pytestmark = pytest.mark.anyio
HEAD, BODY = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n", b"body"


class Recorded:
    """Records the calls of a transport."""

    def __init__(self) -> None:
        self.calls: list[object] = []

    def write(self, data: bytes) -> None:
        self.calls.append(data)

    def close(self) -> None:
        self.calls.append("close")

    def is_closing(self) -> bool:
        return "close" in self.calls


@pytest.fixture
async def transport():
    recorded = Recorded()
    return recorded, JoinedTransport(recorded, asyncio.get_running_loop())


async def test_head_and_body_are_one_write(transport):
    recorded, joined = transport
    joined.write(HEAD)
    joined.write(BODY)
    joined.write(HEAD)
    joined.write(BODY)
    await asyncio.sleep(0)
    assert recorded.calls == [HEAD + BODY, HEAD + BODY]


async def test_a_head_without_a_body_leaves_in_the_next_pass(transport):
    recorded, joined = transport
    joined.write(HEAD)
    assert recorded.calls == []
    await asyncio.sleep(0)
    joined.write(BODY)
    joined.write(BODY)
    assert recorded.calls == [HEAD, BODY, BODY]


async def test_a_head_leaves_before_the_connection_closes(transport):
    recorded, joined = transport
    joined.write(HEAD)
    joined.close()
    await asyncio.sleep(0)
    assert recorded.calls == [HEAD, "close"]
    assert joined.is_closing()


async def test_headers_are_not_delayed_for_long(transport):
    """A client that expects 100-continue gets it although it sends no body."""
    recorded, joined = transport
    joined.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    await asyncio.sleep(0)
    joined.write(HEAD)
    joined.write(BODY)
    assert recorded.calls == [b"HTTP/1.1 100 Continue\r\n\r\n", HEAD + BODY]
