"""The ledger's rules and its tables: every movement balances, every cap holds, and all three accounts agree."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import insert, update
from sqlalchemy.exc import IntegrityError

from engine.kernel.offers import ledger
from engine.kernel.offers.availability import too_little
from engine.model.errors import Conflict, EngineError, Invalid, KeyReused, NotFound
from engine.model.offers.hold import ACCOUNTS, Balance, BalanceKey, Cap, Hold, LedgerFilter
from engine.offers.holds import Holds, Idempotency
from engine.offers.verification import differences_of, verify
from engine.store import tables
from engine.store.connection.database import open_database, sqlite_url
from engine.store.offers import balances, entries, holds
from engine.store.offers.caps import set_caps
from tests.offers import SHARED, add_merchant, check_nothing, make_hold, set_budget_caps

pytestmark = pytest.mark.anyio


@pytest.fixture
async def database(settings):
    database = open_database(settings.database_url or sqlite_url(settings.data))
    await add_merchant(database)
    yield database
    await database.close()


async def take(connection, *new):
    """Take holds, each as a group of its own; return why some were refused, by index."""
    return (await holds.take(connection, [[ledger.take(hold)] for hold in new], now=0)).refused


# The rules


def test_redeeming_spends_the_discount_and_releases_the_rest():
    held = ledger.take(make_hold(amount=1_000)).hold
    hold, movements, _ = ledger.redeem(held, discount=700, cart_total=7_000, order_id="o-1")
    assert [(each.kind, each.amount, each.uses) for each in movements] == [("commit", 700, 1), ("release", 300, 0)]
    assert (hold.state, hold.spent, hold.order_id, hold.entries) == ("redeemed", 700, "o-1", 3)
    with pytest.raises(Conflict, match="only 1000 is held"):
        ledger.redeem(held, discount=1_001, cart_total=7_000, order_id="")


@given(st.integers(1, 10**12), st.integers(0, 10**12), st.lists(st.integers(1, 10**12), max_size=6))
def test_refunds_return_shares_that_add_up_exactly(cart_total, discount, parts):
    held = ledger.take(make_hold(amount=discount)).hold
    hold = ledger.redeem(held, discount=discount, cart_total=cart_total, order_id="").hold
    for part in parts:
        left = hold.cart_total - hold.refunded
        if part > left:
            with pytest.raises(Invalid, match=f"from 1 to {left}" if left else "nothing is left"):
                ledger.refund(hold, amount=part)
            continue
        hold = ledger.refund(hold, amount=part).hold
        assert hold.returned == discount * hold.refunded // cart_total
    if hold.refunded < cart_total:
        hold = ledger.refund(hold, amount=cart_total - hold.refunded).hold
    assert hold.standing == Balance()


@pytest.mark.parametrize("end", [ledger.release, ledger.expire])
def test_an_ended_hold_never_moves_again(end):
    ended = end(ledger.take(make_hold()).hold).hold
    assert ended.standing == Balance()
    for change in (ledger.release, ledger.expire, lambda hold: ledger.refund(hold, amount=1)):
        with pytest.raises(Conflict, match="is"):
            change(ended)
    with pytest.raises(Conflict, match="not live"):
        ledger.redeem(ended, discount=0, cart_total=1, order_id="")


# The store


async def test_a_cap_refuses_only_holds_that_do_not_fit(database):
    await set_budget_caps(database, amount=1_000)
    new = [make_hold(f"h{number}", amount=amount) for number, amount in enumerate((600, 500, 400))]
    async with database.write() as connection:
        assert await take(connection, *new) == {1: ("ten-percent", too_little("spring"))}
    verification = await verify(database, 1)
    assert (verification.holds, verification.differences, verification.over_cap) == (2, (), ())


async def test_refused_hold_changes_no_other_budget(database):
    await set_budget_caps(database, amount=1_000)
    await set_budget_caps(database, "once", uses=1)
    once = SHARED._replace(budget="once", customer="c")
    first, second = (make_hold(name, amount=100, balances=(once, SHARED)) for name in ("h1", "h2"))
    async with database.write() as connection:
        assert await take(connection, first, second) == {1: ("ten-percent", too_little("once"))}
        assert await balances.read(connection, [SHARED, once]) == {
            SHARED: Balance(held=100, held_uses=1),
            once: Balance(held=100, held_uses=1),
        }
        assert await balances.read(connection, []) == {}


async def test_a_budget_without_caps_in_force_allows_nothing(database):
    async with database.write() as connection:
        assert await take(connection, make_hold()) == {0: ("ten-percent", too_little("spring"))}


async def test_only_holds_past_their_time_expire(database):
    await set_budget_caps(database)
    service = Holds(database)
    for number in range(3):
        await service.take(make_hold(f"h{number}", expires_at=number * 10), now=0)
    await service.change(1, "h0", ledger.release, now=1)
    assert await service.expire_due(now=10) == 1
    async with database.read() as connection:
        states = [hold.state for hold in await holds.every(connection, 1)]
    assert states == ["released", "expired", "live"]
    assert (await verify(database, 1)).differences == ()


async def test_holds_of_other_merchants_are_not_found(database):
    await set_budget_caps(database)
    await Holds(database).take(make_hold(), now=0)
    for merchant_id, hold_id in ((2, "h"), (1, "other")):
        with pytest.raises(NotFound, match="there is no hold"):
            await Holds(database).change(merchant_id, hold_id, ledger.release, now=0)


async def test_a_movement_cannot_be_written_twice(database):
    await set_budget_caps(database)
    transition = ledger.take(make_hold())
    async with database.write() as connection:
        await entries.append(connection, [transition], now=0)
    with pytest.raises(IntegrityError):
        async with database.write() as connection:
            await entries.append(connection, [transition], now=0)


async def test_the_ledger_is_read_from_the_newest(database):
    await set_budget_caps(database)
    service = Holds(database)
    await service.take(make_hold("h1", amount=5), now=1)
    await service.take(make_hold("h2", amount=7), now=1)
    await service.change(1, "h1", lambda hold: ledger.redeem(hold, discount=5, cart_total=9, order_id=""), now=2)
    async with database.read() as connection:
        first = await entries.page(connection, 1, only=LedgerFilter("spring"), limit=2)
        rest = await entries.page(connection, 1, before=(first[-1].entry.recorded_at, first[-1].entry.id), limit=2)
        assert await entries.page(connection, 1, only=LedgerFilter("autumn"), limit=2) == []
    read = [item.entry for item in (*first, *rest)]
    assert [(row.id, row.kind, row.debit, row.credit, row.amount) for row in read] == [
        ("h1.2.0", "commit", "held", "spent", 5),
        ("h2.1.0", "hold", "available", "held", 7),
        ("h1.1.0", "hold", "available", "held", 5),
    ]


async def test_verification_names_the_balance_that_differs(database):
    await set_budget_caps(database)
    await Holds(database).take(make_hold(amount=5), now=0)
    async with database.write() as connection:
        await connection.execute(update(tables.budget_balances).values(held=6))
        await set_caps(connection, [Cap(1, "spring", 3, None)])
    verification = await verify(database, 1)
    [difference] = verification.differences
    assert (difference.key, difference.ledger.held, difference.stored.held, difference.holds.held) == (SHARED, 5, 6, 5)
    assert verification.over_cap == (SHARED,)
    assert differences_of({}, {SHARED: Balance()}, {}) == ()


async def test_a_key_gives_its_first_answer_again(database):
    service, times = Holds(database), itertools.count()

    async def work(_connection):
        return make_hold(f"h{next(times)}")

    request = Idempotency.of("k", "redeem", {"hold_id": "h"})
    assert await service.once(1, request, work, check=check_nothing, now=0) == make_hold("h0")
    assert await service.once(1, request, work, check=check_nothing, now=1) == make_hold("h0")
    assert await service.once(2, request, work, check=check_nothing, now=1) == make_hold("h1")
    assert await service.once(1, None, work, check=check_nothing, now=1) == make_hold("h2")
    with pytest.raises(KeyReused, match="another request"):
        await service.once(1, Idempotency.of("k", "redeem", {"hold_id": "i"}), work, check=check_nothing, now=1)


async def test_a_key_whose_work_failed_may_be_sent_again(database):
    service = Holds(database)

    async def fail(_connection):
        raise Conflict("spent")

    async def work(_connection):
        return make_hold("done")

    with pytest.raises(Conflict, match="spent"):
        await service.once(1, Idempotency("k", "r"), fail, check=check_nothing, now=0)
    assert await service.once(1, Idempotency("k", "r"), work, check=check_nothing, now=0) == make_hold("done")


# Any sequence


class Accounts(RuleBasedStateMachine):
    """Two budgets, one of an amount and one of uses, moved in any order and compared with a model that only counts."""

    template: Path
    CAP, USES = 1_000, 6

    @initialize()
    def open(self):
        self.folder = tempfile.mkdtemp(prefix="tap2-ledger-")
        shutil.copy(self.template, self.folder)
        self.loop = asyncio.new_event_loop()
        self.database = open_database(sqlite_url(self.folder))
        self.service = Holds(self.database)
        self.now, self.count = 0, itertools.count()
        self.held: dict[str, Hold] = {}
        self.run(add_merchant(self.database))
        self.run(set_budget_caps(self.database, amount=self.CAP))
        self.run(set_budget_caps(self.database, "once", uses=self.USES))

    def run(self, work):
        return self.loop.run_until_complete(work)

    def balance(self):
        total = Balance()
        for hold in self.held.values():
            total = total.plus(hold.standing)
        return total

    @rule(amount=st.integers(0, 600), lasts=st.integers(1, 5))
    def take(self, amount, lasts):
        keys = (SHARED, SHARED._replace(budget="once"))
        hold = make_hold(f"h{next(self.count)}", amount=amount, balances=keys, expires_at=self.now + lasts)
        total = self.balance()
        fits = total.held + total.spent + amount <= self.CAP and total.held_uses + total.spent_uses < self.USES
        try:
            self.held[hold.id] = self.run(self.service.take(hold, now=self.now))
            assert fits
        except Conflict:
            assert not fits

    @rule(
        number=st.integers(0, 20), action=st.sampled_from(["redeem", "release", "refund"]), amount=st.integers(1, 900)
    )
    def change(self, number, action, amount):
        def change(hold):
            if action == "redeem":
                return ledger.redeem(hold, discount=amount, cart_total=amount * 3, order_id="")
            return ledger.release(hold) if action == "release" else ledger.refund(hold, amount=amount)

        name = f"h{number}"
        try:
            expected = change(self.held[name]).hold if name in self.held else None
        except EngineError:
            expected = None
        try:
            self.held[name] = self.run(self.service.change(1, name, change, now=self.now))
            assert self.held[name] == expected
        except EngineError:
            assert expected is None

    @rule(later=st.integers(-3, 6))
    def wait(self, later):
        self.now += later
        due = [hold for hold in self.held.values() if hold.state == "live" and hold.expires_at <= self.now]
        assert self.run(self.service.expire_due(now=self.now)) == len(due)
        self.held |= {hold.id: ledger.expire(hold).hold for hold in due}

    @invariant()
    def everything_agrees(self):
        verification = self.run(verify(self.database, 1))
        assert (verification.differences, verification.over_cap) == ((), ())
        stored = self.run(self.stored())
        assert stored.get(SHARED, Balance()) == self.balance()

    async def stored(self):
        async with self.database.read() as connection:
            return await balances.read(connection, [SHARED])

    def teardown(self):
        if hasattr(self, "loop"):
            self.run(self.database.close())
            self.loop.close()
            shutil.rmtree(self.folder)


def test_every_sequence_respects_caps_and_balances(migrated_sqlite):
    Accounts.template = migrated_sqlite
    run_state_machine_as_test(Accounts, settings=settings(max_examples=10, stateful_step_count=20, deadline=None))


def test_movements_keep_the_sum_of_all_accounts():
    for kind, (debit, credit) in ACCOUNTS.items():
        change = ledger.Movement(kind, 7, 1).change
        assert change.held + change.spent == 7 * ((debit == "available") - (credit == "available"))


async def test_a_caller_sees_rows_only_as_holds(database):
    await set_budget_caps(database)
    key = BalanceKey(1, "spring", 20_000, "customer")
    hold = make_hold(balances=(SHARED, key), order_id="", decision_id="dec_1")
    await Holds(database).take(hold, now=0)
    async with database.write() as connection:
        assert await holds.lock(connection, 1, "h") == ledger.take(hold).hold
        with pytest.raises(IntegrityError):
            await connection.execute(insert(tables.budget_caps).values(merchant_id=1, budget="spring"))
