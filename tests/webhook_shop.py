"""A merchant whose webhooks may call this machine, and short ways to add events and to read their deliveries."""

from __future__ import annotations

from engine.clock import now_ms
from engine.model.events.event import NewEvent, PublishedVersion
from engine.model.events.webhook import NewEndpoint
from engine.model.timestamps import DAY
from engine.store.events import outbox
from engine.webhooks import dispatcher, endpoints
from tests.receivers import LOOPBACK
from tests.shop import Shop

EVENT_TYPES = ("version.published", "arm.jumped")


class Clock:
    """The clock of deliveries and secrets, `ahead` of the real time by some milliseconds."""

    def __init__(self, monkeypatch):
        self.ahead = 0
        for module in (dispatcher, endpoints):
            monkeypatch.setattr(module, "now_ms", self)
        # Do not wait for events of other writers: there are none.
        monkeypatch.setattr(dispatcher, "SETTLED_MS", -DAY)

    def __call__(self):
        return now_ms() + self.ahead


async def open_webhook_shop(start_engine):
    """Return a merchant on a server whose webhooks may call this machine."""
    engine = await start_engine(webhook_networks=LOOPBACK)
    engine.dispatcher._sender._seconds = 2.0
    merchant, _ = await engine.accounts.add_merchant("shop", "Shop")
    return Shop(engine, merchant)


async def subscribe(shop, receiver, *, types=EVENT_TYPES):
    return await shop.engine.webhooks.create(shop.actor(), NewEndpoint(url=receiver.url, types=types))


async def add_events(shop, *subjects):
    """Add an event for each subject; return their ids."""
    ids = []
    for subject in subjects:
        async with shop.engine.database.write() as connection:
            event = NewEvent(shop.id, "version.published", PublishedVersion(subject, len(ids), "", emergency=False))
            ids.append((await outbox.add(connection, event, now=now_ms())).id)
    return ids


async def deliver(shop, times=1):
    for _ in range(times):
        await shop.engine.dispatcher.run()
        await shop.engine.dispatcher.drain()


async def delivery_log(shop, endpoint):
    """Return (event id, state, faults of the attempts) of each delivery, the oldest first."""
    rows = await shop.engine.webhooks.page(shop.id, endpoint.id)
    return [(row.delivery.event_id, row.delivery.state, [each.fault for each in row.attempts]) for row in rows[::-1]]
