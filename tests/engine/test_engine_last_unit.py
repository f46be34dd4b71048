"""Hundreds of requests for the last unit at once: one gets it, and the others are refused with the reason."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from engine.clock import now_ms
from engine.kernel.offers import ledger
from engine.kernel.offers.quote import Cart
from engine.model.documents.offer import OfferBudget
from engine.model.errors import KeyReused
from engine.model.offers.hold import Balance
from engine.model.timestamps import MINUTE
from engine.offers.codes import OfferRequest
from engine.offers.holds import Idempotency
from engine.offers.redemptions import Purchase
from engine.store.connection import database
from engine.store.offers import holds
from tests.offers import balance, decide_offers, is_verified, open_offers
from tests.shop import Shop

pytestmark = pytest.mark.anyio

REQUESTS = 500
ONE_OF_MANY = {"done": 1, "Conflict": REQUESTS - 1}


@pytest.fixture(autouse=True)
def patient_turns(monkeypatch):
    """Let each of the 500 wait for its turn to write, however long a busy machine takes for the others."""
    monkeypatch.setattr(database, "TURN_WAIT_SECONDS", 60.0)
    monkeypatch.setattr(database, "LOCK_WAIT_MS", 60_000)


@pytest.fixture(params=[1, 4], ids=["one worker", "four workers"])
async def shops(request, database_kind, empty_shop, start_engine):
    """Return a shop as its workers see it; here they share an event loop, and the database cannot tell."""
    if database_kind == "sqlite" and request.param > 1:
        pytest.skip("SQLite is for one worker")
    await open_offers(empty_shop, amount=10**9, uses=1)
    others = [await start_engine() for _ in range(1, request.param)]
    return [empty_shop, *(Shop(engine, empty_shop.merchant) for engine in others)]


async def race(shops, work):
    """Run `work(shop, number)` many times at once; return how often it was done, and the errors by kind."""
    barrier = asyncio.Barrier(REQUESTS)

    async def run(number):
        await barrier.wait()
        return await work(shops[number % len(shops)], number)

    results = await asyncio.gather(*map(run, range(REQUESTS)), return_exceptions=True)
    return Counter(type(each).__name__ if isinstance(each, BaseException) else "done" for each in results), results


async def hold(shop, number):
    request = OfferRequest("offers", "ten-percent", "", "", {"cart": {"currency": "EUR", "total": 10_000}})
    quote = await shop.engine.redemptions.quote(shop.id, request, now=now_ms())
    return await shop.engine.redemptions.hold(quote, Idempotency.of(f"hold-{number}", "hold"))


async def redeem(shop, hold_id, number):
    purchase = Purchase(hold_id, Cart(10_000, "EUR"), f"order-{number}")
    return await shop.engine.redemptions.redeem(
        shop.id, purchase, Idempotency.of(f"redeem-{number}", "redeem"), now=now_ms()
    )


async def test_the_last_use_is_held_once(shops):
    counts, _ = await race(shops, hold)
    assert counts == ONE_OF_MANY
    assert await balance(shops[0]) == Balance(held=1_000, held_uses=1)
    assert await is_verified(shops[0])


async def test_one_hold_is_redeemed_once(shops):
    [held] = (await decide_offers(shops[0])).holds
    counts, _ = await race(shops, lambda shop, number: redeem(shop, held.id, number))
    assert counts == ONE_OF_MANY
    assert await balance(shops[0]) == Balance(spent=1_000, spent_uses=1)
    assert await is_verified(shops[0])


async def test_only_one_of_many_expired_holds_gets_the_last_use(shops):
    first, engine = shops[0], shops[0].engine
    await set_uses(first, REQUESTS)
    held = await hold(first, 0)
    await engine.holds.change(first.id, held.id, ledger.release, now=now_ms())
    many = [held._replace(id=f"hold_{number}", entries=0) for number in range(REQUESTS)]
    async with engine.database.write() as connection:
        await holds.take(connection, [[ledger.take(each)] for each in many], now=held.created_at)
    assert await engine.holds.expire_due(now=now_ms() + 16 * MINUTE) == REQUESTS
    await set_uses(first, 1)
    counts, _ = await race(shops, lambda shop, number: redeem(shop, many[number].id, number))
    assert counts == ONE_OF_MANY
    assert await balance(first) == Balance(spent=1_000, spent_uses=1)
    assert await is_verified(first)


async def test_repeated_key_has_a_single_effect(shops):
    [held] = (await decide_offers(shops[0])).holds
    counts, results = await race(shops, lambda shop, _: redeem(shop, held.id, "same"))
    assert (counts, len(set(results))) == ({"done": REQUESTS}, 1)
    other = Purchase(held.id, Cart(9_000, "EUR"), "order-same")
    key = Idempotency.of("redeem-same", "redeem", 9_000)
    with pytest.raises(KeyReused):
        await shops[0].engine.redemptions.redeem(shops[0].id, other, key, now=now_ms())
    assert await balance(shops[0]) == Balance(spent=1_000, spent_uses=1)


async def test_released_use_goes_to_the_next_customer(shops):
    """A refusal is right when it is given: what comes back afterwards is there for the next request."""
    [held] = (await decide_offers(shops[0])).holds
    assert (await race(shops, hold))[0] == {"Conflict": REQUESTS}
    await shops[0].engine.holds.change(shops[0].id, held.id, ledger.release, now=now_ms())
    assert (await race(shops, hold))[0] == ONE_OF_MANY
    assert await is_verified(shops[0])


async def set_uses(shop, uses):
    budget = OfferBudget(id="spring", name="Spring", currency="EUR", amount=10**9, uses=uses)
    await shop.engine.catalogue.update(shop.actor(), "budget", "", "spring", budget, version=None)
