"""Simulated shoppers who use a running server over HTTP and back off when it fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import httpx

from simulation.worlds.offer_reactions import cart_paid, offer_context, react_to_offer, sees_offers
from simulation.worlds.shoppers import COUNTRIES, CheckoutVisit, ShopperAction, ShopperWorld, busyness

PLACEMENT = "payment_methods"
CONCURRENCY = 32
BATCH = 200
FLUSH_SECONDS = 0.5
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
MOST_PENDING = 5_000
BETWEEN_STEPS = timedelta(seconds=14)
OFFER_SECONDS = 15.0
"""Between two carts that ask for offers: at the pace of checkouts, budgets that are made for a month last minutes."""
PERMANENT_REFUSALS = (400, 413)


class RequestsRefused(Exception):
    """The server refuses these requests for good (a wrong key); retrying does not help."""


@dataclass(slots=True)
class Tally:
    """Counts of what the shoppers did; `failures` are requests that failed."""

    checkouts: int = 0
    converted: int = 0
    redeemed: int = 0
    outcomes: int = 0
    failures: int = 0


@dataclass(slots=True)
class _Outbox:
    """Outcomes to report. A failed batch is sent again; event ids make that harmless."""

    pending: list[dict[str, Any]] = field(default_factory=list)

    def put(self, outcomes: list[dict[str, Any]]) -> None:
        if len(self.pending) < MOST_PENDING:
            self.pending += outcomes

    def batches(self) -> Iterator[list[dict[str, Any]]]:
        while self.pending:
            batch = self.pending[:BATCH]
            yield batch
            del self.pending[: len(batch)]


def client(url: str, key: str) -> httpx.AsyncClient:
    """Return an HTTP client for the server at `url` with an API key."""
    return httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=10.0)


class Shoppers:
    """Runs about `rate` checkouts a second, varying with the hour of the world's day."""

    def __init__(self, http: httpx.AsyncClient, world: ShopperWorld, *, rate: float) -> None:
        self.tally = Tally()
        self._http, self._world, self._rate = http, world, rate
        self._outbox = _Outbox()
        self._pause = 0.0
        self._next_offers = 0.0
        self._slots = asyncio.Semaphore(CONCURRENCY)

    async def run(self, *, seconds: float | None = None) -> Tally:
        """Run for `seconds`, or until cancelled. Raise `Refused` where the server refuses the key."""
        refused: BaseException | None = None
        try:
            await self._shop(seconds)
        except* RequestsRefused as failures:
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
            for _ in range(CONCURRENCY):
                await self._slots.acquire()
            flusher.cancel()

    async def _checkout(self, visit: CheckoutVisit) -> None:
        body = {"placement": PLACEMENT, "customer_id": visit.shopper.customer_id, "context": visit.context}
        try:
            offers = await self._offers(visit)
            answer = (await self._post("/v1/personalize/decisions", body)).json()
        except (httpx.HTTPError, ValueError):
            return
        finally:
            self._slots.release()
        methods = [candidate["id"] for candidate in answer["ranking"]]
        offer = offers["offers"][0] if offers and offers["offers"] else None
        react = partial(self._world.reaction, visit, methods)
        actions, redeems = react_to_offer(offer["id"] if offer else None, visit, react, self._world.random)
        self._outbox.put(outcomes(answer["decision_id"], visit, actions, now=datetime.now(UTC)))
        self.tally.checkouts += 1
        self.tally.converted += actions[-1].type == "converted"
        if offers:
            redeemed = offer is not None and redeems and await self._redeem(visit, offer)
            bought = actions[-1].type == "converted"
            self._outbox.put(offer_outcomes(offers, visit, bought=bought, redeemed=redeemed, now=datetime.now(UTC)))

    async def _offers(self, visit: CheckoutVisit) -> dict[str, Any] | None:
        """Return the answer with offers for a cart; None where the shop does not ask for any."""
        if not sees_offers(visit) or time.monotonic() < self._next_offers:
            return None
        self._next_offers = time.monotonic() + OFFER_SECONDS
        body = {"customer_id": visit.shopper.customer_id, "context": offer_context(visit)}
        response = await self._http.post("/v1/personalize/offers", json=body)
        # Somebody may have deleted the demo's offers.
        return response.json() if response.status_code == 200 else None

    async def _redeem(self, visit: CheckoutVisit, offer: dict[str, Any]) -> bool:
        body = {"hold_id": offer["hold_id"], "cart": cart_paid(visit), "order_id": f"order-{uuid4().hex[:12]}"}
        try:
            response = await self._http.post("/v1/redemptions/redeem", json=body)
        except httpx.HTTPError:
            return False
        self.tally.redeemed += response.status_code == 200
        return response.status_code == 200

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
                # A batch that is refused for good must not block the batches after it.
                if error.response.status_code in PERMANENT_REFUSALS:
                    continue
                raise
            self.tally.outcomes += len(batch)

    async def _post(self, path: str, body: Any) -> httpx.Response:
        """Post and return the response; after a failure the next requests wait, twice as long each time."""
        try:
            response = await self._http.post(path, json=body)
            if response.status_code in (401, 403):
                raise RequestsRefused(f"{path}: {response.status_code} {problem(response)}")
            response.raise_for_status()
        except httpx.HTTPError:
            self.tally.failures += 1
            self._pause = min(max(2 * self._pause, FIRST_PAUSE), LONGEST_PAUSE)
            raise
        self._pause = 0.0
        return response


def outcomes(
    decision_id: str, visit: CheckoutVisit, steps: Sequence[ShopperAction], *, now: datetime
) -> list[dict[str, Any]]:
    """Return the steps as outcomes for the feedback endpoint, some seconds apart, the last one now."""
    country = COUNTRIES[visit.shopper.country]
    return [
        {
            "event_id": uuid4().hex,
            "decision_id": decision_id,
            "type": step.type,
            "occurred_at": (now - back * BETWEEN_STEPS).isoformat(timespec="milliseconds"),
        }
        | ({"candidate_id": step.method} if step.method else {})
        | ({"amount": visit.total, "currency": country.currency} if step.type == "converted" else {})
        for back, step in zip(reversed(range(len(steps))), steps, strict=True)
    ]


def offer_outcomes(
    answer: dict[str, Any], visit: CheckoutVisit, *, bought: bool, redeemed: bool, now: datetime
) -> list[dict[str, Any]]:
    """Return what the shop reports of an answer with offers: what was shown, and the purchase, by the offer or not."""
    about = {"decision_id": answer["decision_id"], "occurred_at": now.isoformat(timespec="milliseconds")}
    shown = [{"type": "shown", "candidate_id": offer["id"]} for offer in answer["offers"]]
    purchase = {"type": "converted", "amount": visit.total, "currency": COUNTRIES[visit.shopper.country].currency}
    used = {"candidate_id": answer["offers"][0]["id"]} if redeemed else {}
    return [about | {"event_id": uuid4().hex} | event for event in (*shown, *([purchase | used] if bought else []))]


def problem(response: httpx.Response) -> str:
    """Return the detail of a problem+json response, or its text."""
    try:
        document = response.json()
        return str(document.get("detail") or document.get("title"))
    except (ValueError, AttributeError):
        return response.text[:200]


async def run_shoppers(make_client: Callable[[], httpx.AsyncClient], world: ShopperWorld, *, rate: float) -> None:
    """Run shoppers until cancelled; back off while the server is still starting."""
    async with make_client() as http:
        await Shoppers(http, world, rate=rate).run()
