"""Endpoints of webhooks: their secrets, who may touch them, tests, and sending again."""

from __future__ import annotations

import pytest
from standardwebhooks import Webhook

from engine.accounts.data_keys import StoredSealer
from engine.clock import now_ms
from engine.jobs import purge
from engine.model.errors import Conflict, Invalid, NotFound, Stale
from engine.model.events.webhook import NewEndpoint
from engine.model.timestamps import HOUR
from engine.store.connection import purging
from engine.store.events import deliveries
from engine.webhooks.signatures import sign
from tests.receivers import Receiver, accept, answering
from tests.shop import Shop
from tests.webhook_shop import EVENT_TYPES, Clock, add_events, deliver, delivery_log, open_webhook_shop, subscribe


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
async def shop(start_engine, clock):
    return await open_webhook_shop(start_engine)


# Secrets


@pytest.mark.anyio
async def test_a_rotated_secret_signs_with_the_old_one_for_the_overlap(shop, clock):
    async with Receiver() as receiver:
        endpoint, old = await subscribe(shop, receiver)
        _, new = await shop.engine.webhooks.rotate(shop.actor(), endpoint.id)
        assert old != new
        await add_events(shop, "a")
        await deliver(shop)
        both = receiver.received[0]
        assert len(both.headers["webhook-signature"].split()) == 2
        assert Webhook(old).verify(both.body, both.headers) == Webhook(new).verify(both.body, both.headers)
        clock.ahead += 25 * HOUR
        await add_events(shop, "b")
        await deliver(shop)
        [signature] = receiver.received[1].headers["webhook-signature"].split()
        message = {"id": receiver.received[1].id, "body": receiver.received[1].body}
        timestamp = int(receiver.received[1].headers["webhook-timestamp"])
        assert signature == sign(new, timestamp=timestamp, **message)
    with pytest.raises(Invalid):
        await shop.engine.webhooks.rotate(shop.actor(), endpoint.id, overlap_hours=1000)


@pytest.mark.anyio
async def test_secrets_are_not_stored_or_logged_in_plain(shop):
    async with Receiver() as receiver:
        endpoint, secret = await subscribe(shop, receiver)
        _, second = await shop.engine.webhooks.rotate(shop.actor(), endpoint.id)
        stored = await shop.engine.webhooks.get(shop.id, endpoint.id)
    entries = await shop.engine.catalogue.audit(shop.id, limit=10)
    text = f"{stored} {entries}"
    assert not any(part in text for part in (secret[6:], second[6:]))
    assert {entry.action for entry in entries} >= {"created", "rotated the secret of"}
    assert "/hooks" not in str(entries), "the path of an address is often a secret"


@pytest.mark.anyio
async def test_without_the_key_of_its_secret_no_message_is_sent(shop):
    async with Receiver() as receiver:
        endpoint, _ = await subscribe(shop, receiver)
        shop.engine.webhooks._sealer = StoredSealer(shop.engine.data_keys, b"another key", b"another")
        await add_events(shop, "a")
        await deliver(shop)
        assert receiver.connections == 0
    assert [faults for _, _, faults in await delivery_log(shop, endpoint)] == [["unsendable"]]


# What people do


@pytest.mark.anyio
async def test_a_test_message_reaches_one_endpoint(shop):
    async with Receiver() as receiver, Receiver() as other:
        (endpoint, secret), _ = await subscribe(shop, receiver), await subscribe(shop, other)
        made = await shop.engine.webhooks.test(shop.actor(), endpoint.id)
        await deliver(shop)
        [request] = receiver.received
        assert other.received == []
    assert Webhook(secret).verify(request.body, request.headers)["data"] == {"endpoint_id": endpoint.id}
    done = await shop.engine.webhooks.delivery(shop.id, endpoint.id, made.delivery.event_id)
    assert (done.delivery.state, done.attempts[0].status) == ("delivered", 204)


@pytest.mark.anyio
async def test_parked_delivery_can_be_sent_again(shop, clock):
    webhooks = shop.engine.webhooks
    async with Receiver(answering(500)) as receiver:
        endpoint, _ = await subscribe(shop, receiver)
        ids = await add_events(shop, "a", "b")
        with pytest.raises(NotFound):
            await webhooks.send_again(shop.actor(), endpoint.id, ids[0])
        for _ in range(3):
            await deliver(shop)
            with pytest.raises(Conflict):
                await webhooks.send_again(shop.actor(), endpoint.id, ids[0]) if _ < 2 else _conflict()
            clock.ahead += HOUR
        assert {state for _, state, _ in await delivery_log(shop, endpoint)} == {"parked"}
        receiver.behave = accept
        assert await webhooks.send_again(shop.actor(), endpoint.id, ids[0]) == 1
        await deliver(shop)
        assert await webhooks.send_again(shop.actor(), endpoint.id) == 1
        await deliver(shop)
        assert receiver.ids[-2:] == [f"evt_{id}" for id in ids]
        assert await webhooks.send_again(shop.actor(), endpoint.id, ids[0]) == 1
        assert len((await webhooks.delivery(shop.id, endpoint.id, ids[0])).attempts) == 4


def _conflict():
    raise Conflict("it is parked now")


@pytest.mark.anyio
async def test_two_editors_never_overwrite_each_other(shop):
    async with Receiver() as receiver:
        endpoint, _ = await subscribe(shop, receiver)
        document = NewEndpoint(url=receiver.url, types=("arm.jumped",), description=" mine ")
        changed = await shop.engine.webhooks.replace(shop.actor(), endpoint.id, document, version=1)
        assert (changed.version, changed.description, changed.types) == (2, "mine", ("arm.jumped",))
        with pytest.raises(Stale):
            await shop.engine.webhooks.replace(shop.actor(), endpoint.id, document, version=1)


@pytest.mark.anyio
async def test_an_endpoint_belongs_to_its_merchant(shop):
    other, _ = await shop.engine.accounts.add_merchant("other", "Other")
    other_shop, webhooks = Shop(shop.engine, other), shop.engine.webhooks
    async with Receiver() as receiver:
        endpoint, _ = await subscribe(shop, receiver)
        await add_events(other_shop, "a")
        await deliver(shop)
        assert receiver.received == []
        document, actor = NewEndpoint(url=receiver.url, types=EVENT_TYPES), other_shop.actor()
        for act in (
            webhooks.get(other.id, endpoint.id),
            webhooks.page(other.id, endpoint.id),
            webhooks.delivery(other.id, endpoint.id, 1),
            webhooks.replace(actor, endpoint.id, document),
            webhooks.rotate(actor, endpoint.id),
            webhooks.test(actor, endpoint.id),
            webhooks.send_again(actor, endpoint.id),
            webhooks.delete(actor, endpoint.id),
        ):
            with pytest.raises(NotFound):
                await act
    assert await webhooks.all(other.id) == []
    await webhooks.delete(shop.actor(), endpoint.id)
    assert await webhooks.all(shop.id) == []


@pytest.mark.anyio
async def test_number_of_endpoints_is_limited_and_types_are_unique(shop):
    async with Receiver() as receiver:
        endpoint, _ = await subscribe(shop, receiver, types=("arm.jumped", "arm.jumped"))
        assert endpoint.types == ("arm.jumped",)
        with pytest.raises(Invalid):
            await subscribe(shop, receiver, types=("endpoint.test",))
        for _ in range(19):
            await subscribe(shop, receiver)
        with pytest.raises(Conflict):
            await subscribe(shop, receiver)


@pytest.mark.anyio
async def test_deliveries_are_deleted_with_their_events(shop):
    async with Receiver() as receiver:
        endpoint, _ = await subscribe(shop, receiver)
        await add_events(shop, "a")
        await deliver(shop)
    await purge(shop.engine.database, retention_days=90)
    assert len(await delivery_log(shop, endpoint)) == 1
    await purging.purge(shop.engine.database, [deliveries.expired(before=now_ms() + 1)])
    assert await delivery_log(shop, endpoint) == []
