"""Each kind of event reaches its receiver, end to end, without naming a customer."""

from __future__ import annotations

import asyncio

import pytest
from standardwebhooks import Webhook

from engine.clock import now_ms
from engine.customers.changes import Changer
from engine.model.documents.preferences import PreferenceChange
from engine.model.events.event import MetricAlert, NewEvent
from engine.model.events.event_types import SUBSCRIBABLE
from engine.model.experiment import Experiment, Variant
from engine.store.connection.bulk import insert_many
from engine.store.events import outbox
from engine.store.tables import outbox as outbox_table
from engine.webhooks import dispatcher
from tests.marks import SQLITE_FIRST
from tests.offers import decide_offers, open_offers, redeem
from tests.receivers import Receiver, hang
from tests.shop import Shop
from tests.webhook_shop import Clock, add_events, deliver, delivery_log, open_webhook_shop, subscribe

PLACEMENT = "payment_methods"


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
async def shop(start_engine, clock):
    return await open_webhook_shop(start_engine)


def types_of(receiver):
    return [request.document["type"] for request in receiver.received]


@pytest.mark.anyio
async def test_offers_and_their_budget_arrive_in_order(shop):
    async with Receiver() as receiver:
        _, secret = await subscribe(shop, receiver, types=("offer.held", "offer.redeemed", "budget.alert"))
        await open_offers(shop, amount=1_000)
        [hold] = (await decide_offers(shop, "anna-4711")).holds
        await redeem(shop, hold.id)
        assert await shop.engine.alerts.run(now=now_ms()) == 3
        await deliver(shop, 3)
    assert sorted(types_of(receiver)) == ["budget.alert"] * 3 + ["offer.held", "offer.redeemed"]
    about_hold = [type for type in types_of(receiver) if type.startswith("offer.")]
    assert about_hold == ["offer.held", "offer.redeemed"]
    percents = [each.document["data"].get("percent") for each in receiver.received]
    assert [percent for percent in percents if percent] == [50, 80, 100]
    for request in receiver.received:
        assert Webhook(secret).verify(request.body, request.headers)
        assert b"anna" not in request.body


@pytest.mark.anyio
async def test_alerts_of_metrics_arrive(shop):
    async with Receiver() as receiver:
        await subscribe(shop, receiver, types=("metric.alert",))
        body = MetricAlert(PLACEMENT, "outcomes_stopped", 0.0, 0.31, 498_812)
        async with shop.engine.database.write() as connection:
            await outbox.append(connection, [NewEvent(shop.id, "metric.alert", body)], now=now_ms())
        await deliver(shop)
    [request] = receiver.received
    assert request.document["data"] == {
        "placement": PLACEMENT,
        "kind": "outcomes_stopped",
        "value": 0.0,
        "usual": 0.31,
        "since_hour": 498_812,
    }


@pytest.mark.anyio
async def test_publications_and_preferences_are_delivered(shop):
    async with Receiver() as receiver:
        await subscribe(shop, receiver, types=SUBSCRIBABLE)
        await shop.add_placement()
        variants = (Variant(id="a", name="As it is"), Variant(id="b", name="PayPal first", order=("paypal",)))
        service, actor = shop.engine.experiments, shop.actor("ada@example.com")
        await service.create(actor, PLACEMENT, Experiment(id="paypal", name="PayPal first", variants=variants))
        await service.start(actor, PLACEMENT, "paypal")
        await service.stop(actor, PLACEMENT, "paypal", reason="enough seen")
        change, changer = PreferenceChange(default_method="paypal"), Changer("person", "ada@example.com")
        await shop.engine.preferences.change(shop.id, "anna-4711", change, changer)
        await deliver(shop, 3)
    assert set(types_of(receiver)) == {"version.published", "experiment.completed", "preference.updated"}
    versions = [
        each.document["data"]["version"] for each in receiver.received if each.document["type"] == "version.published"
    ]
    assert versions == sorted(versions) == list(range(1, len(versions) + 1))
    for request in receiver.received:
        assert b"anna" not in request.body
        assert b"ada@" not in request.body


# How much at once


@SQLITE_FIRST
@pytest.mark.anyio
async def test_many_events_come_in_several_transactions(shop, monkeypatch):
    monkeypatch.setattr(dispatcher, "EVENTS_A_TRANSACTION", 20)
    async with Receiver() as receiver:
        await subscribe(shop, receiver)
        row = (shop.id, "arm.jumped", '{"placement":"a","candidate_id":"b"}', now_ms())
        columns = ("merchant_id", "type", "body", "recorded_at")
        async with shop.engine.database.write() as connection:
            ids = await insert_many(connection, outbox_table, columns, 50 * [row], returning="id")
        await deliver(shop, 4)
    assert receiver.ids == [f"evt_{id}" for id in sorted(ids)]


@pytest.mark.anyio
async def test_hanging_receivers_block_only_their_merchant(shop, monkeypatch):
    monkeypatch.setattr(dispatcher, "AT_ONCE", dispatcher.AT_ONCE_OF_A_MERCHANT + 1)
    shop.engine.dispatcher._all = asyncio.Semaphore(dispatcher.AT_ONCE)
    other, _ = await shop.engine.accounts.add_merchant("other", "Other")
    theirs = Shop(shop.engine, other)
    async with Receiver(hang) as slow, Receiver() as quick:
        for _ in range(5):
            await subscribe(shop, slow)
        await subscribe(theirs, quick)
        await add_events(shop, *"abcdefgh")
        await shop.engine.dispatcher.run()
        while slow.connections < dispatcher.AT_ONCE_OF_A_MERCHANT:
            await asyncio.sleep(0.01)
        await add_events(theirs, "a")
        await shop.engine.dispatcher.run()
        while not quick.received:
            await asyncio.sleep(0.01)
        assert slow.connections == dispatcher.AT_ONCE_OF_A_MERCHANT


@pytest.mark.anyio
async def test_former_leader_sends_nothing(shop):
    async with Receiver() as receiver:
        endpoint, _ = await subscribe(shop, receiver)
        await add_events(shop, "a")
        shop.engine.dispatcher._leads = lambda: False
        await deliver(shop)
        assert receiver.received == []
        shop.engine.dispatcher._leads = lambda: True
        await deliver(shop)
        assert len(receiver.received) == 1
    assert [state for _, state, _ in await delivery_log(shop, endpoint)] == ["delivered"]


@pytest.mark.anyio
async def test_deliveries_of_a_deleted_endpoint_are_dropped(shop):
    async with Receiver(hang) as receiver:
        endpoint, _ = await subscribe(shop, receiver)
        await add_events(shop, "a")
        await shop.engine.dispatcher.run()
        while not receiver.received:
            await asyncio.sleep(0.01)
        await shop.engine.webhooks.delete(shop.actor(), endpoint.id)
        await shop.engine.dispatcher.drain()
    assert await shop.engine.webhooks.all(shop.id) == []
