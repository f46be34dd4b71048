"""Events are written with what they tell of, once each, and name no customer."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from engine.clock import now_ms
from engine.customers.changes import Changer
from engine.events.event_reader import PastOutage
from engine.model.documents.preferences import PreferenceChange
from engine.model.errors import Conflict, Invalid
from engine.model.events.event import EventBody, EventType
from engine.model.events.event_types import EVENT_TYPES, SUBSCRIBABLE, subject_of
from engine.model.experiment import Experiment, Variant
from engine.model.placement import Candidate
from engine.model.scope import Scope
from engine.model.timestamps import DAY, MINUTE, rfc3339
from engine.store.events import outbox
from engine.store.events.notices import note_jumps
from tests.engine.test_engine_outages import COUNTS, add_minutes

PLACEMENT = "payment_methods"


async def events(shop, type):
    """The bodies of all events of a type, without the wait for other writers of PostgreSQL."""
    async with shop.engine.database.read() as connection:
        rows = await outbox.page(connection, shop.id, after=0, type=type, limit=1_000)
    return [msgspec.json.decode(row.body) for row in rows]


# The types


def test_each_type_has_an_example_of_its_body_and_its_subject():
    assert set(EVENT_TYPES) == set(get_args(EventType))
    assert set(SUBSCRIBABLE) == set(EVENT_TYPES) - {"endpoint.test"}
    for type, kind in EVENT_TYPES.items():
        assert isinstance(kind.example, EventBody)
        assert all(name in kind.example.__struct_fields__ for name in kind.subject), type
        assert not {"customer", "customer_id", "person", "email"} & set(kind.example.__struct_fields__)


def test_events_of_a_hold_share_a_subject():
    hold, other = {"hold_id": "h1"}, {"hold_id": "h2"}
    assert subject_of("offer.held", hold) == subject_of("offer.redeemed", hold) != subject_of("offer.held", other)
    assert subject_of("version.published", {"placement": "a"}) != subject_of("metric.alert", {"placement": "a"})
    assert subject_of("preference.updated", {"fields": [], "source": "customer"}) == ""


# Where they come from


@pytest.mark.anyio
async def test_each_published_version_is_an_event(shop):
    before = await events(shop, "version.published")
    new = Candidate(id="bancontact", label="Bancontact")
    await shop.engine.catalogue.create(shop.actor(), "candidate", PLACEMENT, [new])
    [event] = (await events(shop, "version.published"))[len(before) :]
    version = shop.engine.live.versions()[shop.id, PLACEMENT]
    assert event == {"placement": PLACEMENT, "version": version, "reason": "", "emergency": False}
    with pytest.raises(Conflict):
        await shop.engine.catalogue.create(shop.actor(), "candidate", PLACEMENT, [new, new])
    assert len(await events(shop, "version.published")) == len(before) + 1


@pytest.mark.anyio
async def test_experiment_event_has_its_conclusion(shop):
    variants = (Variant(id="a", name="As it is"), Variant(id="b", name="PayPal first", order=("paypal",)))
    service, actor = shop.engine.experiments, shop.actor()
    await service.create(actor, PLACEMENT, Experiment(id="paypal", name="PayPal first", variants=variants))
    await service.start(actor, PLACEMENT, "paypal")
    assert await events(shop, "experiment.completed") == []
    await service.stop(actor, PLACEMENT, "paypal", reason="enough seen")
    await service.conclude(actor, PLACEMENT, "paypal", winner="b", reason="it sells more")
    assert await events(shop, "experiment.completed") == [
        {
            "placement": PLACEMENT,
            "experiment_id": "paypal",
            "state": "stopped",
            "winner": None,
            "reason": "enough seen",
        },
        {
            "placement": PLACEMENT,
            "experiment_id": "paypal",
            "state": "concluded",
            "winner": "b",
            "reason": "it sells more",
        },
    ]
    await service.archive(actor, PLACEMENT, "paypal")
    assert len(await events(shop, "experiment.completed")) == 2


@pytest.mark.anyio
async def test_changed_preferences_are_an_event_without_the_customer(shop):
    browser = Changer("customer", "the customer's browser")
    for _ in range(2):
        change = PreferenceChange(default_method="paypal", language="de-DE")
        await shop.engine.preferences.change(shop.id, "anna-4711", change, browser)
    with pytest.raises(Invalid):
        await shop.engine.preferences.change(shop.id, "anna-4711", PreferenceChange(default_method="odd"), browser)
    assert await events(shop, "preference.updated") == [
        {"fields": ["default_method", "language"], "source": "customer"}
    ]


@pytest.mark.anyio
async def test_outage_start_and_end_are_reported_once(shop, monkeypatch):
    notices, others = shop.engine.outage_notices, type(shop.engine.outage_notices)
    await shop.update_state(**COUNTS)
    await add_minutes(shop, down=(), minutes=60, until=now_ms() - 5 * MINUTE)
    assert await notices.run(now=now_ms()) == 0
    await add_minutes(shop, down=("card",), minutes=5)
    await shop.engine.live.watch()
    [outage] = shop.engine.live.outages(shop.id, PLACEMENT)
    assert await notices.run(now=now_ms()) == 1
    assert await notices.run(now=now_ms()) == 0
    body = {"placement": PLACEMENT, "candidate_id": "card", "since": rfc3339(outage.since)}
    assert await events(shop, "outage.noticed") == [body]
    await shop.engine.metric_watch.run(now=now_ms() + 2 * DAY)

    # A process that has not looked yet knows of no outage, and ends none.
    shop.engine.live._watches[shop.id, PLACEMENT].has_looked = False
    assert await others(shop.engine.database, shop.engine.live).run(now=now_ms()) == 0

    later = now_ms() + 10 * MINUTE
    await add_minutes(shop, down=(), minutes=10, a_minute=5, until=later)
    monkeypatch.setattr("engine.learning.live.now_ms", lambda: later)
    await shop.engine.live.watch()
    assert await notices.run(now=later) == 1
    assert await events(shop, "outage.ended") == [body]
    past = PastOutage("card", outage.since, later)
    assert await shop.engine.events.past_outages(shop.id, PLACEMENT, since=later) == [past]
    assert await shop.engine.events.past_outages(shop.id, PLACEMENT, since=later + 1) == []
    assert await shop.engine.events.past_outages(shop.id, "another", since=0) == []
    assert await events(shop, "outage.noticed") == [body]


@pytest.mark.anyio
async def test_jump_is_reported_once_a_day(shop):
    scope, now = Scope(shop.id, PLACEMENT, "converted"), now_ms()
    for after in (0, MINUTE, DAY + MINUTE):
        async with shop.engine.database.write() as connection:
            await note_jumps(connection, scope, ["klarna"], now=now + after)
    assert await events(shop, "arm.jumped") == 2 * [{"placement": PLACEMENT, "candidate_id": "klarna"}]
