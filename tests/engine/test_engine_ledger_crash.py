"""Workers that are killed while they spend a budget: an independent reader never sees a cap exceeded."""

from __future__ import annotations

import asyncio
import random
from multiprocessing.synchronize import Event
from typing import Any

import pytest

from engine.kernel.offers import ledger
from engine.model.errors import EngineError
from engine.model.offers.hold import TOTAL, BalanceKey
from engine.offers.holds import Holds
from engine.offers.verification import verify
from engine.store.connection.database import open_database, sqlite_url
from engine.store.offers import balances
from tests.offers import SHARED, add_merchant, make_hold, set_budget_caps
from tests.processes import PROCESSES

pytestmark = pytest.mark.anyio

WORKERS, ROUNDS, CAP = 3, 2, 5_000
ENOUGH = 25
"""So many grants of each worker before it is killed."""


def spend(url: str, name: str, progress: Any) -> None:
    """Take, redeem, release and expire holds until killed, with a clock that jumps."""
    asyncio.run(_spend(url, name, progress))


async def _spend(url: str, name: str, progress: Any) -> None:
    database, chance, number = open_database(url), random.Random(name), 0
    service = Holds(database)
    keys = (SHARED, BalanceKey(1, "once", TOTAL, name))
    while True:
        number += 1
        # An hour forth or back, as a clock that is set anew.
        now = chance.choice((0, 3_600_000, -3_600_000)) + number
        hold = make_hold(f"{name}-{number}", amount=chance.randrange(1, 400), balances=keys, expires_at=now + 10)
        try:
            await service.take(hold, now=now)
            await _end(service, hold.id, chance, now)
        except EngineError:
            await service.expire_due(now=now)
        except Exception:
            # The database may be busy with the others; nothing was stored.
            await asyncio.sleep(0.01)
            continue
        with progress.get_lock():
            progress.value += 1


async def _end(service: Holds, hold_id: str, chance: random.Random, now: int) -> None:
    """Redeem, refund or release a hold, or leave it to expire."""
    match chance.randrange(4):
        case 0:
            await service.change(1, hold_id, ledger.release, now=now)
        case 1:
            await service.change(1, hold_id, redeemed_and_refunded, now=now)
        case 2:
            await service.change(1, hold_id, redeemed, now=now)


def redeemed(hold: Any) -> ledger.Transition:
    return ledger.redeem(hold, discount=min(3, hold.amount), cart_total=1_000, order_id="")


def redeemed_and_refunded(hold: Any) -> ledger.Transition:
    first = redeemed(hold)
    second = ledger.refund(first.hold, amount=1_000)
    return ledger.Transition(second.hold, (*first.movements, *second.movements))


async def watch(database: Any, ended: Event) -> int:
    """Read the balance until stopped; return the number of reads, and fail if it is over the cap."""
    looks = 0
    while not ended.is_set():
        async with database.read() as connection:
            balance = (await balances.read(connection, [SHARED])).get(SHARED)
        assert balance is None or balance.held + balance.spent <= CAP
        looks += 1
        await asyncio.sleep(0.02)
    return looks


async def killed_after(url: str, names: list[str]) -> None:
    """Run workers until each of them together did enough, and kill them where they are."""
    progress = PROCESSES.Value("q", 0)
    workers = [PROCESSES.Process(target=spend, args=(url, name, progress), daemon=True) for name in names]
    for worker in workers:
        worker.start()
    try:
        async with asyncio.timeout(120):
            while progress.value < ENOUGH * len(workers):
                assert any(worker.is_alive() for worker in workers)
                await asyncio.sleep(0.02)
    finally:
        for worker in workers:
            worker.kill()
        for worker in workers:
            await asyncio.to_thread(worker.join)


async def test_killed_workers_never_overspend(settings):
    url = settings.database_url or sqlite_url(settings.data)
    database, ended = open_database(url), PROCESSES.Event()
    await add_merchant(database)
    await set_budget_caps(database, amount=CAP)
    await set_budget_caps(database, "once", uses=10**9)
    watcher = asyncio.create_task(watch(database, ended))
    for number in range(ROUNDS):
        await killed_after(url, [f"{number}-{worker}" for worker in range(WORKERS)])
    ended.set()
    assert await watcher > 10
    verification = await verify(database, 1)
    assert (verification.differences, verification.over_cap) == ((), ())
    assert verification.holds >= ENOUGH
    await database.close()
