"""Alerts by mail: whoever chose an alert gets one mail for one thing, from the moment of choosing on."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.clock import now_ms, simulated_time
from engine.mailing.alert_recipients import LATEST_MS
from engine.model.errors import Conflict, Invalid, NotFound, Stale
from engine.model.events.event import BudgetAlert, MetricAlert, NewEvent, PublishedVersion
from engine.model.mailing.alert_recipient import NewAlertRecipient
from engine.model.timestamps import HOUR
from engine.store.events import outbox
from engine.store.mailing import alert_recipients
from tests.mailing import Post

pytestmark = pytest.mark.anyio
FALLBACKS = MetricAlert("payment_methods", "fallbacks", 0.031, 0.0004, 498812)


@pytest.fixture
async def post(empty_shop: Any) -> Any:
    post = Post(empty_shop, now_ms())
    with simulated_time(lambda: post.now):
        yield post


async def tell(post: Post, *bodies: Any) -> list[int]:
    """Write events of alerts; return their numbers."""
    types: dict[type, Any] = {MetricAlert: "metric.alert", BudgetAlert: "budget.alert"}
    numbers = []
    async with post.database.write() as connection:
        for body in bodies:
            event = NewEvent(post.shop.id, types.get(type(body), "version.published"), body)
            numbers.append((await outbox.add(connection, event, now=post.now)).id)
    return numbers


async def add(post: Post, recipient: str = "ada@shop.example", *, types: tuple[Any, ...] = ("metric.alert",)) -> Any:
    document = NewAlertRecipient(recipient=recipient, types=types)
    return await post.shop.engine.mail.alerts.add(post.shop.actor(), document)


async def deliver(post: Post, *, later: int = HOUR) -> list[tuple[str, str]]:
    """Make and send mails; return the recipient and the id of each that has arrived so far."""
    post.now += later
    await post.shop.engine.mail.alerts.make_mails(now=post.now)
    await post.mailer.run()
    return [(str(each["To"]), str(each["Message-ID"])) for each in post.server.messages]


async def test_each_alert_is_sent_once_to_those_who_chose_it(post: Post) -> None:
    await tell(post, FALLBACKS)
    ada = await add(post)
    bob = await add(post, "bob@shop.example", types=("budget.alert", "metric.alert"))
    metric, budget, _ = await tell(
        post, FALLBACKS, BudgetAlert("spring", 80, None), PublishedVersion("p", 2, "", False)
    )
    expected = {
        ("ada@shop.example", f"<{ada.id}.evt_{metric}@shop.example>"),
        ("bob@shop.example", f"<{bob.id}.evt_{metric}@shop.example>"),
        ("bob@shop.example", f"<{bob.id}.evt_{budget}@shop.example>"),
    }
    assert set(await deliver(post)) == expected, "nothing from before, and no version"
    assert len(await deliver(post)) == 3
    assert (await post.shop.engine.mail.alerts.summaries(post.shop.id))[ada.id].sent_at == post.now - HOUR


async def test_two_processes_make_each_mail_once(post: Post) -> None:
    item = await add(post)
    [number] = await tell(post, FALLBACKS)
    async with post.database.write() as connection:
        moved = [await alert_recipients.move(connection, item, number) for _ in range(2)]
    assert moved == [True, False]
    assert await deliver(post) == [], "the other process has made the mail in the same transaction"


async def test_an_alert_waits_for_the_server_but_not_for_days(post: Post) -> None:
    item = await add(post)
    await tell(post, FALLBACKS)
    post.server.fault = "connection"
    assert await deliver(post) == []
    assert (await post.shop.engine.mail.alerts.summaries(post.shop.id))[item.id].delayed == 1
    post.server.fault = ""
    assert len(await deliver(post)) == 1
    await tell(post, FALLBACKS)
    assert len(await deliver(post, later=LATEST_MS + HOUR)) == 1, "what happened days ago is no news"


async def test_changed_alerts_count_from_then_on(post: Post) -> None:
    service, item = post.shop.engine.mail.alerts, await add(post)
    only_budgets = NewAlertRecipient(recipient="ada@shop.example", types=("budget.alert",))
    await service.replace(post.shop.actor(), item.id, only_budgets, version=1)
    await tell(post, FALLBACKS, BudgetAlert("spring", 100, None))
    assert len(await deliver(post)) == 1
    with pytest.raises(Stale):
        await service.replace(post.shop.actor(), item.id, only_budgets, version=1)


async def test_a_removed_recipient_gets_nothing_any_more(post: Post) -> None:
    service, item = post.shop.engine.mail.alerts, await add(post)
    await tell(post, FALLBACKS)
    post.server.fault = "timeout"
    await deliver(post)
    await service.remove(post.shop.actor(), item.id)
    post.server.fault = ""
    assert await deliver(post) == []
    with pytest.raises(NotFound):
        await service.get(post.shop.id, item.id)


async def test_an_address_has_its_alerts_once(post: Post) -> None:
    await add(post)
    with pytest.raises(Conflict, match="already"):
        await add(post, "ADA@shop.example")


async def test_what_is_no_alert_cannot_be_chosen(post: Post) -> None:
    with pytest.raises(Invalid):
        await add(post, types=("preference.updated",))


async def test_the_audit_log_names_no_recipient(post: Post) -> None:
    item = await add(post)
    await post.shop.engine.mail.alerts.remove(post.shop.actor(), item.id)
    entries = await post.shop.engine.catalogue.audit(post.shop.id, limit=2)
    assert [entry.action for entry in entries] == ["removed", "added"]
    assert "ada@" not in str(msgspec.to_builtins(entries))


async def test_a_mail_finds_its_event_and_no_other(post: Post) -> None:
    [number] = await tell(post, FALLBACKS)
    event = await post.shop.engine.mail.alerts.event(post.shop.id, number)
    assert event is not None
    assert msgspec.json.decode(event.body, type=MetricAlert) == FALLBACKS
    assert await post.shop.engine.mail.alerts.event(post.shop.id, number + 1) is None
    assert await post.shop.engine.mail.alerts.event(post.shop.id + 1, number) is None
