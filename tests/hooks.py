"""A merchant whose webhooks may call this machine, a clock that a test moves, and short ways to send and to look."""

from __future__ import annotations

from engine.clock import now_ms
from engine.model.events.event import NewEvent, PublishedVersion
from engine.model.events.webhook import NewEndpoint
from engine.model.timestamps import DAY
from engine.store.events import outbox
from engine.webhooks import dispatcher, endpoints
from tests.receivers import LOOPBACK
from tests.shop import Shop

TYPES = ("version.published", "arm.jumped")


class Clock:
    """The time of sending and of secrets, `ahead` of the real one by so many milliseconds."""

    def __init__(self, monkeypatch):
        self.ahead = 0
        for module in (dispatcher, endpoints):
            monkeypatch.setattr(module, "now_ms", self)
        # Nothing else writes events here.
        monkeypatch.setattr(dispatcher, "SETTLED_MS", -DAY)

    def __call__(self):
        return now_ms() + self.ahead


async def hook_shop(open_another):
    """A merchant on a server whose operator lets webhooks call this machine."""
    engine = await open_another(webhook_networks=LOOPBACK)
    engine.dispatcher._sender._seconds = 2.0
    merchant, _ = await engine.accounts.add_merchant("shop", "Shop")
    return Shop(engine, merchant)


async def subscribe(shop, receiver, *, types=TYPES):
    return await shop.engine.webhooks.create(shop.actor(), NewEndpoint(url=receiver.url, types=types))


async def tell(shop, *subjects):
    """Write an event for each subject; return their numbers."""
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


async def log_of(shop, endpoint):
    """What became of each event, the oldest first: its number, its state and the faults of its attempts."""
    rows = await shop.engine.webhooks.page(shop.id, endpoint.id)
    return [(row.delivery.event_id, row.delivery.state, [each.fault for each in row.attempts]) for row in rows[::-1]]
