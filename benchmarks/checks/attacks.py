"""Attacks with a publishable key, by raw HTTP against a started server, on other visitors.

`python -m benchmarks.verify attacks`. Two merchants; the attacker has the key that stands in the first one's page.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.process import TAP2, Server, free_port
from engine.service import open_engine
from engine.settings import Settings

Figure = tuple[str, str, str]
Json = dict[str, Any]

METHODS = ("card", "paypal", "sepa")
DECISIONS, FEEDBACK = "/v1/personalize/decisions", "/v1/personalize/feedback"
GENUINE, FAKES, FLOOD_SECONDS = 300, 1_000, 10.0


class Client:
    """Speaks HTTP with one key over one connection."""

    def __init__(self, port: int, key: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        self._connection.request("POST", path, json.dumps(body), self._headers)
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null")

    def decide(self, **more: Any) -> Json:
        status, answer = self.post(DECISIONS, {"placement": "payment_methods", "context": {}, **more})
        assert status == 200, answer
        document: Json = answer
        return document


async def open_merchants(folder: Path) -> dict[str, str]:
    """Make two merchants; return their keys by name."""
    keys: dict[str, str] = {}
    engine = await open_engine(Settings(data=str(folder)))
    for slug in ("one", "two"):
        merchant, _ = await engine.accounts.add_merchant(slug, slug)
        for kind in ("secret", "publishable"):
            _, keys[f"{slug} {kind}"] = await engine.accounts.create_key(merchant, kind, "", actor_name="verify")  # type: ignore[arg-type]
    await engine.database.close()
    return keys


def create_examples(shop: Client) -> None:
    for path, body in (
        ("/v1/placements", {"key": "payment_methods", "name": "Payment methods", "window_minutes": 1}),
        ("/v1/placements/payment_methods/candidates", [{"id": id, "label": id, "type": id} for id in METHODS]),
    ):
        status, answer = shop.post(path, body)
        assert status == 201, answer


def _trade(shop: Client) -> None:
    """Report genuine purchases: most visitors pay by card."""
    for number in range(GENUINE):
        decision = shop.decide()
        paid = "card" if number % 10 < 7 else decision["ranking"][0]["id"]
        outcome = {"event_id": f"order-{number}", "decision_id": decision["decision_id"], "type": "converted"}
        shop.post(FEEDBACK, {**outcome, "candidate_id": paid, "amount": 5_000, "currency": "EUR"})


def _chances(shop: Client) -> dict[str, float]:
    time.sleep(3)
    return {ranked["id"]: ranked["confidence"] for ranked in shop.decide()["ranking"]}


def _poison(attacker: Client) -> dict[str, int]:
    """Say for sepa all that a browser can, on decisions of its own; return the statuses of the reports."""
    statuses: dict[str, int] = {}
    for number in range(FAKES // 4):
        decision = attacker.decide()
        base = {"decision_id": decision["decision_id"], "token": decision["token"], "candidate_id": "sepa"}
        items = [{**base, "event_id": f"{type}-{number}", "type": type} for type in ("shown", "selected")]
        items.append({**base, "event_id": f"order-{9000 + number}", "type": "converted", "amount": 2**53})
        items.append({"event_id": f"free-{number}", "customer_id": "victim", "method_id": "sepa"})
        for receipt in attacker.post(FEEDBACK, items)[1]["results"]:
            statuses[receipt["status"]] = statuses.get(receipt["status"], 0) + 1
    return statuses


def _waits(client: Client, seconds: float) -> tuple[list[float], int]:
    """Decide for some seconds; return how long each took in ms, and how many were fallbacks."""
    waits, fallbacks, end = [], 0, time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        fallbacks += client.decide()["fallback"]
        waits.append(1_000 * (time.perf_counter() - began))
        time.sleep(0.02)
    return waits, fallbacks


def _flood(port: int, key: str, stop: threading.Event) -> None:
    """Report lists of 500 on one decision, five a second: two of these take all that the default rate allows."""
    attacker = Client(port, key)
    decision, number = attacker.decide(), 0
    while not stop.is_set():
        number += 1
        base = {"decision_id": decision["decision_id"], "type": "shown", "token": decision.get("token")}
        attacker.post(FEEDBACK, [{**base, "event_id": f"{number}-{item}"} for item in range(500)])
        time.sleep(0.2)


def figures() -> list[Figure]:
    """Start a server and attack it; return the table's rows."""
    folder = Path(tempfile.mkdtemp(prefix="tap2-attacks-"))
    keys = asyncio.run(open_merchants(folder))
    port = free_port()
    # Without a limit on requests, so that the figures are those of the attack itself.
    server = Server((*TAP2, "serve"), folder, port, {"TAP2_PUBLIC_RATE": "1000000/minute"})
    server.start()
    try:
        first, second = Client(port, keys["one secret"]), Client(port, keys["two secret"])
        attacker = Client(port, keys["one publishable"])
        create_examples(first)
        create_examples(second)
        rows = [*_of_ids(first, attacker), *_of_past(first, attacker)]
        return [*_of_flood(port, keys, second), *_of_poison(first, attacker), *rows]
    finally:
        server.kill()


def _of_flood(port: int, keys: dict[str, str], other: Client) -> list[Figure]:
    before, _ = _waits(other, 3)
    stop = threading.Event()
    floods = [threading.Thread(target=_flood, args=(port, keys["one publishable"], stop)) for _ in range(2)]
    for flood in floods:
        flood.start()
    during, fallbacks = _waits(other, FLOOD_SECONDS)
    stop.set()
    for flood in floods:
        flood.join()
    quiet, loud = statistics.median(before), statistics.median(during)
    return [
        ("flood on one decision: another merchant's fallbacks", "0", f"{fallbacks} of {len(during)}"),
        (
            "its decisions, p50 before and during",
            "at most 1.5 times",
            f"{quiet:.1f} ms, {loud:.1f} ms ({loud / quiet:.1f})",
        ),
    ]


def _of_poison(shop: Client, attacker: Client) -> list[Figure]:
    _trade(shop)
    before = _chances(shop)
    statuses = _poison(attacker)
    after = _chances(shop)
    moved = max(abs(after[id] - before[id]) for id in METHODS)
    shown = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
    return [(f"{FAKES} events of a browser: largest move of a chance", "at most 0.05", f"{moved:.3f} ({shown})")]


def _of_ids(shop: Client, attacker: Client) -> list[Figure]:
    mine, real = attacker.decide(), shop.decide()
    squat = {"event_id": "order-5001", "decision_id": mine["decision_id"], "type": "shown", "token": mine["token"]}
    attacker.post(FEEDBACK, squat)
    purchase = {"event_id": "order-5001", "decision_id": real["decision_id"], "type": "converted"}
    _, answer = shop.post(FEEDBACK, {**purchase, "candidate_id": "card", "amount": 5_000, "currency": "EUR"})
    return [("a purchase whose id a browser took before", "recorded", answer["results"][0]["status"])]


def _of_past(shop: Client, attacker: Client) -> list[Figure]:
    for number in range(6):
        shop.post(FEEDBACK, {"event_id": f"past-{number}", "customer_id": "alice", "method_id": "card"})
    answer = json.dumps(attacker.decide(customer_id="alice"))
    leaks = [word for word in ("purchases", "reasons", "rules", "skipped", "history") if word in answer]
    status, _ = attacker.post(f"{DECISIONS}?explain=true", {"placement": "payment_methods"})
    return [
        ("a guessed customer: words of the past or of rules", "none", ", ".join(leaks) or "none"),
        ("`explain` with a publishable key", "403", str(status)),
    ]
