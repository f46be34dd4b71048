"""Writers that start at once behind a barrier: no cap is exceeded, and each effect happens once."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from sqlalchemy.exc import DBAPIError

from engine.faults import is_temporary
from engine.kernel.offers import ledger
from engine.model.errors import Conflict
from engine.model.offers.hold import TOTAL, Balance, BalanceKey
from engine.offers.holds import Holds, Idempotency, taken
from engine.offers.verification import verify
from engine.store.connection.database import open_database, sqlite_url
from engine.store.offers import balances
from tests.offers import SHARED, add_merchant, check_nothing, make_hold, set_budget_caps

pytestmark = pytest.mark.anyio

PROCESSES, TASKS = 4, 8
"""Each process has connections of its own; here they share an event loop, and the database cannot tell."""


@pytest.fixture
async def databases(settings):
    databases = [open_database(settings.database_url or sqlite_url(settings.data)) for _ in range(PROCESSES)]
    await add_merchant(databases[0])
    yield databases
    for database in databases:
        await database.close()


async def race(databases, work):
    """Run `work(database, number)` in all tasks of all processes at once; return the results and errors by kind."""
    barrier = asyncio.Barrier(PROCESSES * TASKS)

    async def run(number):
        await barrier.wait()
        return await work(databases[number % PROCESSES], number)

    results = await asyncio.gather(*map(run, range(PROCESSES * TASKS)), return_exceptions=True)
    return Counter("taken" if not isinstance(each, BaseException) else type(each).__name__ for each in results), results


async def take_a_unit(database, number):
    return await Holds(database).take(make_hold(f"h{number}", amount=100, balances=(SHARED,)), now=0)


async def test_last_unit_is_given_once(databases):
    await set_budget_caps(databases[0], uses=1)
    counts, _ = await race(databases, take_a_unit)
    assert counts == {"taken": 1, "Conflict": PROCESSES * TASKS - 1}
    assert (await verify(databases[0], 1))[3:] == ((), (), ())


async def test_race_test_detects_a_missing_condition(databases, monkeypatch):
    monkeypatch.setattr(balances, "UNDER_THE_CAP", "")
    await set_budget_caps(databases[0], uses=1)
    counts, _ = await race(databases, take_a_unit)
    assert counts == {"taken": PROCESSES * TASKS}
    assert (await verify(databases[0], 1)).over_cap == (SHARED,)


async def test_an_amount_is_spent_to_the_last_unit_and_no_further(databases):
    await set_budget_caps(databases[0], amount=1_050)
    counts, _ = await race(databases, take_a_unit)
    assert counts == {"taken": 10, "Conflict": PROCESSES * TASKS - 10}


async def test_one_redemption_of_a_hold_succeeds(databases):
    await set_budget_caps(databases[0], amount=1_000)
    await Holds(databases[0]).take(make_hold(), now=0)

    async def redeem(database, number):
        def change(hold):
            return ledger.redeem(hold, discount=60, cart_total=600, order_id=str(number))

        return await Holds(database).change(1, "h", change, now=1)

    counts, _ = await race(databases, redeem)
    assert counts == {"taken": 1, "Conflict": PROCESSES * TASKS - 1}
    async with databases[0].read() as connection:
        assert await balances.read(connection, [SHARED]) == {SHARED: Balance(spent=60, spent_uses=1)}
    assert (await verify(databases[0], 1)).differences == ()


async def test_one_key_has_one_effect_and_one_answer(databases):
    await set_budget_caps(databases[0], amount=100_000)

    async def redeem(database, number):
        async def work(connection):
            return await taken(connection, ledger.take(make_hold(f"h{number}")), now=0)

        return await Holds(database).once(1, Idempotency("k", "r"), work, check=check_nothing, now=0)

    counts, results = await race(databases, redeem)
    assert counts == {"taken": PROCESSES * TASKS}
    assert len(set(results)) == 1
    assert (await verify(databases[0], 1)).holds == 1


async def test_budgets_in_any_order_wait_in_no_ring(databases):
    keys = [BalanceKey(1, name, TOTAL, "") for name in ("a", "b", "c")]
    for key in keys:
        await set_budget_caps(databases[0], key.budget, amount=1_000)

    async def work(database, number):
        order = tuple(keys[(number + step) % 3] for step in range(3))
        hold = await Holds(database).take(make_hold(f"h{number}", amount=10, balances=order), now=0)
        try:
            await Holds(database).change(1, hold.id, ledger.release, now=0)
        except Conflict:
            pytest.fail("nobody else changes this hold")

    counts, results = await race(databases, work)
    assert counts == {"taken": PROCESSES * TASKS}, results
    async with databases[0].read() as connection:
        assert set((await balances.read(connection, keys)).values()) == {Balance()}


async def test_a_key_in_flight_for_long_is_a_conflict(databases, database_kind):
    if database_kind == "sqlite":
        pytest.skip("SQLite has one writer, whose turn is waited for before any key")
    first, second = (Holds(database) for database in databases[:2])
    claimed, may_end = asyncio.Event(), asyncio.Event()

    async def wait(_connection):
        claimed.set()
        await may_end.wait()
        return make_hold()

    slow = asyncio.create_task(first.once(1, Idempotency("k", "r"), wait, check=check_nothing, now=0))
    await claimed.wait()
    with pytest.raises(Conflict, match="in progress"):
        await second.once(1, Idempotency("k", "r"), wait, check=check_nothing, now=0)
    may_end.set()
    assert await slow == await second.once(1, Idempotency("k", "r"), wait, check=check_nothing, now=0) == make_hold()


async def test_a_budget_that_is_locked_for_long_is_no_conflict(databases, database_kind):
    if database_kind == "sqlite":
        pytest.skip("SQLite has one writer, whose turn is waited for before any balance")
    await set_budget_caps(databases[0], amount=1_000)
    await Holds(databases[0]).take(make_hold(), now=0)

    async def work(connection):
        return await taken(connection, ledger.take(make_hold("other")), now=0)

    async with databases[1].write() as connection:
        await balances.lock(connection, [SHARED])
        with pytest.raises(DBAPIError) as fault:
            await Holds(databases[0]).once(1, Idempotency("k", "r"), work, check=check_nothing, now=0)
    assert is_temporary(fault.value)
    assert (await Holds(databases[0]).once(1, Idempotency("k", "r"), work, check=check_nothing, now=0)).id == "other"
