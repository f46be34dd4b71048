"""Both clients for Python behind one interface, with httpx and without."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import tap2_personalize as sdk
from tap2_personalize import _transport

from tests.sdks.fake_server import FakeServer

ORDER = ["card", {"id": "paypal", "label": "PayPal"}]
TIMEOUT = 20.0
KINDS = ["threads", "asyncio", "threads without httpx", "asyncio without httpx"]


class Blocking:
    """An `AsyncClient` on a loop of its own, called as a `Client` is."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._client = self._loop.run_until_complete(self._make(arguments, options))

    async def _make(self, arguments: Any, options: Any) -> sdk.AsyncClient:
        return sdk.AsyncClient(*arguments, **options)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)
        if inspect.iscoroutinefunction(method):
            return lambda *arguments, **options: self._loop.run_until_complete(method(*arguments, **options))
        return lambda *arguments, **options: _BlockingFuture(
            self._loop, self._loop.run_until_complete(_call(method, arguments))
        )

    def close(self, timeout: float = 5.0) -> int:
        left = self._loop.run_until_complete(self._client.close(timeout))
        self._loop.close()
        return left


class _BlockingFuture:
    """An asyncio future as one of threads."""

    def __init__(self, loop: asyncio.AbstractEventLoop, futures: list[asyncio.Future[Any]]) -> None:
        self._loop, (self._future,) = loop, futures

    def result(self, timeout: float) -> Any:
        return self._loop.run_until_complete(asyncio.wait_for(asyncio.shield(self._future), timeout))


async def _call(method: Callable[..., Any], arguments: Any) -> list[Any]:
    return [method(*arguments)]


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Makes clients of a fake server; closes all at the end."""
    if "without httpx" in request.param:
        monkeypatch.setattr(_transport, "httpx", None)
    kind = Blocking if request.param.startswith("asyncio") else sdk.Client
    clients: list[Any] = []

    def new(fake: FakeServer, **options: Any) -> Any:
        given = {"fallback": {"payment_methods": ORDER}, "on_error": lambda *_: None, "timeout": TIMEOUT, **options}
        clients.append(kind(fake.url, given.pop("key", "sk_test_x"), **given))
        return clients[-1]

    yield new
    for client in clients:
        client.close(0)
