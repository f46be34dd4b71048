"""Codes of offers: a code is given to one hold at a time, and comes back when the hold ends."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import update

from engine.clock import now_ms
from engine.kernel.offers import ledger
from engine.model.errors import Conflict, Invalid, NotFound
from engine.model.offers.code import CodeCounts, CodeRequest
from engine.model.timestamps import MINUTE
from engine.offers.codes import OfferRequest
from engine.offers.holds import Holds
from engine.store import tables
from engine.store.connection.database import open_database, sqlite_url
from engine.store.offers import codes
from engine.store.offers.codes import PoolKey
from tests.marks import SQLITE
from tests.offers import (
    add_merchant,
    balance,
    decide_offers,
    exclusion_reasons,
    is_verified,
    make_hold,
    offer_candidate,
    open_offers,
    redeem,
    set_budget_caps,
    shown_offers,
)

pytestmark = pytest.mark.anyio
POOL = ("offers", "ten-percent")


@pytest.fixture
def shop(empty_shop):
    return empty_shop


async def open_pool(shop, *texts, **changes):
    """Open the offer with a pool of codes."""
    await open_offers(shop, offer_candidate(codes="pool", **changes))
    if texts:
        await shop.engine.codes.add(shop.actor(), *POOL, texts)


async def counts(shop):
    return await shop.engine.codes.counts(shop.id, *POOL)


async def quote(shop, code, customer="", offer=""):
    request = OfferRequest("offers", offer, code, customer, {"cart": {"currency": "EUR", "total": 10_000}})
    return await shop.engine.redemptions.quote(shop.id, request, now=now_ms())


# Pools


async def test_each_hold_gets_another_code_until_they_are_used_up(shop):
    await open_pool(shop, "aaaa", "BBBB")
    held = [(await decide_offers(shop)).holds[0] for _ in range(2)]
    assert [hold.code for hold in held] == ["AAAA", "BBBB"]
    third = await decide_offers(shop)
    assert (shown_offers(third), exclusion_reasons(third)) == ([], {"ten-percent": "codes used up"})
    assert await counts(shop) == CodeCounts(held=2)
    assert (await balance(shop)).held_uses == 2


async def test_a_redeemed_code_is_used_and_a_released_one_is_free(shop):
    await open_pool(shop, "AAAA", "BBBB", "CCCC")
    first, second, third = [(await decide_offers(shop)).holds[0] for _ in range(3)]
    await redeem(shop, first.id)
    await shop.engine.holds.change(shop.id, second.id, ledger.release, now=now_ms())
    assert await counts(shop) == CodeCounts(free=1, held=1, used=1)
    await shop.engine.holds.expire_due(now=now_ms() + 16 * MINUTE)
    assert await counts(shop) == CodeCounts(free=2, used=1)
    await shop.engine.holds.change(shop.id, first.id, lambda hold: ledger.refund(hold, amount=10_000), now=now_ms())
    assert await counts(shop) == CodeCounts(free=2, used=1)
    assert third.code == "CCCC"
    assert await is_verified(shop)


async def test_the_same_customer_keeps_the_code(shop):
    await open_pool(shop, "AAAA")
    first, again, larger = [
        (await decide_offers(shop, "anna", total=total)).holds[0] for total in (9_000, 9_000, 12_000)
    ]
    assert {hold.code for hold in (first, again, larger)} == {"AAAA"}
    assert shown_offers(await decide_offers(shop, "ben")) == []


async def test_spent_budget_releases_the_code(shop, monkeypatch):
    await open_pool(shop, "AAAA", "BBBB")
    await set_budget_caps(shop.engine.database, amount=1_500)
    assert shown_offers(await decide_offers(shop)) == ["ten-percent"]
    with pytest.raises(Conflict, match="too little left"):
        await shop.engine.holds.take(make_hold("h", merchant_id=shop.id, amount=9_999), now=now_ms())
    blind = shop.engine.decider._budgets.load

    async def stale(plan, context):
        return (await blind(plan, context))._replace(balances={})

    monkeypatch.setattr(shop.engine.decider._budgets, "load", stale)
    assert shown_offers(await decide_offers(shop)) == []
    assert await counts(shop) == CodeCounts(free=1, held=1)


async def test_renewed_hold_gets_its_code_or_another_code(shop):
    await open_pool(shop, "AAAA", "BBBB")
    [hold] = (await decide_offers(shop)).holds
    await shop.engine.holds.expire_due(now=now_ms() + 16 * MINUTE)
    [other] = (await decide_offers(shop)).holds
    assert other.code == hold.code == "AAAA"
    assert (await redeem(shop, hold.id)).code == "BBBB"
    await shop.engine.holds.expire_due(now=now_ms() + 16 * MINUTE)
    [last] = (await decide_offers(shop)).holds
    with pytest.raises(Conflict, match="codes used up"):
        await redeem(shop, other.id)
    assert (await redeem(shop, last.id)).code == "AAAA"
    assert await is_verified(shop)


async def test_typed_code_is_reserved(shop):
    await open_pool(shop, "AAAA", "BBBB")
    hold = await shop.engine.redemptions.hold(await quote(shop, "bbbb"))
    assert hold.code == "BBBB"
    assert (await quote(shop, "BBBB")).reason == "the code is held for another customer"
    await redeem(shop, hold.id)
    used = await quote(shop, "BBBB")
    assert used.reason == "the code was used"
    with pytest.raises(Conflict, match="the code was used"):
        await shop.engine.redemptions.hold(used)
    for wrong in ("CCCC", "no code"):
        with pytest.raises(NotFound):
            await quote(shop, wrong)
    with pytest.raises(NotFound):
        await quote(shop, "AAAA", offer="other")


async def test_shown_code_can_be_typed(shop):
    await open_pool(shop, "AAAA")
    [shown_hold] = (await decide_offers(shop, "anna")).holds
    quoted = await quote(shop, "AAAA", "anna")
    assert (quoted.reason, (await shop.engine.redemptions.hold(quoted)).id) == ("", shown_hold.id)
    assert (await quote(shop, "AAAA", "ben")).reason == "the code is held for another customer"
    assert (await balance(shop)).held_uses == 1


# Codes of customers


async def test_customer_has_one_code_and_redeems_it_once(shop):
    await open_offers(shop, offer_candidate(codes="customer"))
    assert exclusion_reasons(await decide_offers(shop)) == {"ten-percent": "needs a known customer"}
    [hold], [other] = (await decide_offers(shop, "anna")).holds, (await decide_offers(shop, "ben")).holds
    assert len(hold.code) == codes.LENGTH
    assert hold.code != other.code
    await shop.engine.holds.change(shop.id, hold.id, ledger.release, now=now_ms())
    [again] = (await decide_offers(shop, "anna")).holds
    assert (again.code, again.id != hold.id) == (hold.code, True)
    assert (await quote(shop, hold.code, "ben")).reason == "the code is another customer's"
    with pytest.raises(Conflict, match="held or used"):
        await shop.engine.redemptions.hold(await quote(shop, "", "anna", "ten-percent"))
    await redeem(shop, again.id)
    assert exclusion_reasons(await decide_offers(shop, "anna")) == {"ten-percent": "this customer has used the code"}
    assert await is_verified(shop)


@SQLITE
@pytest.mark.parametrize(("queries", "parameters"), [(codes._USED, 3), (codes._OWN, 4)])
async def test_codes_of_other_customers_are_not_read(shop, queries, parameters):
    async with shop.engine.database.read() as connection:
        plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {queries['sqlite']}", ("",) * parameters)
        assert "(merchant_id=? AND placement=? AND customer=?" in str(plan.all())


async def test_a_hold_whose_time_is_over_does_not_keep_the_code(shop, monkeypatch):
    await open_offers(shop, offer_candidate(codes="customer"))
    [hold] = (await decide_offers(shop, "anna")).holds
    later = now_ms() + 16 * MINUTE
    monkeypatch.setattr("engine.decisions.decide.now_ms", lambda: later)
    [next_hold] = (await decide_offers(shop, "anna")).holds
    assert (next_hold.code, next_hold.id != hold.id) == (hold.code, True)
    with pytest.raises(Conflict, match="given to another"):
        await redeem(shop, hold.id)
    assert (await redeem(shop, next_hold.id)).state == "redeemed"
    assert await is_verified(shop)


# Filling a pool


async def test_codes_are_added_once_and_generated(shop):
    await open_pool(shop)
    add = shop.engine.codes.add
    assert await add(shop.actor(), *POOL, ["AAAA", "aaaa ", "BBBB"]) == (2, 1)
    assert await add(shop.actor(), *POOL, ["BBBB"]) == (0, 1)
    assert await shop.engine.codes.generate(shop.actor(), *POOL, 500, "may-") == (500, 0)
    listed = await shop.engine.codes.page(shop.id, *POOL, after="BBBB", state="free", limit=1_000)
    assert len({code.code for code in listed}) == 500
    assert all(code.code.startswith("MAY-") for code in listed)
    assert await shop.engine.codes.remove_free(shop.actor(), *POOL) == 502
    assert await counts(shop) == CodeCounts()


@pytest.mark.parametrize(
    ("texts", "field"), [(["AAAA", "a b"], "codes/1"), (["ab"], "codes/0"), ([], "codes"), (["x" * 65], "codes/0")]
)
async def test_invalid_code_is_refused_with_its_line(shop, texts, field):
    await open_pool(shop)
    with pytest.raises(Invalid) as refusal:
        await shop.engine.codes.add(shop.actor(), *POOL, texts)
    assert [problem.field for problem in refusal.value.problems] == [field]
    for count, prefix in ((0, ""), (10_001, ""), (1, "a b")):
        with pytest.raises(Invalid):
            await shop.engine.codes.generate(shop.actor(), *POOL, count, prefix)


async def test_only_an_offer_with_a_pool_takes_codes(shop):
    await open_offers(shop)
    with pytest.raises(Conflict, match="no pool"):
        await shop.engine.codes.add(shop.actor(), *POOL, ["AAAA"])
    with pytest.raises(NotFound):
        await shop.engine.codes.add(shop.actor(), "offers", "other", ["AAAA"])
    with pytest.raises(Invalid, match="another code"):
        await shop.create("candidate", offer_candidate("odd", codes="pool", code="FIXED"), placement="offers")


async def test_the_audit_log_has_no_codes(shop):
    await open_pool(shop, "SECRET-1")
    entries = await shop.engine.catalogue.audit(shop.id, limit=10)
    assert [entry.after for entry in entries if entry.action == "codes added"] == ['{"codes":1}']
    assert not any("SECRET-1" in str(entry) for entry in entries)


# Races


async def test_no_code_is_given_twice_at_once(settings):
    databases = [open_database(settings.database_url or sqlite_url(settings.data)) for _ in range(3)]
    await add_merchant(databases[0])
    await set_budget_caps(databases[0], uses=100)
    pool = PoolKey(1, "offers", "ten-percent")
    async with databases[0].write() as connection:
        await codes.add(connection, pool, [f"CODE{number:02}" for number in range(8)], now=0)
    barrier = asyncio.Barrier(24)

    async def take(number):
        await barrier.wait()
        request = CodeRequest("pool")
        return await Holds(databases[number % 3]).take(make_hold(f"h{number:02}"), request, now=0)

    held = await asyncio.gather(*map(take, range(24)), return_exceptions=True)
    given = [hold.code for hold in held if not isinstance(hold, BaseException)]
    assert len(given) == len(set(given))
    assert {type(hold) for hold in held if isinstance(hold, BaseException)} <= {Conflict}
    async with databases[0].read() as connection:
        after = await codes.counts(connection, pool)
    assert after == CodeCounts(free=8 - len(given), held=len(given))
    for database in databases:
        await database.close()


async def test_verification_names_the_code_that_differs(shop):
    await open_pool(shop, "aaaa", "bbbb", "cccc")
    held, used = (await decide_offers(shop, "anna")).holds[0], (await decide_offers(shop, "ben")).holds[0]
    await redeem(shop, used.id)
    assert (await shop.engine.budgets.verify(shop.id)).codes == 2
    await set_code(shop, held.code, state="used")
    await set_code(shop, used.code, hold_id=held.id)
    await set_code(shop, "CCCC", state="held", hold_id="hold_none")
    verification = await shop.engine.budgets.verify(shop.id)
    assert (verification.is_same, verification.differences) == (False, ())
    assert set(verification.code_differences) == {
        (held.code, held.id, "is used, but its hold is live"),
        (used.code, held.id, "is used by a hold of another code"),
        (used.code, used.id, "belongs to a redeemed hold, but another hold has it"),
        ("CCCC", "hold_none", "is held by a hold that does not exist"),
    }
    await set_code(shop, used.code, state="free", hold_id="")
    lost = (used.code, used.id, "belongs to a redeemed hold, but nobody has it")
    assert lost in (await shop.engine.budgets.verify(shop.id)).code_differences


async def set_code(shop, code, **values):
    async with shop.engine.database.write() as connection:
        await connection.execute(update(tables.offer_codes).where(tables.offer_codes.c.code == code).values(**values))
