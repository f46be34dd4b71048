"""A real server on a thread of this process, for tests that speak HTTP."""

from __future__ import annotations

import asyncio
import itertools
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx
import uvicorn

from engine.service import Engine
from engine.settings import Settings
from engine.store.accounts import Kind, Merchant
from web.app import create_app
from web.http.protocol import HttpProtocol
from web.openapi import examples
from web.openapi.document import document

T = TypeVar("T")
TIMEOUT_SECONDS = 20
MOST_MERCHANTS = 100
"""Of a server of many tests: with 400, its jobs take six times the processor time, and a new one twice."""
UNLIMITED = {"decision_rate": "1000000/second", "outcome_rate": "1000000/second", "public_rate": "1000000/second"}
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Each client would read all certificates of authorities otherwise, for 50 ms."""
_numbers = itertools.count(1)


@dataclass
class Side:
    """The live or the test side of a merchant, with a secret key and a client that sends it."""

    server: Server
    merchant: Merchant
    key: str
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = self.server.client(self.key)

    def new_key(self, kind: Kind = "publishable") -> str:
        accounts = self.server.engine.accounts
        return self.server.run(accounts.create_key(self.merchant, kind, "for a test", actor_name="tester"))[1]

    def create_examples(self) -> None:
        """Create the example placement, candidates, rule, field and list."""
        placement = f"/v1/placements/{examples.PLACEMENT['key']}"
        paypal, card = {"id": "paypal", "label": "PayPal", "type": "paypal"}, {"id": "card", "label": "Card"}
        # First the resources outside a placement, for which no plan is compiled.
        for path, body in (
            ("/v1/vocabulary", examples.FIELD),
            ("/v1/lists", examples.LIST),
            ("/v1/placements", examples.PLACEMENT),
            (f"{placement}/candidates", [examples.CANDIDATE, paypal, {**card, "type": "card"}]),
            (f"{placement}/rules", examples.RULE),
        ):
            answer = self.client.post(path, json=body)
            assert answer.status_code == 201, answer.text

    def decide(self, customer: str = "c_123") -> dict[str, Any]:
        answer = self.client.post("/v1/personalize/decisions", json={**examples.DECISION, "customer_id": customer})
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        return result


class Server:
    """`url` answers while the server runs; `run` runs a coroutine of the engine on the server's own loop."""

    def __init__(self, settings: Settings) -> None:
        self.app = create_app(settings)
        self.settings = settings
        self.merchants = 0
        """How many `sides` has made."""
        self._loop: asyncio.AbstractEventLoop | None = None
        config = uvicorn.Config(
            self.app, port=0, http=HttpProtocol, log_config=None, access_log=False, lifespan="on", loop="none"
        )
        self._uvicorn = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="server", daemon=True)

    def _serve(self) -> None:
        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            await self._uvicorn.serve()

        asyncio.run(serve())

    @property
    def url(self) -> str:
        host, port = self._uvicorn.servers[0].sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"

    @property
    def engine(self) -> Engine:
        engine: Engine = self.app.state.engine
        return engine

    @property
    def openapi(self) -> dict[str, Any]:
        return document(self.app)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(TIMEOUT_SECONDS)

    def client(self, key: str | None = None) -> httpx.Client:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=TIMEOUT_SECONDS, verify=NO_CERTIFICATES)

    def sides(self) -> tuple[Side, Side]:
        """The live and the test side of a new merchant."""
        self.merchants += 1
        live, test = self.run(self.engine.accounts.add_merchant(f"shop-{next(_numbers)}", "Shop"))
        return self.side(live), self.side(test)

    def side(self, merchant: Merchant) -> Side:
        _, key = self.run(self.engine.accounts.create_key(merchant, "secret", "tests", actor_name="tester"))
        return Side(self, merchant, key)

    def start(self) -> None:
        self._thread.start()
        started_at = time.monotonic()
        while not self._uvicorn.started:
            assert self._thread.is_alive(), "the server did not start"
            assert time.monotonic() - started_at < TIMEOUT_SECONDS, "the server did not start in time"
            time.sleep(0.01)

    def stop(self) -> None:
        self._uvicorn.should_exit = True
        self._thread.join(TIMEOUT_SECONDS)

    @contextmanager
    def with_jobs(self) -> Iterator[Server]:
        """Run jobs meanwhile, and none afterwards."""
        self.run(self._start_jobs())
        yield self
        self.run(self.engine._jobs.stop())

    async def _start_jobs(self) -> None:
        await self.engine._jobs.stop()
        await self.engine.leadership.renew()
        self.engine._jobs.start()


@contextmanager
def serving(settings: Settings) -> Iterator[Server]:
    server = Server(settings)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class Servers:
    """One server after another, of the settings that `settings` returns."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings
        self._newest: Server | None = None

    def newest(self) -> Server:
        """Return the running server, a new one where that has many merchants."""
        if self._newest is None or self._newest.merchants >= MOST_MERCHANTS:
            self.stop()
            self._newest = Server(self._settings())
            self._newest.start()
        return self._newest

    def stop(self) -> None:
        if self._newest is not None:
            self._newest.stop()
