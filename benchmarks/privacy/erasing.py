"""Erase 100 of 10,000 customers, and compare all data with that before them."""

from __future__ import annotations

import base64
import shutil
import sqlite3
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from bandits.choice.observations import NOTHING
from benchmarks.privacy.traces import PROOFS, contents, count_words, rows_naming
from benchmarks.privacy.world import BANNER, OFFERS, PAYMENT, World, open_world, settings_of
from engine.clock import now_ms
from engine.customers.erasure import SWEEP_AFTER_MS
from engine.decisions import rebuild
from engine.decisions.replay import replay
from engine.kernel.contextual_beliefs import ContextualBeliefs
from engine.learning.choice_learner import ChoiceLearner, update_choices
from engine.learning.online_learner import update_state
from engine.model.scope import Scope
from engine.service import open_engine
from engine.store.connection.database import SQLITE_FILE
from web.customer_files import export_zip

Figure = tuple[str, str, str]
CUSTOMERS, ERASED, REPLAYED = 10_000, 100, 1_000
CUSTOMER_NAME = "person-{}@example.com"
PLAIN = ("person-", "example.com", "rotweiss")
CHANGES_ANYWAY = {"erasures", "lessons", "rule_fired", "fits", "beliefs", "leases", "outbox", "decision_times"}
"""Tables with a proof of the erasure, with what cancels out, with times of what happened last, with events of nobody,
and with how many answers took how long."""
ACCOUNTS = {"holds", "ledger", "budget_balances", "offer_codes"}
"""Accounts of offers stay, under a random name; nothing else of an erased customer does."""


class Models(NamedTuple):
    """The weights of both models, learned from the whole log."""

    contextual: np.ndarray[Any, np.dtype[np.float64]]
    choice: np.ndarray[Any, np.dtype[np.float64]]


class ReceiptTime(NamedTuple):
    """The seconds until an erasure's receipt, and those of the processor."""

    seconds: float
    processor: float


async def figures(folder: Path) -> list[Figure]:
    """Return receipts, traces, and the agreement with a world that never saw the erased."""
    world = await open_world(settings_of(folder / "shop"))
    names = [CUSTOMER_NAME.format(number) for number in range(CUSTOMERS)]
    kept, gone = names[ERASED:], names[:ERASED]
    await world.shop_around(kept)
    # As the job does, also of those who stay: not between the two looks at the tables.
    await world.engine.index_customers()
    before, models = await _tidy(world), await learned(world)
    await world.shop_around(gone)
    backup = _back_up(folder)
    receipts = await _erase(world, gone)
    seconds, used = ([receipt[side] * 1e3 for receipt in receipts] for side in (0, 1))
    await world.engine.supervisor.add_up()
    after, models_after = await contents(world.engine.database), await learned(world)
    hashes = _hashes(world, gone)
    differing = _differing(before, after)
    rows = [
        (f"erasing {ERASED} of {CUSTOMERS:,} customers: slowest receipt", "< 1 s", f"{max(seconds):.0f} ms"),
        ("median receipt", "", f"{statistics.median(seconds):.0f} ms"),
        ("processor time of a receipt: median, most", "", f"{statistics.median(used):.0f} ms, {max(used):.0f} ms"),
        ("rows that name an erased customer, beside the proof", "0", str(_naming(after, hashes))),
        ("exports of erased customers with anything but requests", "0", str(await _exports(world, gone))),
        ("tables that differ from the world before they came", "none", ", ".join(sorted(differing)) or "none"),
        ("sums that differ from the log", "0", str(len(await rebuild.compare(world.engine.database)))),
        ("weights of the model that reads facts, largest difference", "<= 1e-12", _distance(models, models_after, 0)),
        ("weights of the model of choices, largest difference", "<= 1e-12", _distance(models, models_after, 1)),
        (f"of {REPLAYED:,} decisions of others, replays that differ", "0", str(await _replays(world, kept))),
    ]  # fmt: skip
    await world.engine.stop()
    rows.append(("plain ids, addresses or wishes in the files of the database", "0", _words(folder / "shop")))
    return rows + await _restored(folder, backup, world, gone)


async def _erase(world: World, customers: Sequence[str]) -> list[ReceiptTime]:
    receipts = []
    for name in customers:
        began, used = time.perf_counter(), time.process_time()
        await world.engine.eraser.erase(world.merchant_id, name, suppress=False)
        receipts.append(ReceiptTime(time.perf_counter() - began, time.process_time() - used))
    await world.engine.eraser.sweep(now=now_ms() + 2 * SWEEP_AFTER_MS)
    return receipts


async def _tidy(world: World) -> dict[str, list[str]]:
    """Return the rows of every table without zero sums, which an erasure removes."""
    await world.engine.eraser.erase(world.merchant_id, "nobody", suppress=False)
    return await contents(world.engine.database)


def _hashes(world: World, customers: Sequence[str]) -> list[str]:
    hasher = world.engine.hasher
    return [hasher(world.merchant_id, id) for name in customers for id in (name, f"device of {name}")]


def _naming(tables: dict[str, list[str]], hashes: Sequence[str]) -> int:
    return rows_naming(tables, hashes, leaving_out=PROOFS)


def _differing(before: dict[str, list[str]], after: dict[str, list[str]]) -> set[str]:
    return {name for name in before.keys() - CHANGES_ANYWAY - ACCOUNTS if before[name] != after[name]}


def _back_up(folder: Path) -> Path:
    """Copy the database as the guide describes."""
    copy = folder / "backup.sqlite"
    with sqlite3.connect(folder / "shop" / SQLITE_FILE) as source, sqlite3.connect(copy) as target:
        source.backup(target)
    return copy


async def learned(world: World) -> Models:
    """Learn both models from the first observation on."""
    engine, now = world.engine, now_ms()
    await engine.live.refresh(at_once=True)
    banner, payment = (engine.live.get(world.merchant_id, key) for key in (BANNER, PAYMENT))
    assert banner is not None
    assert payment is not None
    beliefs = banner.beliefs_for("")
    assert isinstance(beliefs, ContextualBeliefs)
    scope = Scope(world.merchant_id, BANNER, banner.plan.placement.reward)
    weights, _ = await update_state(
        engine.database, scope, beliefs.encoding, None, {}, placement=banner.plan.placement, now=now
    )
    scope = Scope(world.merchant_id, PAYMENT, payment.plan.placement.reward)
    learner = ChoiceLearner(payment.plan.ids, None, payment.plan.placement, None)
    choices, _ = await update_choices(engine.database, scope, learner, NOTHING, now=now)
    factors = [base64.b64decode(text) for _, text in sorted(weights.factors.items())]
    return Models(
        np.concatenate([np.frombuffer(each, np.float64) for each in factors]),
        np.frombuffer(base64.b64decode(choices.mean), np.float32).astype(np.float64),
    )


def _distance(before: Models, after: Models, number: int) -> str:
    first, second = before[number], after[number]
    if first.shape != second.shape:
        return f"{first.shape} and {second.shape} numbers"
    return f"{float(np.max(np.abs(first - second), initial=0.0)):.2g} of {first.size:,} numbers"


async def _exports(world: World, customers: Sequence[str]) -> int:
    """Return how many erased customers' exports still have rows beside their requests."""
    count = 0
    for name in customers:
        sections = await world.engine.customer_export.sections(world.merchant_id, name)
        export_zip(sections, exported_at="")
        tables = ("preferences", "requests")
        count += any(section.rows for section in sections if section.name not in tables)
    return count


async def _replays(world: World, customers: Sequence[str]) -> int:
    different = 0
    for name in customers[: REPLAYED // 2]:
        for row in await world.engine.logbook.search(world.merchant_id, customer_id=name, limit=2):
            if row.row.placement != OFFERS:
                different += not (await replay(world.engine.database, row.row)).same
    return different


def _words(folder: Path) -> str:
    count, size = count_words(folder, PLAIN)
    return f"{count} in {size / 1e6:.0f} MB"


async def _restored(folder: Path, backup: Path, world: World, gone: Sequence[str]) -> list[Figure]:
    """Open the older backup with the ledger of erasures; look before and after it is ready to serve."""
    target = folder / "restored"
    target.mkdir()
    shutil.copy(backup, target / SQLITE_FILE)
    for file in (folder / "shop").iterdir():
        if not file.name.startswith(SQLITE_FILE) and file.is_file():
            shutil.copy(file, target / file.name)
    engine = await open_engine(msgspec.structs.replace(world.engine.settings, data=str(target)))
    hashes = _hashes(world, gone)
    before = _naming(await contents(engine.database), hashes)
    began = time.perf_counter()
    await engine.start(with_jobs=False)
    seconds = time.perf_counter() - began
    after = _naming(await contents(engine.database), hashes)
    differences = await rebuild.compare(engine.database)
    await engine.stop()
    return [
        ("restored from an older backup: rows that name them, before it serves", "0", f"{after} (were {before:,})"),
        ("sums that differ from the log then", "0", str(len(differences))),
        ("from the start until it serves", "", f"{seconds:.1f} s"),
    ]  # fmt: skip
