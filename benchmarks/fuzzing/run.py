"""Send fuzzed requests to the app in this process, without sockets: no answer may be 5xx, a fallback, or slow.

`python -m benchmarks.verify fuzz` sends 1,000,000 from two processes; `python -m benchmarks.fuzzing.run 20000` fewer.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import msgspec

from benchmarks.fuzzing.bodies import FuzzedRequest, request
from engine.service import Engine
from engine.settings import Settings
from tests.shop import Shop
from web.app import create_app
from web.openapi import examples

Figure = tuple[str, str, str]
REQUESTS = 1_000_000
PROCESSES = 2
CHUNK = 25_000
"""So many requests go to one database."""
TOGETHER = 32
SLOW_SECONDS = 0.1
UNLIMITED = "1000000/second"
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""A folder whose files need no disk: what is tried here is not how fast commits are."""
ID = re.compile(rb'"decision_id":"([^"]+)"')


class Fuzzed(NamedTuple):
    """The results of requests: statuses, faults as texts, and the CPU seconds of the slowest with its request."""

    statuses: Counter[int]
    faults: list[str]
    slowest: float
    slowest_request: str

    def __add__(self, other: object) -> Fuzzed:
        assert isinstance(other, Fuzzed)
        slower = max(self, other, key=lambda fuzzed: fuzzed.slowest)
        faults = self.faults + other.faults
        return Fuzzed(self.statuses + other.statuses, faults, slower.slowest, slower.slowest_request)


EMPTY = Fuzzed(Counter(), [], 0.0, "")


async def fuzz(count: int, *, seed: int) -> Fuzzed:
    """Send `count` requests to an app on a new database."""
    with tempfile.TemporaryDirectory(prefix="tap2-fuzz-", dir=IN_MEMORY) as folder:
        limits = {"decision_rate": UNLIMITED, "outcome_rate": UNLIMITED, "public_rate": UNLIMITED}
        app = create_app(Settings(data=folder, log_level="error", decision_timeout_ms=60_000, **limits))
        async with app.lifespan():
            keys = await _create_shop(app.state.engine)
            return await _Sender(app, keys, seed).send_all(count)


async def _create_shop(engine: Engine) -> dict[bool, str]:
    """Make a merchant with the documents of the examples; return a secret and a publishable key."""
    merchant, _ = await engine.accounts.add_merchant("shop", "Shop")
    shop = Shop(engine, merchant)
    await shop.add_placement()
    _, secret = await engine.accounts.create_key(merchant, "secret", "", actor_name="fuzz")
    _, public = await engine.accounts.create_key(merchant, "publishable", "", actor_name="fuzz")
    return {False: secret, True: public}


class _Sender:
    """Sends requests in groups; those of a group that took over 100 ms are sent again one by one to measure each."""

    def __init__(self, app: Any, keys: dict[bool, str], seed: int) -> None:
        self._app, self._luck = app, Random(seed)
        self._keys = {is_browser: f"Bearer {key}".encode() for is_browser, key in keys.items()}
        self._decisions: deque[str] = deque(maxlen=200)
        self._fuzzed = EMPTY

    async def send_all(self, count: int) -> Fuzzed:
        for path, document in (
            ("/v1/placements", {"key": "banner", "name": "Banner"}),
            ("/v1/placements/payment_methods/rules", examples.RULE),
            ("/v1/vocabulary", examples.FIELD),
            ("/v1/lists", examples.LIST),
        ):
            status, answer = await self._send(FuzzedRequest("POST", path, b"", msgspec.json.encode(document)))
            assert status == 201, answer
        for begin in range(0, count, TOGETHER):
            await self._send_group([request(self._luck, self._decisions) for _ in range(min(TOGETHER, count - begin))])
        return self._fuzzed

    async def _send_group(self, requests: Sequence[FuzzedRequest]) -> None:
        began = time.thread_time()
        answers = await asyncio.gather(*(self._send(each) for each in requests))
        took = time.thread_time() - began
        faults = [
            f"{status} {each.method} {each.path} {each.query!r} {each.body[:300]!r}: {answer[:200]!r}"
            for each, (status, answer) in zip(requests, answers, strict=True)
            if status >= 500 or b'"fallback":true' in answer
        ]
        for _, answer in answers:
            self._decisions.extend(id.decode() for id in ID.findall(answer))
        self._fuzzed += Fuzzed(Counter(status for status, _ in answers), faults, 0.0, "")
        if took > SLOW_SECONDS:
            for each in requests:
                self._fuzzed += Fuzzed(Counter(), [], await self._seconds(each), _described(each))

    async def _seconds(self, each: FuzzedRequest) -> float:
        """Return the CPU seconds of the event loop for a request, the least of two tries."""
        tries = []
        for _ in range(2):
            began = time.thread_time()
            await self._send(each)
            tries.append(time.thread_time() - began)
        return min(tries)

    async def _send(self, each: FuzzedRequest) -> tuple[int, bytes]:
        """Return status and body; an exception that leaves the app counts as 599."""
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": each.body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        try:
            await self._app(self._scope(each), receive, send)
        except Exception as error:
            return 599, repr(error).encode()
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])

    def _scope(self, each: FuzzedRequest) -> dict[str, Any]:
        headers = [
            (b"host", b"localhost"),
            (b"authorization", self._keys[each.is_browser]),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(each.body)).encode()),
            (b"if-match", b"*"),
        ]
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": each.method,
            "scheme": "http",
            "path": each.path,
            "raw_path": each.path.encode(),
            "root_path": "",
            "query_string": each.query,
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
            "state": {},
        }


def _described(each: FuzzedRequest) -> str:
    return f"{each.method} {each.path}, {len(each.body):,} bytes"


def _chunk(seed: int) -> Fuzzed:
    return asyncio.run(fuzz(CHUNK, seed=seed))


def figures(requests: int = REQUESTS) -> list[Figure]:
    """Send the requests from two processes; return the table's rows."""
    with ProcessPoolExecutor(PROCESSES, get_context("spawn"), max_tasks_per_child=1) as pool:
        fuzzed = sum(pool.map(_chunk, range(-(-requests // CHUNK))), EMPTY)
    classes = Counter(status // 100 for status in fuzzed.statuses.elements())
    slowest = f"{1_000 * fuzzed.slowest:.0f} ms ({fuzzed.slowest_request})" if fuzzed.slowest else "under 100 ms"
    shares = ", ".join(f"{count:,} {digit}xx" for digit, count in sorted(classes.items()))
    return [
        (
            "fuzzed requests: decide, batch, methods, feedback, configuration",
            f"{requests:,}",
            f"{fuzzed.statuses.total():,}: {shares}",
        ),
        ("answers of 500 and above, fallback answers", "0", "; ".join(fuzzed.faults[:3]) or "0"),
        ("CPU time of the slowest", "at most 100 ms", slowest),
    ]


if __name__ == "__main__":
    for row in figures(int(sys.argv[1])):
        print(": ".join(row))
