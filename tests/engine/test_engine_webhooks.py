"""Webhooks: at least once, in order by subject, and no receiver holds up another."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime

import msgspec
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from standardwebhooks import Webhook, WebhookVerificationError

from engine.clock import now_ms
from engine.model.events.event import ArmJump, NewEvent, UpdatedPreference
from engine.model.events.webhook import NewEndpoint
from engine.model.history import AuditFilter
from engine.model.timestamps import HOUR, MINUTE
from engine.store.events import outbox
from engine.webhooks.dispatcher import retry_after
from engine.webhooks.signatures import new_secret, sign, signed_headers
from tests.marks import SQLITE_FIRST
from tests.receivers import LOOPBACK, OK, Receiver, accept, answering, failing, hang
from tests.shop import Shop
from tests.webhook_shop import EVENT_TYPES, Clock, add_events, deliver, delivery_log, open_webhook_shop, subscribe


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
async def shop(start_engine, clock):
    return await open_webhook_shop(start_engine)


# Signatures


def test_library_verifies_our_messages():
    secret, body = new_secret(), '{"type":"arm.jumped","naïve":"é"}'.encode()
    headers = signed_headers([secret], id="evt_1", timestamp=now_ms() // 1000, body=body)
    assert Webhook(secret).verify(body, headers) == msgspec.json.decode(body)
    for wrong in (
        {"body": body.replace(b"arm", b"Arm")},
        {"headers": {**headers, "webhook-id": "evt_2"}},
        {"headers": {**headers, "webhook-timestamp": str(now_ms() // 1000 + 1)}},
        {"headers": {**headers, "webhook-signature": headers["webhook-signature"][:-6] + "AAAAA="}},
        {"secret": new_secret()},
    ):
        changed = {"secret": secret, "body": body, "headers": headers, **wrong}
        with pytest.raises(WebhookVerificationError):
            Webhook(changed["secret"]).verify(changed["body"], changed["headers"])


def test_the_library_signs_as_we_do():
    moment = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
    for size in (0, 1, 1000):
        secret, body = new_secret(), "x" * size
        theirs = Webhook(secret).sign("evt_7", moment, body)
        assert theirs == sign(secret, id="evt_7", timestamp=round(moment.timestamp()), body=body.encode())
    assert len({new_secret() for _ in range(100)}) == 100
    assert new_secret().startswith("whsec_")


# Delivery


@pytest.mark.anyio
async def test_an_event_arrives_signed_with_its_data(shop):
    async with Receiver() as receiver:
        endpoint, secret = await subscribe(shop, receiver)
        [id] = await add_events(shop, "payment_methods")
        async with shop.engine.database.write() as connection:
            await outbox.append(connection, [NewEvent(shop.id, "arm.jumped", ArmJump("a", "b"))], now=now_ms())
        await deliver(shop)
        # Messages of different subjects leave together and may arrive in any order.
        second, first = sorted(receiver.received, key=lambda request: request.document["type"])
    document = Webhook(secret).verify(first.body, first.headers)
    assert document["type"] == "version.published"
    assert document["data"] == {"placement": "payment_methods", "version": 0, "reason": "", "emergency": False}
    assert datetime.fromisoformat(document["timestamp"]).tzinfo
    assert (first.path, first.id, first.headers["content-type"]) == ("/hooks", f"evt_{id}", "application/json")
    assert second.document["type"] == "arm.jumped"
    assert [row[1:] for row in await delivery_log(shop, endpoint)] == 2 * [("delivered", [""])]


@pytest.mark.anyio
async def test_a_receiver_with_the_library_reads_a_cloud_event(shop):
    async with Receiver() as receiver:
        url, types = receiver.url, (*EVENT_TYPES, "preference.updated")
        endpoint, secret = await shop.engine.webhooks.create(
            shop.actor(), NewEndpoint(url=url, types=types, format="cloudevents")
        )
        [id] = await add_events(shop, "payment_methods")
        async with shop.engine.database.write() as connection:
            no_subject = NewEvent(shop.id, "preference.updated", UpdatedPreference(("theme",), "api"))
            await outbox.append(connection, [no_subject], now=now_ms())
        await deliver(shop)
        received = sorted(receiver.received, key=lambda request: request.document["type"], reverse=True)
    assert Webhook(secret).verify(received[0].body, received[0].headers)
    event, other = (from_http_event(HTTPMessage(request.headers, request.body)) for request in received)
    assert (event.get_specversion(), event.get_type(), event.get_id()) == ("1.0", "version.published", f"evt_{id}")
    assert (event.get_source(), event.get_subject()) == ("/v1/events", "version:payment_methods")
    assert event.get_data() == {"placement": "payment_methods", "version": 0, "reason": "", "emergency": False}
    assert abs(event.get_time().timestamp() * 1000 - now_ms()) < HOUR
    assert other.get_subject() is None
    assert received[0].headers["content-type"] == "application/cloudevents+json"
    assert (await shop.engine.webhooks.get(shop.id, endpoint.id)).format == "cloudevents"


@pytest.mark.anyio
async def test_only_chosen_types_from_the_creation_on_arrive(shop):
    await add_events(shop, "before")
    async with Receiver() as receiver:
        endpoint, _ = await subscribe(shop, receiver, types=("arm.jumped",))
        await add_events(shop, "other type")
        await deliver(shop)
        assert receiver.received == []
        assert (await shop.engine.webhooks.get(shop.id, endpoint.id)).read_up_to == 2


@pytest.mark.anyio
async def test_retry_intervals_grow_and_end(shop, clock):
    async with Receiver(failing(2)) as receiver, Receiver(answering(500)) as broken:
        (good, _), (bad, _) = await subscribe(shop, receiver), await subscribe(shop, broken)
        [id] = await add_events(shop, "a")
        for _ in range(5):
            await deliver(shop, 2)
            clock.ahead += 6 * MINUTE
        assert (len(receiver.received), len(broken.received)) == (3, 3)
        assert await delivery_log(shop, good) == [(id, "delivered", ["status", "status", ""])]
        assert await delivery_log(shop, bad) == [(id, "parked", ["status"] * 3)]
        assert len({request.body for request in receiver.received}) == 1
        assert len({request.id for request in receiver.received}) == 1


def test_delays_grow_with_jitter():
    waits = [[retry_after(attempts) for _ in range(200)] for attempts in range(1, 8)]
    assert all(min(each) / max(each) * 1.5 > 0.79 and min(each) < max(each) for each in waits)
    for wait, planned in zip(waits, (MINUTE / 2, 5 * MINUTE, 50 * MINUTE), strict=False):
        assert all(0.8 * planned <= each <= 1.2 * planned for each in wait)
    assert max(waits[-1]) <= 1.2 * 12 * HOUR


@pytest.mark.anyio
async def test_subjects_are_ordered_and_independent(shop, clock):
    # Fewer refusals than attempts, however the messages of the subjects mix: none is parked.
    rng, refusals = random.Random(5), {}

    async def moody(request):
        left = refusals.setdefault(request.id, rng.choice((0, 0, 0, 1, 1, 2, 3)))
        refusals[request.id] = left - 1
        return OK if left <= 0 else await answering(503)(request)

    async with Receiver(moody) as receiver:
        endpoint, _ = await subscribe(shop, receiver)
        shop.engine.dispatcher._most_attempts = 10
        ids = await add_events(shop, *(f"subject {number % 7}" for number in range(84)))
        for _ in range(60):
            await deliver(shop, 3)
            clock.ahead += 13 * HOUR
    assert {state for _, state, _ in await delivery_log(shop, endpoint)} == {"delivered"}
    accepted = {row.delivery.event_id: row for row in await shop.engine.webhooks.page(shop.id, endpoint.id, limit=100)}
    assert set(accepted) == set(ids)
    for subject in range(7):
        finished = [accepted[id].attempts[-1].started_at for id in ids[subject::7]]
        begun = [accepted[id].attempts[0].started_at for id in ids[subject::7]]
        assert all(later >= earlier for earlier, later in zip(finished, begun[1:], strict=False))
        arrived = list(dict.fromkeys(id for id in receiver.ids if id in {f"evt_{each}" for each in ids[subject::7]}))
        assert arrived == [f"evt_{id}" for id in ids[subject::7]]


@SQLITE_FIRST
@pytest.mark.anyio
async def test_hanging_receiver_does_not_block_others(shop):
    async with Receiver(hang) as slow, Receiver() as quick:
        other, _ = await shop.engine.accounts.add_merchant("other", "Other")
        theirs = Shop(shop.engine, other)
        (stuck, _), _, _ = await subscribe(shop, slow), await subscribe(shop, quick), await subscribe(theirs, quick)
        await add_events(shop, *"abcdefgh")
        await add_events(theirs, "a")
        began = asyncio.get_running_loop().time()
        await shop.engine.dispatcher.run()
        while len(quick.received) < 9:
            await asyncio.sleep(0.01)
        assert asyncio.get_running_loop().time() - began < 1.5
        await shop.engine.dispatcher.drain()
    assert [faults for _, _, faults in await delivery_log(shop, stuck)] == 8 * [["timeout"]]


@pytest.mark.anyio
async def test_a_redirect_is_not_followed(shop):
    async with Receiver() as inner:
        async with Receiver(answering(307, f"Location: {inner.url}\r\n")) as outer:
            endpoint, _ = await subscribe(shop, outer)
            await add_events(shop, "a")
            await deliver(shop)
        assert (len(outer.received), inner.connections) == (1, 0)
        assert [faults for _, _, faults in await delivery_log(shop, endpoint)] == [["redirect"]]


@pytest.mark.anyio
async def test_status_410_disables_the_endpoint_and_parks_deliveries(shop):
    async with Receiver(answering(410)) as receiver:
        endpoint, _ = await subscribe(shop, receiver)
        await add_events(shop, "a", "a", "b")
        await deliver(shop, 3)
        now = await shop.engine.webhooks.get(shop.id, endpoint.id)
        assert (now.enabled, "410" in now.fault) == (False, True)
        assert {state for _, state, _ in await delivery_log(shop, endpoint)} == {"parked"}
        assert len(receiver.received) == 2
        await add_events(shop, "while disabled")
        await deliver(shop)
        receiver.behave = accept
        document = NewEndpoint(url=receiver.url, types=EVENT_TYPES)
        again = await shop.engine.webhooks.replace(shop.actor(), endpoint.id, document)
        assert (again.enabled, again.fault) == (True, "")
        [id] = await add_events(shop, "after")
        await deliver(shop)
        assert receiver.ids[2:] == [f"evt_{id}"]
    [entry, *_] = await shop.engine.catalogue.audit(shop.id, narrowed=AuditFilter(actor="engine"), limit=5)
    assert (entry.action, entry.subject) == ("disabled", f"webhook {endpoint.id}")


@SQLITE_FIRST
@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"", "answer"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "answer"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 200_000 + b"\r\n\r\n", "answer"),
        (20_000 * b"HTTP/1.1 100 Continue\r\n\r\n", "answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\nx", ""),
    ],
)
async def test_unusual_answers_are_faults_or_ignored(shop, answer, fault):
    async def odd(_request):
        return answer

    async with Receiver(odd) as receiver:
        endpoint, _ = await subscribe(shop, receiver)
        await add_events(shop, "a")
        await deliver(shop)
    assert [faults for _, _, faults in await delivery_log(shop, endpoint)] == [[fault]]


@pytest.mark.anyio
async def test_refused_connections_and_unknown_hosts_are_faults(shop):
    async with Receiver() as receiver:
        pass
    endpoint, _ = await subscribe(shop, receiver)
    await add_events(shop, "a")
    await deliver(shop)
    assert [faults for _, _, faults in await delivery_log(shop, endpoint)] == [["connection"]]


# Over a restart


@pytest.mark.anyio
async def test_interrupted_delivery_is_sent_again(shop, clock, start_engine):
    async with Receiver(hang) as receiver:
        endpoint, _ = await subscribe(shop, receiver)
        ids = await add_events(shop, *"abcdef")
        await shop.engine.dispatcher.run()
        while len(receiver.received) < 4:
            await asyncio.sleep(0.01)
        for task in shop.engine.dispatcher._workers.values():
            task.cancel()
        await shop.engine.stop()
        receiver.behave = accept
        again = await start_engine(webhook_networks=LOOPBACK)
        await again.leadership.renew()
        successor = Shop(again, shop.merchant)
        await deliver(successor)
        assert sorted(receiver.ids[4:]) == [f"evt_{id}" for id in ids[4:]]
        clock.ahead += 2 * MINUTE
        await deliver(successor)
        assert set(receiver.ids[4:]) == {f"evt_{id}" for id in ids}
    assert {state for _, state, _ in await delivery_log(successor, endpoint)} == {"delivered"}


@pytest.mark.anyio
async def test_two_processes_make_and_send_each_delivery_once(shop, start_engine):
    other = await start_engine(webhook_networks=LOOPBACK)
    other.dispatcher._leads = lambda: True
    async with Receiver() as receiver:
        await subscribe(shop, receiver)
        await add_events(shop, *(f"subject {number}" for number in range(40)))
        dispatchers = (shop.engine.dispatcher, other.dispatcher)
        # A busy database may refuse a transaction; the next run continues.
        for _ in range(4):
            await asyncio.gather(*(each.run() for each in dispatchers))
            await asyncio.gather(*(each.run() for each in dispatchers))
            await asyncio.gather(*(each.drain() for each in dispatchers))
    assert len(receiver.ids) == len(set(receiver.ids)) == 40
