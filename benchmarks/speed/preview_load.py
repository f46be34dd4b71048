"""The duration of a preview and its effect on decisions: a server over a full log at a steady rate of requests."""

from __future__ import annotations

import asyncio
import itertools
import json
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from benchmarks.checks.preview_log import (
    BASE_RULES,
    COUNTRIES,
    DEVICES,
    PLACEMENT,
    Crowd,
    create_plan,
    make_log,
    store_log,
)
from benchmarks.process import TAP2, Server, free_port
from benchmarks.speed.load import Measured, Tally, open_loop, request
from engine.clock import now_ms
from engine.model.timestamps import DAY, rfc3339
from engine.service import open_engine
from engine.settings import Settings

RATE = 200
QUIET_SECONDS = 24.0
PIECE_SECONDS = 2.0
WARM_UP_SECONDS = 5.0
ALL_CUSTOMERS: dict[str, Any] = {
    "id": "draft",
    "name": "Draft",
    "when": {"==": [1, 1]},
    "effects": [{"boost": {"candidates": ["ideal"], "factor": 1.4}}],
}
SOME = {**ALL_CUSTOMERS, "when": {"==": [{"var": "geo.country"}, "DE"]}}


class Cost(NamedTuple):
    """Seconds of a preview on an idle server; the p99 of decisions in ms, without a preview and with one; errors."""

    read: int
    alone_some: float
    alone_all: float
    quiet: Measured
    during: Measured


async def prepare(folder: Path, *, count: int) -> str:
    """A merchant with `count` decisions in the log, half of them by customers with a past; returns a key."""
    engine = await open_engine(Settings(data=str(folder)))
    engine.recorder.start()
    await engine.follow()
    merchant, _ = await engine.accounts.add_merchant("shop", "Shop")
    plan = await create_plan(engine, merchant.id)
    await store_log(
        engine.database,
        make_log(plan, merchant.id, count=count, seed=8, until=now_ms() - DAY, crowd=Crowd(histories=True)),
    )
    _, key = await engine.accounts.create_key(merchant, "secret", "verify", actor_name="verify")
    await engine.stop()
    return key


def measure(*, count: int, rate: float = RATE, quiet: float = QUIET_SECONDS) -> Cost:
    """On a server of its own."""
    with tempfile.TemporaryDirectory(prefix="tap2-preview-") as name:
        folder, port = Path(name), free_port()
        key = asyncio.run(prepare(folder, count=count))
        with Server([*TAP2, "serve"], folder, port, {}) as server:
            return asyncio.run(_measure(Api(server.port, key), rate, quiet))


class Api(NamedTuple):
    port: int
    key: str

    def call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        address = f"http://127.0.0.1:{self.port}/v1/placements/{PLACEMENT}/previews{path}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(address, data, {"authorization": f"Bearer {self.key}"}, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            document: dict[str, Any] = json.loads(answer.read())
        return document

    def start(self, rule: Any) -> str:
        """A preview of the rules in force and one more."""
        since, rules = rfc3339(now_ms() - 30 * DAY), [*msgspec.to_builtins(BASE_RULES), rule]
        return str(self.call("POST", "", {"since": since, "rules": rules})["id"])

    def state(self, id: str) -> dict[str, Any]:
        return self.call("GET", f"/{id}")


async def _measure(api: Api, rate: float, quiet: float) -> Cost:
    next_request = itertools.cycle(_decisions(api.key)).__next__
    await open_loop(api.port, next_request, rate=rate, seconds=WARM_UP_SECONDS)
    await asyncio.sleep(PIECE_SECONDS)
    some, _ = await _alone(api, SOME)
    all_customers, read = await _alone(api, ALL_CUSTOMERS)
    # Before and after, so that what else the machine does meanwhile hits both alike.
    without = await _without(api, next_request, rate, quiet / 2)
    during = await _during(api, next_request, rate)
    without += await _without(api, next_request, rate, quiet / 2)
    return Cost(read, some, all_customers, without.measured, during.measured)


async def _alone(api: Api, rule: Any) -> tuple[float, int]:
    began = time.monotonic()
    id = await asyncio.to_thread(api.start, rule)
    while (state := await asyncio.to_thread(api.state, id))["state"] == "running":
        await asyncio.sleep(0.2)
    if state["state"] != "done":
        raise RuntimeError(f"the preview ended as {state['state']}: {state['problem']}")
    return time.monotonic() - began, state["result"]["read"]


async def _without(api: Api, next_request: Any, rate: float, seconds: float) -> Tally:
    """Decisions while no preview runs, in pieces as long as with one: each begins with new connections."""
    tally = Tally()
    for _ in range(max(1, round(seconds / PIECE_SECONDS))):
        tally += await open_loop(api.port, next_request, rate=rate, seconds=PIECE_SECONDS)
    return tally


async def _during(api: Api, next_request: Any, rate: float) -> Tally:
    """All decisions while a preview runs, and just before it begins: it takes less where it sees some."""
    tally = await open_loop(api.port, next_request, rate=rate, seconds=PIECE_SECONDS)
    id = await asyncio.to_thread(api.start, ALL_CUSTOMERS)
    while (await asyncio.to_thread(api.state, id))["state"] == "running":
        tally += await open_loop(api.port, next_request, rate=rate, seconds=PIECE_SECONDS)
    return tally


def _decisions(key: str) -> list[bytes]:
    return [
        request(
            "POST",
            "/v1/personalize/decisions",
            {
                "placement": PLACEMENT,
                "customer_id": f"c{number}",
                "context": {
                    "cart": {"total": 500 + 97 * number, "currency": "EUR"},
                    "geo": {"country": COUNTRIES[number % len(COUNTRIES)]},
                    "device": {"type": DEVICES[number % len(DEVICES)]},
                },
            },
            key=key,
        )
        for number in range(400)
    ]
