"""Break a guardrail on a live server, and measure how soon the experiment stops with a reason.

`python -m benchmarks.verify guardrail`, about three minutes. Shoppers ask and buy over HTTP; after a while those of one
variant hardly buy any more, as if its payment page failed. tests/web/test_guardrail_stop.py runs a small version.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import threading
import time
from collections.abc import Callable
from html import unescape
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import httpx

from benchmarks.checks.attacks import DECISIONS, FEEDBACK
from benchmarks.process import TAP2, Server, free_port
from engine.service import open_engine
from engine.settings import Settings

Figure = tuple[str, str, str]
Call = Callable[[str, Any], Any]
PLACEMENT, ID, BROKEN = "payment_methods", "paypal-first", "paypal"
EXPERIMENTS = f"/v1/placements/{PLACEMENT}/experiments"
REASON = "guardrail: PayPal first loses more than 5% of conversion"
EXPERIMENT = {
    "id": ID,
    "name": "PayPal first",
    "variants": [
        {"id": "control", "name": "As it is"},
        {"id": BROKEN, "name": "PayPal first", "order": ["paypal"]},
    ],
    "guardrails": [{"metric": "conversion", "tolerated_percent": 5}],
}
RATE, BROKEN_RATE = 0.4, 0.1
"""The share of shoppers who buy, and that of a variant whose payment page fails."""
RUNS, THREADS, SHOPPERS_A_SECOND, HEALTHY_SECONDS, GOAL_SECONDS = 3, 10, 30, 30.0, 90.0
EMAIL, PASSWORD = "verify@example.com", "correct horse battery staple"
CSRF = re.compile(r'name="csrf" value="([^"]+)"')


class Shoppers:
    """Customers who each come once; `is_broken` makes those of one variant leave without a purchase."""

    def __init__(self, call: Call, seed: int, rates: tuple[float, float] = (RATE, BROKEN_RATE)) -> None:
        self._post = call
        self._random = Random(seed)
        self._seed = seed
        self._rate, self._broken_rate = rates
        self.is_broken = False
        self.visits = 0

    def visit(self) -> bool:
        """Ask and perhaps buy; return whether the shopper was in the experiment."""
        self.visits += 1
        request = {"placement": PLACEMENT, "customer_id": f"{self._seed}-{self.visits}", "context": {}}
        answer = self._post(DECISIONS, request)
        variants = [entry["variant"] for entry in answer["experiments"]]
        rate = self._broken_rate if self.is_broken and BROKEN in variants else self._rate
        if self._random.random() < rate:
            id, first = answer["decision_id"], answer["ranking"][0]["id"]
            bought = {"event_id": id, "decision_id": id, "type": "converted", "candidate_id": first}
            self._post(FEEDBACK, bought | {"amount": 5_000, "currency": "EUR"})
        return bool(variants)


def create_resources(call: Call) -> None:
    """Create the shop and start the experiment."""
    call("/v1/placements", {"key": PLACEMENT, "name": "Payment methods", "policy": {"type": "fixed"}})
    call(f"/v1/placements/{PLACEMENT}/candidates", [{"id": id, "label": id} for id in ("card", "paypal", "klarna")])
    call(EXPERIMENTS, EXPERIMENT)
    call(f"{EXPERIMENTS}/{ID}/start", {})


class Stop(NamedTuple):
    """Seconds from the break until the stop and until the last enrolment, and the pages with the reason."""

    stopped: float
    enrolled_until: float
    says_why: dict[str, bool]


def poster(client: httpx.Client) -> Call:
    """Return a function that posts and returns the answer's document."""

    def call(path: str, body: Any) -> Any:
        answer = client.post(path, json=body)
        answer.raise_for_status()
        return answer.json()

    return call


async def _merchant(folder: Path) -> str:
    engine = await open_engine(Settings(data=str(folder)))
    try:
        merchant, _ = await engine.accounts.add_merchant("shop", "Shop")
        await engine.team.add_user(EMAIL, "Verify", "shop", "admin", PASSWORD)
        return (await engine.accounts.create_key(merchant, "secret", "", actor_name="verify"))[1]
    finally:
        await engine.database.close()


def stop_of(seed: int) -> Stop:
    """Run a shop, break a variant, and wait until the experiment stops."""
    folder = Path(tempfile.mkdtemp(prefix="tap2-guardrail-"))
    key = asyncio.run(_merchant(folder))
    with Server((*TAP2, "serve"), folder, free_port(), {}) as server:
        address = f"http://127.0.0.1:{server.port}"
        with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {key}"}, timeout=30) as client:
            create_resources(poster(client))
            crowd = [Shoppers(poster(client), seed * THREADS + number) for number in range(THREADS)]
            ended, last_enrolled = threading.Event(), [0.0]
            threads = [threading.Thread(target=_shop, args=(each, ended, last_enrolled)) for each in crowd]
            for thread in threads:
                thread.start()
            try:
                time.sleep(HEALTHY_SECONDS)
                for each in crowd:
                    each.is_broken = True
                broken_at = time.monotonic()
                stopped = _wait(client, broken_at)
                time.sleep(5)
            finally:
                ended.set()
                for thread in threads:
                    thread.join()
            return Stop(stopped, last_enrolled[0] - broken_at, _says_why(client, address))


def _shop(shoppers: Shoppers, ended: threading.Event, last_enrolled: list[float]) -> None:
    began = time.monotonic()
    while not ended.is_set():
        asked_at = time.monotonic()
        if shoppers.visit():
            last_enrolled[0] = max(last_enrolled[0], asked_at)
        time.sleep(max(0.0, began + shoppers.visits * THREADS / SHOPPERS_A_SECOND - time.monotonic()))


def _wait(client: httpx.Client, broken_at: float) -> float:
    """Return the seconds since the break at which the experiment is stopped; infinite after twice the goal."""
    while (waited := time.monotonic() - broken_at) < 2 * GOAL_SECONDS:
        if client.get(f"{EXPERIMENTS}/{ID}").json()["status"]["state"] == "stopped":
            return waited
        time.sleep(0.25)
    return float("inf")


def _says_why(client: httpx.Client, address: str) -> dict[str, bool]:
    with httpx.Client(base_url=address, timeout=30) as browser:
        csrf = CSRF.search(browser.get("/admin/login").text)
        form = {"csrf": csrf[1] if csrf else "", "email": EMAIL, "password": PASSWORD, "next": ""}
        browser.post("/admin/login", data=form)
        page = unescape(browser.get(f"/admin/live/experiments/{PLACEMENT}/{ID}").text)
    return {
        "the page": REASON in page,
        "the audit log": REASON in client.get("/v1/audit").text,
        "the API": client.get(f"{EXPERIMENTS}/{ID}").json()["status"]["reason"] == REASON,
    }


def figures(runs: int = RUNS) -> list[Figure]:
    """Return the figures of `make verify`."""
    stops = [stop_of(seed) for seed in range(runs)]
    load = f"{SHOPPERS_A_SECOND} shoppers a second, conversion of a variant from {RATE:.0%} to {BROKEN_RATE:.0%}"
    seconds = ", ".join(f"{stop.stopped:.0f} s" for stop in stops)
    enrolled_until = ", ".join(f"{stop.enrolled_until:.0f} s" for stop in stops)
    explained = [name for name in stops[0].says_why if all(stop.says_why[name] for stop in stops)]
    return [
        (f"{load}: stopped after", f"under {GOAL_SECONDS:.0f} s", seconds),
        ("the last customer enrolled after", f"under {GOAL_SECONDS:.0f} s", enrolled_until),
        ("the reason stands in", "page, audit log, API", ", ".join(explained) or "none of them"),
    ]
