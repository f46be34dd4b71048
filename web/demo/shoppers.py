"""Simulated shoppers who use a running server as any checkout would: over HTTP, and politely."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx

from simulation.worlds.shoppers import COUNTRIES, Step, Visit, World, busyness

PLACEMENT = "payment_methods"
AT_ONCE = 32
BATCH = 200
FLUSH_SECONDS = 0.5
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
MOST_WAITING = 5_000
WILL_NEVER_BE_TAKEN = (400, 413)


class Refused(Exception):
    """The server does not want these requests at all (a wrong key or address); trying again is no use."""


@dataclass(slots=True)
class Tally:
    """What the shoppers did so far; `failures` are requests that got no proper answer."""

    checkouts: int = 0
    converted: int = 0
    outcomes: int = 0
    failures: int = 0


@dataclass(slots=True)
class _Outbox:
    """Outcomes on their way; those of a failed batch are sent again, their event ids make that harmless."""

    waiting: list[dict[str, Any]] = field(default_factory=list)

    def put(self, outcomes: list[dict[str, Any]]) -> None:
        if len(self.waiting) < MOST_WAITING:
            self.waiting += outcomes

    def batches(self) -> Iterator[list[dict[str, Any]]]:
        while self.waiting:
            batch = self.waiting[:BATCH]
            yield batch
            del self.waiting[: len(batch)]


def client(url: str, key: str) -> httpx.AsyncClient:
    """An HTTP client for the server at `url` with an API key."""
    return httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=10.0)


class Shoppers:
    """Runs checkouts at about `rate` a second, more or fewer with the hour of the world's day."""

    def __init__(self, http: httpx.AsyncClient, world: World, *, rate: float) -> None:
        self.tally = Tally()
        self._http, self._world, self._rate = http, world, rate
        self._outbox = _Outbox()
        self._pause = 0.0
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def run(self, *, seconds: float | None = None) -> Tally:
        """Until `seconds` are over, or until cancelled; raises Refused where the server turns us away."""
        refused: BaseException | None = None
        try:
            await self._shop(seconds)
        except* Refused as failures:
            refused = failures.exceptions[0]
        if refused:
            raise refused
        with suppress(httpx.HTTPError):
            await self._flush()
        return self.tally

    async def _shop(self, seconds: float | None) -> None:
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            flusher = tasks.create_task(self._flush_forever())
            while seconds is None or time.monotonic() - began < seconds:
                elapsed = time.monotonic() - began
                await asyncio.sleep(max(self._pause, 1 / (self._rate * busyness(elapsed))))
                await self._slots.acquire()
                tasks.create_task(self._checkout(self._world.visit(elapsed)))
            for _ in range(AT_ONCE):
                await self._slots.acquire()
            flusher.cancel()

    async def _checkout(self, visit: Visit) -> None:
        body = {"placement": PLACEMENT, "customer_id": visit.shopper.customer_id, "context": visit.context}
        try:
            answer = (await self._post("/v1/personalize/decisions", body)).json()
        except (httpx.HTTPError, ValueError):
            return
        finally:
            self._slots.release()
        steps = self._world.reaction(visit, [candidate["id"] for candidate in answer["ranking"]])
        self._outbox.put(outcomes(answer["decision_id"], visit, steps, now=datetime.now(UTC)))
        self.tally.checkouts += 1
        self.tally.converted += steps[-1].type == "converted"

    async def _flush_forever(self) -> None:
        while True:
            await asyncio.sleep(max(self._pause, FLUSH_SECONDS))
            with suppress(httpx.HTTPError):
                await self._flush()

    async def _flush(self) -> None:
        for batch in self._outbox.batches():
            try:
                await self._post("/v1/personalize/feedback", batch)
            except httpx.HTTPStatusError as error:
                # What is never going to be taken must not hold up all that comes after it.
                if error.response.status_code in WILL_NEVER_BE_TAKEN:
                    continue
                raise
            self.tally.outcomes += len(batch)

    async def _post(self, path: str, body: Any) -> httpx.Response:
        """A good answer; on a bad one the next requests wait, twice as long each time."""
        try:
            response = await self._http.post(path, json=body)
            if response.status_code in (401, 403):
                raise Refused(f"{path}: {response.status_code} {problem(response)}")
            response.raise_for_status()
        except httpx.HTTPError:
            self.tally.failures += 1
            self._pause = min(max(2 * self._pause, FIRST_PAUSE), LONGEST_PAUSE)
            raise
        self._pause = 0.0
        return response


def outcomes(decision_id: str, visit: Visit, steps: list[Step], *, now: datetime) -> list[dict[str, Any]]:
    """The steps as the feedback endpoint takes them, a second apart and the last one now."""
    country = COUNTRIES[visit.shopper.country]
    return [
        {
            "event_id": uuid4().hex,
            "decision_id": decision_id,
            "type": step.type,
            "occurred_at": (now - timedelta(seconds=back)).isoformat(timespec="milliseconds"),
        }
        | ({"candidate_id": step.method} if step.method else {})
        | ({"amount": visit.total, "currency": country.currency} if step.type == "converted" else {})
        for back, step in zip(reversed(range(len(steps))), steps, strict=True)
    ]


def problem(response: httpx.Response) -> str:
    """What a problem+json answer says, or its text."""
    try:
        document = response.json()
        return str(document.get("detail") or document.get("title"))
    except (ValueError, AttributeError):
        return response.text[:200]


async def shop_for_ever(make: Callable[[], httpx.AsyncClient], world: World, *, rate: float) -> None:
    """The background task of a demo server: patient while the server is still starting."""
    async with make() as http:
        await Shoppers(http, world, rate=rate).run()
