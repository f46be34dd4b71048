"""Alerts by mail: each subscriber gets one mail for each event after the subscription."""

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
from tests.mailing import MailingShop

pytestmark = pytest.mark.anyio
FALLBACKS = MetricAlert("payment_methods", "fallbacks", 0.031, 0.0004, 498812)


@pytest.fixture
async def mailing(empty_shop: Any) -> Any:
    mailing = MailingShop(empty_shop, now_ms())
    with simulated_time(lambda: mailing.now):
        yield mailing


async def add_events(mailing: MailingShop, *bodies: Any) -> list[int]:
    """Write events of alerts; return their numbers."""
    types: dict[type, Any] = {MetricAlert: "metric.alert", BudgetAlert: "budget.alert"}
    numbers = []
    async with mailing.database.write() as connection:
        for body in bodies:
            event = NewEvent(mailing.shop.id, types.get(type(body), "version.published"), body)
            numbers.append((await outbox.add(connection, event, now=mailing.now)).id)
    return numbers


async def add(
    mailing: MailingShop, recipient: str = "ada@shop.example", *, types: tuple[Any, ...] = ("metric.alert",)
) -> Any:
    document = NewAlertRecipient(recipient=recipient, types=types)
    return await mailing.shop.engine.mail.alerts.add(mailing.shop.actor(), document)


async def deliver(mailing: MailingShop, *, later: int = HOUR) -> list[tuple[str, str]]:
    """Make and send mails; return the recipient and the id of each that has arrived so far."""
    mailing.now += later
    await mailing.shop.engine.mail.alerts.make_mails(now=mailing.now)
    await mailing.mailer.run()
    return [(str(each["To"]), str(each["Message-ID"])) for each in mailing.server.messages]


async def test_each_alert_is_sent_once_to_its_subscribers(mailing: MailingShop) -> None:
    await add_events(mailing, FALLBACKS)
    ada = await add(mailing)
    bob = await add(mailing, "bob@shop.example", types=("budget.alert", "metric.alert"))
    metric, budget, _ = await add_events(
        mailing, FALLBACKS, BudgetAlert("spring", 80, None), PublishedVersion("p", 2, "", False)
    )
    expected = {
        ("ada@shop.example", f"<{ada.id}.evt_{metric}@shop.example>"),
        ("bob@shop.example", f"<{bob.id}.evt_{metric}@shop.example>"),
        ("bob@shop.example", f"<{bob.id}.evt_{budget}@shop.example>"),
    }
    assert set(await deliver(mailing)) == expected, "nothing from before, and no version"
    assert len(await deliver(mailing)) == 3
    assert (await mailing.shop.engine.mail.alerts.summaries(mailing.shop.id))[ada.id].sent_at == mailing.now - HOUR


async def test_two_processes_make_each_mail_once(mailing: MailingShop) -> None:
    item = await add(mailing)
    [number] = await add_events(mailing, FALLBACKS)
    async with mailing.database.write() as connection:
        moved = [await alert_recipients.move(connection, item, number) for _ in range(2)]
    assert moved == [True, False]
    assert await deliver(mailing) == [], "the other process has made the mail in the same transaction"


async def test_alert_is_retried_for_a_limited_time(mailing: MailingShop) -> None:
    item = await add(mailing)
    await add_events(mailing, FALLBACKS)
    mailing.server.fault = "connection"
    assert await deliver(mailing) == []
    assert (await mailing.shop.engine.mail.alerts.summaries(mailing.shop.id))[item.id].delayed == 1
    mailing.server.fault = ""
    assert len(await deliver(mailing)) == 1
    await add_events(mailing, FALLBACKS)
    assert len(await deliver(mailing, later=LATEST_MS + HOUR)) == 1, "what happened days ago is no news"


async def test_changed_subscription_applies_to_later_alerts(mailing: MailingShop) -> None:
    service, item = mailing.shop.engine.mail.alerts, await add(mailing)
    only_budgets = NewAlertRecipient(recipient="ada@shop.example", types=("budget.alert",))
    await service.replace(mailing.shop.actor(), item.id, only_budgets, version=1)
    await add_events(mailing, FALLBACKS, BudgetAlert("spring", 100, None))
    assert len(await deliver(mailing)) == 1
    with pytest.raises(Stale):
        await service.replace(mailing.shop.actor(), item.id, only_budgets, version=1)


async def test_removed_recipient_gets_no_mail(mailing: MailingShop) -> None:
    service, item = mailing.shop.engine.mail.alerts, await add(mailing)
    await add_events(mailing, FALLBACKS)
    mailing.server.fault = "timeout"
    await deliver(mailing)
    await service.remove(mailing.shop.actor(), item.id)
    mailing.server.fault = ""
    assert await deliver(mailing) == []
    with pytest.raises(NotFound):
        await service.get(mailing.shop.id, item.id)


async def test_an_address_has_its_alerts_once(mailing: MailingShop) -> None:
    await add(mailing)
    with pytest.raises(Conflict, match="already"):
        await add(mailing, "ADA@shop.example")


async def test_unknown_alert_type_is_refused(mailing: MailingShop) -> None:
    with pytest.raises(Invalid):
        await add(mailing, types=("preference.updated",))


async def test_the_audit_log_names_no_recipient(mailing: MailingShop) -> None:
    item = await add(mailing)
    await mailing.shop.engine.mail.alerts.remove(mailing.shop.actor(), item.id)
    entries = await mailing.shop.engine.catalogue.audit(mailing.shop.id, limit=2)
    assert [entry.action for entry in entries] == ["removed", "added"]
    assert "ada@" not in str(msgspec.to_builtins(entries))


async def test_mail_reads_its_own_event(mailing: MailingShop) -> None:
    [number] = await add_events(mailing, FALLBACKS)
    event = await mailing.shop.engine.mail.alerts.event(mailing.shop.id, number)
    assert event is not None
    assert msgspec.json.decode(event.body, type=MetricAlert) == FALLBACKS
    assert await mailing.shop.engine.mail.alerts.event(mailing.shop.id, number + 1) is None
    assert await mailing.shop.engine.mail.alerts.event(mailing.shop.id + 1, number) is None
