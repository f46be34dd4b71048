"""Odd requests change nothing, and decisions replay after budgets, codes and prices moved on."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.clock import now_ms
from engine.decisions.replay import replay
from engine.kernel.offers import ledger, stacking
from engine.kernel.offers.quote import Cart
from engine.kernel.plan import PlanDocument
from engine.model.documents.offer import FixedAmount, OfferBudget, OrderLimits, Percentage
from engine.model.errors import Conflict, EngineError, NotFound
from engine.model.facts import UNAVAILABLE
from engine.model.offers.code import CodeCounts
from engine.model.placement import Placement, Subset
from engine.model.timestamps import MINUTE
from engine.offers.codes import OfferRequest
from engine.offers.holds import Idempotency
from engine.offers.redemptions import Purchase
from engine.store import decisions
from engine.store.offers import entries, holds
from tests.offers import (
    balance,
    decide_offers,
    is_verified,
    make_hold,
    offer_candidate,
    open_offers,
    redeem,
    shown_offers,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def shop(empty_shop):
    return empty_shop


async def state_of(shop):
    """All that redemptions may change: holds, what they add up to, and the ledger."""
    async with shop.engine.database.read() as connection:
        held = await holds.every(connection, shop.id)
        return held, await entries.balances(connection, shop.id), await entries.sums(connection, shop.id)


async def update(shop, kind, placement_key, document, id):
    await shop.engine.catalogue.update(shop.actor(), kind, placement_key, id, document, version=None)


# Odd requests


async def open_pool(shop, **changes):
    await open_offers(shop, offer_candidate(codes="pool", **changes))
    await shop.engine.codes.add(shop.actor(), "offers", "ten-percent", ["AAAA", "BBBB"])
    return (await decide_offers(shop, "anna")).holds[0]


@pytest.mark.parametrize(
    ("cart", "order"), [(Cart(10_000, "USD"), "o-1"), (Cart(10**12, "EUR"), "o-1"), (Cart(10_000, "JPY"), "")]
)
async def test_invalid_cart_changes_nothing(shop, cart, order):
    hold = await open_pool(shop, benefit=Percentage(percent=10, maximum=20_000))
    before = await state_of(shop)
    with pytest.raises(Conflict):
        await shop.engine.redemptions.redeem(shop.id, Purchase(hold.id, cart, order), now=now_ms())
    assert await state_of(shop) == before
    assert await shop.engine.codes.counts(shop.id, "offers", "ten-percent") == CodeCounts(free=1, held=1)


async def test_hold_changes_state_once(shop):
    hold = await open_pool(shop)
    await redeem(shop, hold.id)
    before = await state_of(shop)
    for change in (ledger.release, ledger.expire, lambda hold: ledger.refund(hold, amount=10_001)):
        with pytest.raises(EngineError):
            await shop.engine.holds.change(shop.id, hold.id, change, now=now_ms())
    with pytest.raises(Conflict):
        await redeem(shop, hold.id)
    assert await state_of(shop) == before
    await shop.engine.holds.change(shop.id, hold.id, lambda hold: ledger.refund(hold, amount=10_000), now=now_ms())
    with pytest.raises(EngineError):
        await shop.engine.holds.change(shop.id, hold.id, lambda hold: ledger.refund(hold, amount=1), now=now_ms())
    assert await is_verified(shop)


async def test_the_hold_of_another_merchant_is_nobodys(shop):
    hold = await open_pool(shop)
    before = await state_of(shop)
    other = shop.id + 1
    with pytest.raises(NotFound):
        await shop.engine.redemptions.redeem(other, Purchase(hold.id, Cart(10_000)), now=now_ms())
    with pytest.raises(NotFound):
        await shop.engine.holds.change(other, hold.id, ledger.release, now=now_ms())
    assert await state_of(shop) == before


async def test_idempotency_key_reserves_one_code(shop):
    await open_pool(shop)
    request = OfferRequest("offers", "ten-percent", "", "", {"cart": {"currency": "EUR", "total": 5_000}})
    quote = await shop.engine.redemptions.quote(shop.id, request, now=now_ms())
    key = Idempotency.of("key", "hold")
    first, again = [await shop.engine.redemptions.hold(quote, key) for _ in range(2)]
    assert (first, first.code) == (again, "BBBB")
    assert await shop.engine.codes.counts(shop.id, "offers", "ten-percent") == CodeCounts(held=2)


async def test_repeated_code_has_one_hold(shop):
    await open_pool(shop)
    request = OfferRequest("offers", "", "bbbb", "", {"cart": {"currency": "EUR", "total": 5_000}})
    quotes = [await shop.engine.redemptions.quote(shop.id, request, now=now_ms()) for _ in range(8)]
    held = await asyncio.gather(*map(shop.engine.redemptions.hold, quotes), return_exceptions=True)
    assert sum(not isinstance(each, BaseException) for each in held) == 1
    assert {type(each) for each in held if isinstance(each, BaseException)} == {Conflict}
    assert await is_verified(shop)


# Stacking


@given(
    st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 5_000)), max_size=5),
    st.integers(0, 10_000),
    st.integers(1, 20_000),
    st.none() | st.integers(1, 10_000),
)
def test_all_discounts_of_an_order_stay_below_every_limit(others, amount, total, most):
    placement = Placement(key="offers", name="Offers", shape=Subset(3), order_limits=OrderLimits(most_off=most))
    plan, hold = PlanDocument(placement=placement, currency="EUR"), make_hold(amount=amount)
    before = [make_hold(f"h{n}", spent=max(pair), returned=min(pair)) for n, pair in enumerate(others)]
    used = sum(each.spent - each.returned for each in before)
    try:
        allowed = stacking.limited(amount, plan, hold, total, before)
    except Conflict:
        assert used >= min(total, most or total)
        return
    assert 0 <= allowed <= amount
    assert most is None or not allowed or used + allowed <= most
    assert not before or not allowed or used + allowed <= total


def test_limit_applies_to_the_merchants_currency():
    placement = Placement(key="offers", name="Offers", order_limits=OrderLimits(most_off=10))
    plan = PlanDocument(placement=placement, currency="EUR")
    assert stacking.limited(100, plan, make_hold(currency="USD"), 1_000, ()) == 100
    assert stacking.limited(100, plan, make_hold(), 1_000, ()) == 10


# Replay


async def rows_of(shop, answers):
    async with shop.engine.database.read() as connection:
        rows = await decisions.by_ids(connection, shop.id, [each.answer.decision.decision_id for each in answers])
    return [rows[each.answer.decision.decision_id] for each in answers]


async def test_decisions_replay_after_codes_were_used_and_added(shop):
    first = await open_pool(shop)
    answers = [await decide_offers(shop, "ben"), await decide_offers(shop, "carl")]
    assert [shown_offers(answer) for answer in answers] == [["ten-percent"], []]
    await redeem(shop, first.id)
    await shop.engine.codes.generate(shop.actor(), "offers", "ten-percent", 50)
    await shop.engine.holds.expire_due(now=now_ms() + 16 * MINUTE)
    rows = await rows_of(shop, answers)
    assert [(await replay(shop.engine.database, row)).same for row in rows] == [True, True]
    assert msgspec.json.decode(rows[1].facts)[UNAVAILABLE] == {"ten-percent": "codes used up"}


async def test_decisions_replay_after_prices_budgets_and_limits_changed(shop):
    await open_offers(shop, offer_candidate(cooldown_hours=48), offer_candidate("second", position=1), amount=20_000)
    answers = [await decide_offers(shop, name) for name in ("anna", "ben", "anna")]
    await redeem(shop, answers[0].holds[0].id)
    answers.append(await decide_offers(shop, "anna", total=9_000))
    cheaper = offer_candidate(benefit=FixedAmount(amount=1), stackable=False)
    await update(shop, "candidate", "offers", cheaper, cheaper.id)
    await update(shop, "budget", "", OfferBudget(id="spring", name="Spring", currency="EUR", amount=0), "spring")
    rows = await rows_of(shop, answers)
    assert [(await replay(shop.engine.database, row)).same for row in rows] == [True] * 4
    assert "has used it" in msgspec.json.decode(rows[3].facts)[UNAVAILABLE]["ten-percent"]
    assert (await balance(shop)).spent == 1_000


async def test_shown_offer_keeps_its_benefit_after_a_change(shop):
    await open_offers(shop, amount=10_000)
    [hold] = (await decide_offers(shop, "anna")).holds
    cheaper = offer_candidate(benefit=FixedAmount(amount=1))
    await update(shop, "candidate", "offers", cheaper, cheaper.id)
    assert (await redeem(shop, hold.id)).spent == 1_000
