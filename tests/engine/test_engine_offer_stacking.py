"""Offers together on one order, not again too soon, and none for customers who opted out."""

from __future__ import annotations

import asyncio
from collections import Counter

import msgspec
import pytest

from engine.clock import now_ms
from engine.kernel.offers import ledger
from engine.kernel.offers.quote import Cart
from engine.model.documents.offer import FixedAmount, FreeShipping, OrderLimits
from engine.model.errors import Conflict
from engine.model.placement import Candidate, FieldDocument
from engine.model.timestamps import HOUR
from engine.offers.codes import OfferRequest
from engine.offers.redemptions import Purchase
from engine.store import decisions
from tests.marks import SQLITE_FIRST
from tests.offers import (
    balance,
    decide_offers,
    exclusion_reasons,
    is_verified,
    offer_candidate,
    open_offers,
    shown_offers,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def shop(empty_shop):
    return empty_shop


async def limit(shop, **limits):
    stored = await shop.engine.catalogue.get(shop.id, "placement", "", "offers")
    document = msgspec.structs.replace(stored.document, order_limits=OrderLimits(**limits))
    await shop.engine.catalogue.update(shop.actor(), "placement", "", "offers", document, version=None)


async def redeem(shop, hold, total=10_000, order="o-1"):
    return await shop.engine.redemptions.redeem(shop.id, Purchase(hold.id, Cart(total, "EUR"), order), now=now_ms())


async def two(shop, **second):
    """Show two offers of 60.00 EUR each for one cart."""
    most = {"benefit": FixedAmount(amount=6_000)}
    await open_offers(
        shop, offer_candidate("first", **most), offer_candidate("second", position=1, **most | second), amount=100_000
    )
    return (await decide_offers(shop, "anna")).holds


# Together on one order


async def test_all_offers_of_an_order_take_off_at_most_the_cart(shop):
    first, second = await two(shop)
    assert [(await redeem(shop, hold)).spent for hold in (first, second)] == [6_000, 4_000]
    assert (await balance(shop)).spent == 10_000
    [third, _] = (await decide_offers(shop, "anna")).holds
    with pytest.raises(Conflict, match="most discount"):
        await redeem(shop, third)
    assert (await redeem(shop, third, order="o-2")).spent == 6_000
    assert await is_verified(shop)


async def test_limit_caps_the_total_discount_of_an_order(shop):
    first, _ = await two(shop)
    await limit(shop, most_off=5_000)
    assert (await redeem(shop, first)).spent == 6_000
    third, fourth = (await decide_offers(shop, "ben")).holds
    assert (await redeem(shop, third, order="o-2")).spent == 5_000
    with pytest.raises(Conflict, match="most discount"):
        await redeem(shop, fourth, order="o-2")
    await shop.engine.holds.change(shop.id, third.id, lambda hold: ledger.refund(hold, amount=4_000), now=now_ms())
    assert (await redeem(shop, fourth, order="o-2")).spent == 2_000


@SQLITE_FIRST
async def test_exclusive_offer_is_not_combined(shop):
    first, second = await two(shop, stackable=False)
    await redeem(shop, first)
    with pytest.raises(Conflict, match="cannot be combined with “first”"):
        await redeem(shop, second)
    assert (await balance(shop)).held == 6_000
    assert (await redeem(shop, second, order="o-2")).spent == 6_000
    again, _ = (await decide_offers(shop, "anna")).holds
    with pytest.raises(Conflict, match="cannot be combined with “second”"):
        await redeem(shop, again, order="o-2")


async def test_decision_replaces_a_missing_order_id(shop):
    first, second = await two(shop, stackable=False)
    await redeem(shop, first, order="")
    with pytest.raises(Conflict, match="cannot be combined"):
        await redeem(shop, second, order="")


async def test_a_refunded_offer_is_no_longer_on_the_order(shop):
    first, second = await two(shop, stackable=False)
    await redeem(shop, first)
    await shop.engine.holds.change(shop.id, first.id, lambda hold: ledger.refund(hold, amount=10_000), now=now_ms())
    assert (await redeem(shop, second)).spent == 6_000


async def test_only_one_of_two_exclusive_offers_is_redeemed(shop):
    held = await two(shop, stackable=False)
    results = await asyncio.gather(*(redeem(shop, hold) for hold in held), return_exceptions=True)
    assert Counter(type(result).__name__ for result in results) == {"Hold": 1, "Conflict": 1}
    assert await is_verified(shop)


# Not again too soon


async def test_redeemed_offer_has_a_cooldown(shop, monkeypatch):
    await open_offers(shop, offer_candidate(cooldown_hours=24), amount=100_000)
    assert exclusion_reasons(await decide_offers(shop)) == {"ten-percent": "needs a known customer"}
    [hold] = (await decide_offers(shop, "anna")).holds
    await redeem(shop, hold)
    refused = await decide_offers(shop, "anna", total=9_000)
    assert exclusion_reasons(refused)["ten-percent"].startswith("this customer has used it; again from 2")
    assert shown_offers(await decide_offers(shop, "ben")) == ["ten-percent"]
    request = OfferRequest("offers", "ten-percent", "", "anna", {"cart": {"currency": "EUR", "total": 9_000}})
    assert "has used it" in (await shop.engine.redemptions.quote(shop.id, request, now=now_ms())).reason
    later = now_ms() + 24 * HOUR
    monkeypatch.setattr("engine.decisions.decide.now_ms", lambda: later)
    assert shown_offers(await decide_offers(shop, "anna", total=9_000)) == ["ten-percent"]


async def test_a_refunded_offer_does_not_cool_down(shop):
    await open_offers(shop, offer_candidate(cooldown_hours=24), amount=100_000)
    [hold] = (await decide_offers(shop, "anna")).holds
    await redeem(shop, hold)
    await shop.engine.holds.change(shop.id, hold.id, lambda hold: ledger.refund(hold, amount=10_000), now=now_ms())
    assert shown_offers(await decide_offers(shop, "anna")) == ["ten-percent"]


# Opting out, and the same answer


async def opted_out(shop, customer):
    cart = {"cart": {"currency": "EUR", "total": 10_000}}
    return await shop.engine.decider.decide_offers(shop.id, "offers", customer, cart, personal=False)


async def test_opted_out_customer_gets_no_offer_with_a_reason(shop):
    await open_offers(shop, offer_candidate(), Candidate(id="none", label="No offer", position=1))
    assert shown_offers(await decide_offers(shop, "anna")) == ["ten-percent", "none"]
    answer = await opted_out(shop, "anna")
    assert (shown_offers(answer), answer.holds) == (["none"], [])
    assert exclusion_reasons(answer) == {"ten-percent": "the customer opted out of personalization"}
    assert (await balance(shop)).held_uses == 1
    async with shop.engine.database.read() as connection:
        assert await decisions.by_ids(connection, shop.id, [answer.answer.decision.decision_id]) == {}


async def test_a_cart_with_other_shipping_gets_another_answer(shop):
    await shop.create("field", FieldDocument(name="cart.shipping", type="money"))
    await open_offers(shop, offer_candidate(benefit=FreeShipping(maximum=900)))

    async def ask_with(shipping):
        cart = {"currency": "EUR", "total": 10_000, "shipping": shipping}
        return await shop.engine.decider.decide_offers(shop.id, "offers", "anna", {"cart": cart})

    first, same, other = [await ask_with(shipping) for shipping in (500, 500, 700)]
    assert same.answer.body == first.answer.body
    assert other.answer.decision.decision_id != first.answer.decision.decision_id
    assert [held.holds[0].amount for held in (first, same, other)] == [500, 500, 700]
    assert (await balance(shop)).held_uses == 1


async def test_placement_sets_the_duration_of_an_answer(shop):
    await open_offers(shop)
    await limit(shop, same_answer_minutes=0)
    first, second = await decide_offers(shop, "anna"), await decide_offers(shop, "anna")
    assert first.answer.decision.decision_id != second.answer.decision.decision_id
    assert [hold.id for hold in first.holds] == [hold.id for hold in second.holds]


async def test_a_pause_ends_the_same_answer_at_once(shop):
    await open_offers(shop)
    assert shown_offers(await decide_offers(shop, "anna")) == ["ten-percent"]
    await shop.engine.catalogue.switch(shop.actor(), "offers", "ten-percent", enabled=False, reason="over")
    assert shown_offers(await decide_offers(shop, "anna")) == []
