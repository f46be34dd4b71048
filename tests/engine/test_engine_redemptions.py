"""Redeeming offers: what was shown is honoured, what is unclear is refused, every amount is in the ledger."""

from __future__ import annotations

import pytest

from engine.clock import now_ms
from engine.kernel.offers.quote import Cart
from engine.model.documents.offer import OfferBudget
from engine.model.errors import Conflict, NotFound
from engine.model.offers.hold import Balance
from engine.model.timestamps import HOUR, MINUTE, rfc3339
from engine.offers.codes import OfferRequest
from engine.offers.holds import Idempotency
from engine.offers.redemptions import Purchase
from engine.store import outcomes
from tests.factories import rule
from tests.marks import SQLITE
from tests.offers import balance, decide_offers, is_verified, offer_candidate, open_offers, redeem
from tests.query_plans import look_through, watched, writers_of

pytestmark = pytest.mark.anyio


@pytest.fixture
def shop(empty_shop):
    return empty_shop


# Redeeming


async def test_shown_offer_is_redeemable_after_the_offer_ended(shop):
    await open_offers(shop, amount=1_000)
    [hold] = (await decide_offers(shop, "anna")).holds
    await shop.engine.catalogue.switch(shop.actor(), "offers", "ten-percent", enabled=False, reason="over")
    lowered = OfferBudget(id="spring", name="Spring", currency="EUR", amount=0)
    await shop.engine.catalogue.update(shop.actor(), "budget", "", "spring", lowered, version=None)
    redeemed = await redeem(shop, hold.id, 8_000)
    assert (redeemed.state, redeemed.spent, redeemed.order_id) == ("redeemed", 800, "o-1")
    assert await balance(shop) == Balance(spent=800, spent_uses=1)


async def test_a_larger_cart_needs_the_budget_for_the_difference(shop):
    await open_offers(shop, amount=1_200)
    [hold] = (await decide_offers(shop)).holds
    with pytest.raises(Conflict, match="takes off 1500"):
        await redeem(shop, hold.id, 15_000)
    assert await balance(shop) == Balance(held=1_000, held_uses=1)
    assert (await redeem(shop, hold.id, 12_000)).spent == 1_200
    assert await is_verified(shop)


async def test_a_cart_in_another_currency_is_refused(shop):
    await open_offers(shop)
    [hold] = (await decide_offers(shop)).holds
    with pytest.raises(Conflict, match="is in EUR"):
        await redeem(shop, hold.id, currency="USD")


async def test_an_expired_hold_is_tried_again_at_the_price_of_now(shop):
    await open_offers(shop, amount=1_000)
    [hold] = (await decide_offers(shop)).holds
    assert await shop.engine.holds.expire_due(now=now_ms() + 16 * MINUTE) == 1
    assert (await redeem(shop, hold.id, 9_000)).spent == 900
    [other] = (await decide_offers(shop, total=1_000)).holds
    await shop.engine.holds.expire_due(now=now_ms() + 16 * MINUTE)
    [last] = (await decide_offers(shop, total=1_000)).holds
    with pytest.raises(Conflict, match="too little left"):
        await redeem(shop, other.id, 1_000)
    await shop.engine.catalogue.switch(shop.actor(), "offers", "ten-percent", enabled=False, reason="over")
    with pytest.raises(Conflict, match="no longer offered"):
        await redeem(shop, other.id, 1_000)
    assert (await redeem(shop, last.id, 1_000)).spent == 100
    assert await is_verified(shop)


async def test_declined_payment_releases_its_hold(shop):
    await open_offers(shop, offer_candidate(), offer_candidate("second", position=1))
    held = await decide_offers(shop)
    kept = next(hold for hold in held.holds if hold.offer == "second")
    for event in ("e-1", "e-1", "e-2"):
        await shop.report(held.answer, "declined", "ten-percent", event=event)
    assert await balance(shop) == Balance(held=kept.amount, held_uses=1)
    declined = next(hold for hold in held.holds if hold.offer == "ten-percent")
    assert (await redeem(shop, declined.id, 10_000)).spent == 1_000
    await shop.report(held.answer, "declined", "ten-percent", event="e-3")
    assert (await balance(shop)).spent == 1_000
    assert await is_verified(shop)


async def test_an_expired_hold_of_an_ended_offer_is_refused(shop):
    await open_offers(shop)
    [hold] = (await decide_offers(shop)).holds
    await shop.engine.holds.expire_due(now=now_ms() + 16 * MINUTE)
    ended = offer_candidate(ends_at=rfc3339(now_ms() - MINUTE))
    await shop.engine.catalogue.update(shop.actor(), "candidate", "offers", ended.id, ended, version=None)
    with pytest.raises(Conflict, match="expired, and the offer ended at"):
        await redeem(shop, hold.id)


async def test_a_redemption_is_reported_once_to_its_decision(shop):
    await open_offers(shop)
    held = await decide_offers(shop)
    key = Idempotency("k", "r")
    purchase = Purchase(held.holds[0].id, Cart(10_000))
    hold, again = [await shop.engine.redemptions.redeem(shop.id, purchase, key, now=now_ms()) for _ in range(2)]
    assert again == hold
    async with shop.engine.database.read() as connection:
        stored = await outcomes.of_decisions(connection, [hold.decision_id])
    assert [outcome.type for outcome in stored[hold.decision_id]] == ["redeemed"]


# Codes and offers without a decision


async def quote(shop, **changes):
    context = {"cart": {"currency": "EUR", "total": changes.pop("total", 10_000)}}
    request = OfferRequest(
        **({"placement": "offers", "offer_id": "", "code": "", "customer_id": ""} | changes), context=context
    )
    return await shop.engine.redemptions.quote(shop.id, request, now=now_ms())


async def test_code_is_case_insensitive(shop):
    await open_offers(shop, offer_candidate(code="SPRING10"))
    quoted = await quote(shop, code="spring10")
    assert (quoted.offer_id, quoted.discount, quoted.reason, quoted.offer.code) == (
        "ten-percent",
        1_000,
        "",
        "SPRING10",
    )
    hold = await shop.engine.redemptions.hold(quoted)
    assert (await redeem(shop, hold.id)).spent == 1_000
    for wrong in ({"code": "other"}, {"code": ""}, {"offer_id": "other"}, {"code": "spring10", "placement": "other"}):
        with pytest.raises(NotFound, match="no such offer"):
            await quote(shop, **wrong)


async def test_quote_explains_why_an_offer_is_not_redeemable(shop):
    await open_offers(shop, amount=900)
    await shop.create(
        "rule", rule({"exclude": ["ten-percent"]}, when={">": [{"var": "cart.total"}, 50_000]}), placement="offers"
    )
    spent = await quote(shop, offer_id="ten-percent", customer_id="anna")
    assert spent.reason == "budget “spring” has too little left"
    with pytest.raises(Conflict, match="cannot be used: budget"):
        await shop.engine.redemptions.hold(spent)
    assert (await quote(shop, offer_id="ten-percent", total=5_000)).reason == ""
    assert (await quote(shop, offer_id="ten-percent", total=60_000)).reason != ""


async def test_quote_uses_the_facts_of_the_customer(shop):
    await open_offers(shop)
    is_customer = {"!=": [{"var": "customer.id"}, "nobody"]}
    await shop.create("rule", rule({"exclude": ["ten-percent"]}, when=is_customer), placement="offers")
    assert (await quote(shop, offer_id="ten-percent")).reason == ""
    assert (await quote(shop, offer_id="ten-percent", customer_id="anna")).reason != ""


@SQLITE
async def test_a_redemption_reads_no_holds_of_others(shop):
    await open_offers(shop)
    answers = [await decide_offers(shop, name) for name in ("anna", "ben", "clara")]
    with watched(*writers_of(shop.engine.database)) as statements:
        await redeem(shop, answers[0].holds[0].id)
        for answer, type in zip(answers, ("shown", "declined"), strict=False):
            await shop.report(answer.answer, type, "ten-percent")
        await shop.engine.holds.expire_due(now=now_ms() + HOUR)
    assert any("holds" in sql for sql, _ in statements)
    assert await look_through(shop.engine.database, statements, ["holds"]) == []
