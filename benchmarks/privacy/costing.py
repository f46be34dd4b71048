"""The cost of preferences, consent and encryption for a decision: with them and without, in turn."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.privacy.world import AT_ONCE, SERVER, World, open_world, settings_of
from engine.model.documents.consent import ConsentRecord
from engine.model.documents.preferences import PreferenceChange

Figure = tuple[str, str, str]
PAIRS, DECISIONS_A_BATCH = 20, 1_000


async def figures(folder: Path) -> list[Figure]:
    """Return the throughput for customers with preferences and consent over that for customers without."""
    world = await open_world(settings_of(folder))
    with_wishes = [f"with {number}" for number in range(DECISIONS_A_BATCH)]
    without = [f"none {number}" for number in range(DECISIONS_A_BATCH)]
    for name in with_wishes:
        change = PreferenceChange(default_method="paypal", excluded=("ideal",), language="de")
        await world.engine.preferences.change(world.merchant_id, name, change, SERVER)
        record = ConsentRecord(method="save", purposes={"analytics": False})
        await world.engine.consents.record(world.merchant_id, name, record, SERVER)
    ratios = []
    for number in range(PAIRS):
        # Each goes first in every second pair, as the log grows.
        first, second = (with_wishes, without) if number % 2 else (without, with_wishes)
        seconds = {names is with_wishes: await _seconds(world, names) for names in (first, second)}
        ratios.append(seconds[False] / seconds[True])
    await world.engine.stop()
    share = statistics.median(ratios)
    return [
        ("throughput with preferences, consent and encryption, over that without", ">= 0.9",
         f"{share:.2f} ({min(ratios):.2f} to {max(ratios):.2f} in {PAIRS} pairs)"),
    ]  # fmt: skip


async def _seconds(world: World, names: Sequence[str]) -> float:
    """Return the processor time of a decision for each customer, in seconds."""
    began = time.process_time()
    for start in range(0, len(names), AT_ONCE):
        await asyncio.gather(*(world.decide(name) for name in names[start : start + AT_ONCE]))
    return time.process_time() - began
