"""Open the log that `benchmarks.fixture.make` wrote, with the clock at its end, and collect its results.

The maker and the test use the same functions, which call the service and name no column of a table.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import secrets
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec

from engine.decisions.rebuild import by_candidate, compare, fold_log
from engine.model.actor import Actor
from engine.previews.previews import Period
from engine.service import Engine, open_engine
from engine.settings import Settings
from engine.store.folds import FOLDS, OBSERVATIONS
from tests.shop import Shop
from web.app import create_app
from web.openapi.document import document

FOLDER = Path(__file__).parent / "fixtures"
DATABASE = FOLDER / "before.sql.gz"
EXPECTED = FOLDER / "before.json.gz"
OPENAPI = FOLDER / "openapi.json"

SLUG = "before"
CUSTOMER_KEY = "hashes customers of the fixture alone"
END = 1_795_176_000_000
"""The moment of the last decision, 2026-11-20T12:00:00Z in epoch milliseconds: previews were started then too."""
MINUTE = 60_000
DIFFERENT_EACH_TIME = ("seconds",)
"""The fields of a preview's result that depend on the machine that it ran on: how long the preview took."""
COUNTED_SINCE = ("withdrawn",)
"""The fields that a preview's result did not have when the fixture was made."""
BY_CUSTOMER = ("low", "high", "refused")
"""The fields of a preview's effect that took all decisions as independent when the fixture was made."""
BY_BINDING = ("touched", "earned", "value", "effective_sample")
"""The fields of a preview's effect that also counted decisions whose boosted candidates were hidden anyway."""
BY_AMOUNT = ("earned", "value", "unknown", "bounded")
"""The fields of a preview's effect that counted purchases instead of revenue when the fixture was made."""

Json = dict[str, Any]


@dataclass
class Clock:
    """Hold the time that the engine reads, in epoch milliseconds."""

    now: int


@contextmanager
def frozen(now: int, *, seed: int) -> Iterator[Clock]:
    """Stop time where the clock is set, and draw ids from a seed.

    Only names of the standard library are patched, so the engine's modules may move. Libraries keep their own
    randomness: numba names the files of an empty cache by it, which must not change the engine's ids.
    """
    clock, generator = Clock(now), random.Random(seed)

    def seeded(original: Callable[[int], bytes]) -> Callable[[int], bytes]:
        return lambda size: generator.randbytes(size) if _is_called_by_engine() else original(size)

    with (
        patch("time.time_ns", lambda: clock.now * 1_000_000),
        patch("os.urandom", seeded(os.urandom)),
        patch("secrets.token_bytes", seeded(secrets.token_bytes)),
    ):
        yield clock


KEYS = ("engine.accounts.data_keys", "engine.accounts.master_keys")
"""Modules that draw keys of an installation, which must not change the ids either."""


def _is_called_by_engine() -> bool:
    """Return whether a module of the engine, on the main thread, called the patched function, perhaps by `secrets`."""
    caller = sys._getframe(2)
    while caller.f_back and caller.f_globals["__name__"] == "secrets":
        caller = caller.f_back
    name = caller.f_globals["__name__"]
    by_engine = name.startswith("engine.") and name not in KEYS
    return by_engine and threading.current_thread() is threading.main_thread()


def settings(folder: Path) -> Settings:
    """Return settings for the fixture in a data folder; no decision may fall back because the machine is slow."""
    return Settings(data=str(folder), customer_key=CUSTOMER_KEY, decision_timeout_ms=60_000)


def dump(folder: Path) -> bytes:
    """Return the database of a data folder as compressed SQL; the same rows give the same bytes."""
    connection = sqlite3.connect(folder / "tap2.sqlite")
    try:
        return gzip.compress("\n".join(connection.iterdump()).encode(), 9, mtime=0)
    finally:
        connection.close()


def load(packed: bytes, folder: Path) -> None:
    """Write the database of a dump into a data folder."""
    connection = sqlite3.connect(folder / "tap2.sqlite")
    try:
        connection.executescript(gzip.decompress(packed).decode())
    finally:
        connection.close()


async def open_log(packed: bytes, folder: Path) -> Engine:
    """Load a dump, bring it to the newest schema, and open an engine on it, whose jobs do not run."""
    load(packed, folder)
    return await open_engine(settings(folder))


async def shop_of(engine: Engine) -> Shop:
    """Return the merchant of the fixture."""
    return Shop(engine, await engine.accounts.merchant(SLUG))


async def replays(engine: Engine) -> dict[str, Json]:
    """Replay every decision; return by id the SHA-256 of the logged and of the new answer, and whether they agree.

    The new answer comes decoded; encoding it gives back its exact bytes.
    """
    merchant, result, last = (await shop_of(engine)).id, {}, None
    while page := await engine.logbook.search(merchant, before_id=last, limit=500):
        for logged in page:
            last = logged.row.id
            again = await engine.logbook.replay(merchant, last)
            digests = {"logged": digest(logged.row.answer.encode()), "again": digest(encoded(again.replayed))}
            result[last] = {**digests, "same": again.same}
    return result


async def sums(engine: Engine) -> dict[str, list[list[Any]]]:
    """Fold the whole log; return the sums by table, each row as its key and its values, ordered by key."""
    async with engine.database.snapshot() as connection:
        folded = await fold_log(connection)
    tables = {each.name: by_candidate(each, folded) for each in (*FOLDS, OBSERVATIONS)}
    return {name: [[*cell, *values] for cell, values in sorted(rows.items())] for name, rows in tables.items()}


async def differences(engine: Engine) -> list[Any]:
    """Compare the stored sums with the log, as `tap2 beliefs rebuild --check` does."""
    return list(await compare(engine.database))


async def preview_of(engine: Engine, id: str) -> Json:
    """Return what a preview tried, its period, and its result as the JSON text that is stored."""
    result = await engine.previews.get((await shop_of(engine)).id, id)
    assert (result.state, result.problem) == ("done", ""), result
    request = {
        "placement": result.placement,
        "since": result.since,
        "until": result.until,
    }
    return {**request, "result": encoded(result.result).decode()}


async def try_draft(engine: Engine, *, placement: str, since: int, until: int, without: str) -> str:
    """Run a preview of a placement's draft to its end; return its id.

    The draft is tried as plans were when the log was made: without a currency of amounts.
    """
    merchant = (await shop_of(engine)).id
    _, document = await engine.drafts.plan(merchant, placement)
    rules = tuple(rule for rule in document.rules if rule.id != without)
    old = msgspec.structs.replace(document, rules=rules, currency=None)
    started = await engine.previews.start(Actor(merchant, "tester"), old, Period(since, until))
    return (await engine.previews.finish(merchant, started.id)).id


def comparable(result: str) -> str:
    """Return a preview's result without the fields that differ each time or were counted otherwise."""
    fields = json.loads(result)
    ignored = BY_CUSTOMER + BY_AMOUNT * (fields["reward"] == "revenue") + BY_BINDING * (fields["reward"] == "margin")
    fields["effect"] = {name: value for name, value in fields["effect"].items() if name not in ignored}
    ignored = DIFFERENT_EACH_TIME + COUNTED_SINCE
    return json.dumps({name: value for name, value in fields.items() if name not in ignored})


async def continue_log(engine: Engine, clock: Clock, *, rounds: int = 4) -> list[str]:
    """Fit, refresh the beliefs, decide and report again; return the SHA-256 of each new answer."""
    shop, generator, digests = await shop_of(engine), random.Random(7), []
    engine.recorder.start()
    await engine.follow()
    keys = sorted(engine.live.placements(shop.id))
    for number in range(rounds):
        clock.now += 30 * MINUTE
        await engine.recorder.close_due(clock.now)
        await engine.fit()
        await engine.live.refresh(at_once=True)
        for visit in range(8):
            clock.now += MINUTE // 2
            context = {
                "cart": {
                    "total": generator.randrange(500, 30_000),
                    "currency": "EUR",
                    "items": generator.randrange(1, 6),
                },
                "geo": {"country": generator.choice(("DE", "NL", "FR"))},
                "device": {"type": generator.choice(("desktop", "mobile"))},
                "customer": {"returning": visit % 2 == 0},
            }
            customer = f"customer_{generator.randrange(20)}"
            answers = await engine.decider.decide(shop.id, keys, customer, context)
            digests += [digest(answer.body) for answer in answers]
            for answer in answers:
                ids = [ranked.id for ranked in answer.decision.ranking]
                if ids and generator.random() < 0.7:
                    event = f"later_{number}_{answer.decision.decision_id}"
                    await shop.report(answer, "converted", generator.choice(ids[:3]), event=event, amount=4_200)
    return digests


def openapi(folder: Path) -> str:
    """Return the OpenAPI document that the app serves, with sorted keys."""
    result = document(create_app(settings(folder)))
    return json.dumps(result, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


encoded: Callable[[Any], bytes] = msgspec.json.encode


def digest(text: bytes) -> str:
    """Return the SHA-256 in hex."""
    return hashlib.sha256(text).hexdigest()
