"""What a customer used as a guest counts for the limits of offers after the log-in, in one direction."""

from __future__ import annotations

import pytest

from engine.clock import now_ms
from engine.model.errors import Conflict
from engine.offers.codes import OfferRequest
from tests.offers import (
    decide_offers,
    exclusion_reasons,
    is_verified,
    offer_candidate,
    open_offers,
    redeem,
    shown_offers,
)

pytestmark = pytest.mark.anyio
GUEST, CUSTOMER = "device", "anna"


@pytest.fixture
def shop(empty_shop):
    return empty_shop


async def log_in(shop) -> None:
    await shop.engine.aliases.link(shop.id, CUSTOMER, GUEST)


async def redeem_as_guest(shop) -> None:
    [hold] = (await decide_offers(shop, GUEST)).holds
    await redeem(shop, hold.id)


async def quote(shop, customer: str):
    context = {"cart": {"currency": "EUR", "total": 10_000}}
    request = OfferRequest("offers", "ten-percent", "", customer, context)
    return await shop.engine.redemptions.quote(shop.id, request, now=now_ms())


@pytest.mark.parametrize("limit", [{"uses": 1}, {"amount": 1_500}])
async def test_limit_per_customer_counts_what_the_guest_redeemed(shop, limit):
    await open_offers(shop, scope="customer", **limit)
    await redeem_as_guest(shop)
    allowed = await quote(shop, CUSTOMER)
    await log_in(shop)
    assert exclusion_reasons(await decide_offers(shop, CUSTOMER)).keys() == {"ten-percent"}
    assert (await quote(shop, CUSTOMER)).reason != ""
    with pytest.raises(Conflict):
        await shop.engine.redemptions.hold(allowed)
    assert shown_offers(await decide_offers(shop, "ben")) == ["ten-percent"]
    assert await is_verified(shop)


async def test_offer_that_the_guest_only_saw_stays_after_the_log_in(shop):
    await open_offers(shop, scope="customer", uses=1)
    [hold] = (await decide_offers(shop, GUEST)).holds
    await log_in(shop)
    assert shown_offers(await decide_offers(shop, CUSTOMER)) == ["ten-percent"]
    assert (await redeem(shop, hold.id)).state == "redeemed"


async def test_next_guest_on_the_device_keeps_own_limit(shop):
    await open_offers(shop, scope="customer", uses=1)
    await log_in(shop)
    [hold] = (await decide_offers(shop, CUSTOMER)).holds
    await redeem(shop, hold.id)
    assert shown_offers(await decide_offers(shop, CUSTOMER, total=9_000)) == []
    assert shown_offers(await decide_offers(shop, GUEST)) == ["ten-percent"]


@pytest.mark.parametrize("changes", [{"cooldown_hours": 24}, {"codes": "customer"}])
async def test_cooldown_and_code_of_a_customer_count_what_the_guest_redeemed(shop, changes):
    await open_offers(shop, offer_candidate(**changes), amount=100_000)
    await redeem_as_guest(shop)
    await log_in(shop)
    assert exclusion_reasons(await decide_offers(shop, CUSTOMER)).keys() == {"ten-percent"}
