"""The shop that bench_server measures on: 8 methods, 50 rules, 40 facts, a million customers, a full log."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from benchmarks.speed.app import ANSWER
from benchmarks.speed.load import request
from engine.clock import now_ms
from engine.decisions.requests.answers import decision_id
from engine.model.actor import Actor
from engine.model.placement import Candidate, FieldDocument, Placement, RuleDocument
from engine.model.timestamps import DAY
from engine.service import Engine, open_engine
from engine.settings import Settings
from engine.store import decisions as log

CUSTOMERS = 1_000_000
DECISIONS = 100_000
METHODS = ("card", "paypal", "klarna", "sepa_debit", "ideal", "bancontact", "apple_pay", "google_pay")
COUNTRIES = ("DE", "NL", "BE", "FR", "AT", "GB")
PLACEMENT = "payment_methods"
EXTRA_FACTS = 24
RULES = 50
SAMPLES = 500
CHUNK = 2_000


async def prepare(folder: Path, *, customers: int = CUSTOMERS, decisions: int = DECISIONS) -> str:
    """Fill `folder` with a database; returns a secret key."""
    engine = await open_engine(Settings(data=str(folder)))
    await engine.start()
    try:
        merchant, _ = await engine.accounts.add_merchant("bench", "RuleContext")
        await configure(engine, merchant.id)
        _, key = await engine.accounts.create_key(merchant, "secret", "load", actor_name="bench")
        random = Random(1)
        names = [engine.hasher(merchant.id, customer) for customer in map(returning_customer, range(customers))]
        sample = await asyncio.gather(*(_decide(engine, merchant.id, random) for _ in range(SAMPLES)))
        (folder / ANSWER).write_bytes(sample[0])
        await engine.dictionary_trainer.train(now=now_ms())
        await _log(engine, merchant.id, names, decisions, random)
        await engine.index_customers()
    finally:
        await engine.stop()
    with sqlite3.connect(folder / "tap2.sqlite") as database:
        _write(database, "usage", _usage(merchant.id, names, random))
        _write(database, "statistics", _statistics(merchant.id, random))
    return key


async def _decide(engine: Engine, merchant_id: int, random: Random) -> bytes:
    (answer,) = await engine.decider.decide(merchant_id, (PLACEMENT,), None, context(random))
    return answer.body


async def configure(engine: Engine, merchant: int) -> None:
    fields = [FieldDocument(name=f"shop.f{number:02d}", type="integer") for number in range(EXTRA_FACTS)]
    placement = Placement(key=PLACEMENT, name="Payment methods", buckets=("device.type", "geo.country"))
    methods = [
        Candidate(id=method, label=method, type=method, position=position, fee_percent=1.5, fee_fixed=25)
        for position, method in enumerate(METHODS)
    ]
    await engine.catalogue.create(Actor(merchant, "bench"), "field", "", fields)
    await engine.catalogue.create(Actor(merchant, "bench"), "placement", "", [placement])
    await engine.catalogue.create(Actor(merchant, "bench"), "candidate", PLACEMENT, methods)
    await engine.catalogue.create(
        Actor(merchant, "bench"), "rule", PLACEMENT, [rule(number) for number in range(RULES)]
    )


def rule(number: int) -> RuleDocument:
    """Three to five comparisons each, over texts, money, numbers and lists; about one in eight fires."""
    method = METHODS[number % len(METHODS)]
    clauses: list[Any] = [
        {"==": [{"var": "geo.country"}, COUNTRIES[number % len(COUNTRIES)]]},
        {">": [{"var": "cart.total"}, 500 * number]},
        {"<": [{"var": f"shop.f{number % EXTRA_FACTS:02d}"}, 90]},
        {"in": [{"var": "device.os"}, ["ios", "macos", "windows"]]},
        {"!=": [{"var": "customer.segment"}, "blocked"]},
    ]
    effect: dict[str, Any] = {"boost": {"candidates": [method], "factor": 1.1}}
    if number % 10 == 0:
        effect = {"exclude": [METHODS[-1 - number // 10 % 3]]}
    elif number % 10 == 5:
        effect = {"set": {"name": f"flag_{number}", "value": True}}
    return RuleDocument(
        id=f"rule-{number}",
        name=f"Rule {number}",
        priority=number,
        when={"and": clauses[: 3 + number % 3]},
        effects=(effect,),
    )


def context(random: Random) -> dict[str, Any]:
    """Forty facts."""
    return {
        "cart": {
            "total": random.randrange(500, 40_000),
            "currency": "EUR",
            "items": random.randrange(1, 9),
            "categories": random.sample(["shoes", "books", "toys", "garden"], 2),
        },
        "geo": {"country": random.choice(COUNTRIES), "region": "BY", "position": [52.5, 13.4]},
        "device": {
            "type": random.choice(["mobile", "desktop", "tablet"]),
            "os": random.choice(["ios", "android", "windows"]),
            "app_version": "2.4.0",
        },
        "customer": {
            "returning": random.random() < 0.5,
            "segment": random.choice(["loyal", "new", "blocked"]),
            "since": "2024-05-01",
            "business": False,
            "locale": "de-DE",
        },
        "risk": {"score": round(random.uniform(0, 100), 1)},
        "shop": {f"f{number:02d}": random.randrange(100) for number in range(EXTRA_FACTS)},
    }


def returning_customer(number: int) -> str:
    return f"customer-{number:07d}"


def requests(path: str, key: str, count: int, *, customers: int = CUSTOMERS, seed: int = 2) -> list[bytes]:
    """Different requests for decisions; half of the customers have a history."""
    random = Random(seed)
    return [
        request("POST", path, {"placement": PLACEMENT, "customer_id": customer_id, "context": context(random)}, key=key)
        for customer_id in (customer(random, customers) for _ in range(count))
    ]


def customer(random: Random, customers: int) -> str:
    """Known or new, half and half."""
    if random.random() < 0.5:
        return returning_customer(random.randrange(customers))
    return f"new-{random.getrandbits(48):x}"


def _usage(merchant: int, names: list[str], random: Random) -> Iterator[tuple[Any, ...]]:
    """One to three days of purchases a customer, in the order of the key, so that the tree grows at its end."""
    today = now_ms() // DAY
    for name in sorted(names):
        for method in sorted(random.sample(METHODS, random.randint(1, 3))):
            yield merchant, name, PLACEMENT, method, today - random.randrange(90), random.randint(1, 4), 1


def _statistics(merchant: int, random: Random) -> Iterator[tuple[Any, ...]]:
    today = now_ms() // DAY
    for device in ("desktop", "mobile", "tablet"):
        for country in COUNTRIES:
            for method in METHODS:
                trials = random.randrange(200, 4_000)
                yield (
                    merchant,
                    PLACEMENT,
                    "converted",
                    f"{device}|{country}",
                    method,
                    0,
                    today,
                    trials,
                    random.randrange(trials // 2),
                    0,
                    0,
                    0,
                )


async def _log(engine: Engine, merchant: int, names: list[str], count: int, random: Random) -> None:
    """Log copies of real decisions, spread over ten days, closed, each under an id and a customer of its own."""
    async with engine.database.read() as connection:
        samples = await log.newest(connection, merchant, limit=SAMPLES)
    now = now_ms()
    for start in range(0, count, CHUNK):
        rows = []
        for number in range(start, min(start + CHUNK, count)):
            sample, timestamp = random.choice(samples), now - (count - number) * 10 * DAY // count
            id = decision_id(timestamp)
            changed = {"id": id, "customer": random.choice(names), "decided_at": timestamp, "closes_at": None}
            rows.append(msgspec.structs.replace(sample, **changed, answer=sample.answer.replace(sample.id, id)))
        async with engine.database.write() as connection:
            await log.append(connection, rows, engine.recorder.dictionaries)


def _write(database: sqlite3.Connection, table: str, rows: Iterator[tuple[Any, ...]]) -> None:
    first = next(rows)
    marks = ",".join("?" * len(first))
    with database:
        database.execute(f"INSERT INTO {table} VALUES ({marks})", first)
        database.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)


if __name__ == "__main__":
    import sys

    print(asyncio.run(prepare(Path(sys.argv[1]))))
