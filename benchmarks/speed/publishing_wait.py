"""The delay of the event loop by publishing, in CPU time of its own process.

What else the machine does meanwhile hardly counts, unlike where decisions are timed on the clock.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from engine.model.actor import Actor
from engine.model.placement import Candidate, Placement, RuleDocument
from engine.service import Engine, open_engine
from engine.settings import Settings
from web.http.process import tune

PLACEMENT = "payment_methods"
TICK = 0.001


async def waits(rules: list[Any], changed: list[Any], *, methods: tuple[str, ...]) -> list[float]:
    """Seconds of CPU that passed until the loop went on after a short sleep, while changed rules are published."""
    waits_seen: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        async with _shop(folder, rules, methods) as (engine, merchant):
            listening = asyncio.create_task(_listen(waits_seen))
            for document in changed:
                await _publish(engine, merchant, msgspec.convert(document, RuleDocument))
            listening.cancel()
    return waits_seen


@asynccontextmanager
async def _shop(folder: str, rules: list[Any], methods: tuple[str, ...]) -> AsyncIterator[tuple[Engine, int]]:
    engine = await open_engine(Settings(data=folder))
    merchant, _ = await engine.accounts.add_merchant("shop", "Shop")
    catalogue, actor_name = engine.catalogue, "benchmark"
    await catalogue.create(
        Actor(merchant.id, actor_name), "placement", "", [Placement(key=PLACEMENT, name="Payment methods")]
    )
    await catalogue.create(
        Actor(merchant.id, actor_name), "candidate", PLACEMENT, [Candidate(id=name, label=name) for name in methods]
    )
    await catalogue.create(
        Actor(merchant.id, actor_name), "rule", PLACEMENT, msgspec.convert(rules, list[RuleDocument])
    )
    tune()
    try:
        yield engine, merchant.id
    finally:
        await engine.stop()


async def _publish(engine: Engine, merchant: int, rule: RuleDocument) -> None:
    await engine.drafts.save(Actor(merchant, "benchmark"), PLACEMENT, rule, revision=None)
    draft = await engine.drafts.get(merchant, PLACEMENT)
    await engine.releases.publish(Actor(merchant, "benchmark"), PLACEMENT, revision=draft.head.revision, reason="")


async def _listen(waits_seen: list[float]) -> None:
    while True:
        before = time.process_time()
        await asyncio.sleep(TICK)
        waits_seen.append(max(0.0, time.process_time() - before - TICK))
