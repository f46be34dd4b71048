"""The page of alerts by mail, and what the mails say."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.clock import now_ms
from engine.configuration.configuration import Configuration
from engine.model.events.event import (
    ArmJump,
    BudgetAlert,
    CandidateOutage,
    CompletedExperiment,
    MetricAlert,
    NewEvent,
    PredictionAlert,
    StoredEvent,
    WeekOff,
)
from engine.model.mailing.alert_recipient import ALERT_TYPES
from engine.store.events import outbox
from tests.mailboxes import MemoryMailServer
from tests.marks import CHANGES_NOTHING
from tests.serving import Server, Side
from tests.web.people import Person, add_person
from web.admin.settings.alert_list import NAMES
from web.format import Show, viewer_locale
from web.mailing.alert_words import alert_words

PAGE = "/admin/alerts"
CHOSEN = {"recipient": "ada@shop.example", "type:metric.alert": "on", "type:outage.noticed": "on"}
SHOW = Show(locale=viewer_locale("en"), timezone="Europe/Berlin", now=1_795_000_000_000)


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    return add_person(server, side)


def add_event(server: Server, side: Side, event_type: Any, body: Any) -> None:
    """Write an event, and send the mails about it."""
    engine = server.engine

    async def work() -> None:
        async with engine.database.write() as connection:
            await outbox.append(connection, [NewEvent(side.merchant.id, event_type, body)], now=now_ms())
        await engine.mail.alerts.make_mails(now=now_ms())
        await engine.mail.mailer.run()

    server.run(work())


def item_of(server: Server, side: Side) -> str:
    [item] = server.run(server.engine.mail.alerts.all(side.merchant.id))
    return item.id


# Words


@pytest.mark.parametrize(
    ("event_type", "body", "title", "text", "path"),
    [
        (
            "metric.alert",
            MetricAlert("payment_methods", "fallbacks", 0.031, 0.0004, 498812),
            "Fallbacks: payment_methods",
            "3.1% of the answers since",
            "/decisions?placement=payment_methods",
        ),
        (
            "metric.alert",
            MetricAlert("payment_methods", "latency", 812.4, 95.2, 498812),
            "Slow answers: payment_methods",
            "took longer than 812 ms; usual are 95 ms.",
            "/?placement=payment_methods",
        ),
        (
            "metric.alert",
            MetricAlert("payment_methods", "conversion", 0.4, 0.6, 498812),
            "Fewer purchases: payment_methods",
            "40.0% of yesterday’s checkouts ended in a purchase; usual are 60.0%.",
            "/placements/payment_methods",
        ),
        (
            "outage.noticed",
            CandidateOutage("payment_methods", "klarna", "2026-11-21T09:30:00.000Z"),
            "Down: klarna",
            "klarna seems to be down since Nov 21, 2026, 10:30:00",
            "/placements/payment_methods/candidates",
        ),
        (
            "outage.ended",
            CandidateOutage("payment_methods", "klarna", "2026-11-21T09:30:00.000Z"),
            "Back: klarna",
            "klarna succeeds again.",
            "/placements/payment_methods/candidates",
        ),
        (
            "budget.alert",
            BudgetAlert("spring", 80, None),
            "80% of a budget: spring",
            "80% of the budget",
            "/budgets/spring",
        ),
        ("budget.alert", BudgetAlert("spring", 100, None), "Budget used up: spring", "100% of the", "/budgets/spring"),
        (
            "arm.jumped",
            ArmJump("payment_methods", "klarna"),
            "Jump: klarna",
            "The success rate of klarna changed at once.",
            "/placements/payment_methods/performance/klarna",
        ),
        (
            "predictions.off",
            PredictionAlert("payment_methods", (WeekOff("klarna", 20777, 214.6, 158.0),)),
            "Predictions off: payment_methods",
            "by more than noise, in 1 figure of a week.",
            "/placements/payment_methods/learning",
        ),
        (
            "experiment.completed",
            CompletedExperiment("payment_methods", "paypal-first", "concluded", "b", "more purchases."),
            "Experiment concluded: paypal-first",
            "The experiment “paypal-first” was concluded: more purchases.",
            "/experiments/payment_methods/paypal-first",
        ),
    ],
)
def test_mail_names_the_change_and_links_to_it(event_type: Any, body: Any, title: str, text: str, path: str) -> None:
    event = StoredEvent(1, event_type, msgspec.json.encode(body).decode(), SHOW.now)
    words = alert_words(event, Configuration([], revision=0), SHOW)
    assert words.title == title
    assert text in words.text
    assert words.path == path


def test_every_alert_has_a_name_on_the_page() -> None:
    assert tuple(NAMES) == ALERT_TYPES


# The page


def test_a_recipient_gets_the_alerts_that_were_chosen(
    server: Server, side: Side, person: Person, mail_server: MemoryMailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = msgspec.structs.replace(server.engine.settings, public_url="https://tap2.shop.example")
    monkeypatch.setattr(server.engine, "settings", reached)
    assert person.send(PAGE, **CHOSEN).status_code == 303
    assert "A method is down; Figures are unusual" in person.get(PAGE)
    outage = CandidateOutage("payment_methods", "paypal", "2026-11-21T09:30:00.000Z")
    add_event(server, side, "outage.noticed", outage)
    add_event(server, side, "budget.alert", BudgetAlert("spring", 80, None))
    [message] = mail_server.messages
    assert (str(message["To"]), str(message["Subject"])) == ("ada@shop.example", "Down: PayPal")
    body = message.get_body()
    assert body is not None
    text = body.get_content()
    assert "PayPal seems to be down since" in text
    link = "https://tap2.shop.example/admin/live/placements/payment_methods/candidates"
    assert link in text
    assert "PayPal" in person.get(link.removeprefix("https://tap2.shop.example"))


def test_a_refused_alert_is_a_badge(server: Server, side: Side, person: Person, mail_server: MemoryMailServer) -> None:
    person.send(PAGE, **CHOSEN)
    mail_server.fault = "recipient"
    add_event(server, side, "metric.alert", MetricAlert("payment_methods", "fallbacks", 0.03, 0.01, 498812))
    page = person.get(PAGE)
    assert ">Failed</span>" in page
    assert "The mail server refuses a recipient" in page


@CHANGES_NOTHING
@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"recipient": "ada"}, "Type an e-mail address"),
        ({"recipient": ""}, "Type an e-mail address"),
        ({"type:metric.alert": "", "type:outage.noticed": ""}, "Choose at least one alert"),
    ],
)
def test_invalid_field_has_a_message_beside_it(person: Person, changes: dict[str, str], problem: str) -> None:
    answer = person.send(PAGE, **(CHOSEN | changes))
    assert answer.status_code == 422
    assert problem in answer.text
    assert "Nobody gets alerts yet" in answer.text


def test_an_address_is_added_once_changed_and_removed(server: Server, side: Side, person: Person) -> None:
    person.send(PAGE, **CHOSEN)
    again = person.send(PAGE, **CHOSEN)
    assert (again.status_code, "gets alerts already" in again.text) == (409, True)
    address = f"{PAGE}/{item_of(server, side)}"
    version = person.version(address)
    assert person.send(address, **{"type:budget.alert": "on", "version": version}).status_code == 303
    assert "A budget is nearly spent" in person.get(PAGE)
    stale = person.send(address, **{"type:budget.alert": "on", "version": version})
    assert (stale.status_code, "ada@shop.example" in stale.text) == (409, True)
    assert person.send(f"{address}/remove").status_code == 303
    assert "Nobody gets alerts yet" in person.get(PAGE)


@pytest.mark.parametrize("role", ["viewer", "editor", "publisher"])
def test_only_admins_view_and_change_recipients(server: Server, side: Side, person: Person, role: Any) -> None:
    person.send(PAGE, **CHOSEN)
    address = f"{PAGE}/{item_of(server, side)}"
    other = add_person(server, side, role=role)
    page = other.get(PAGE)
    assert "A method is down" in page
    assert "ada@shop.example" not in page
    assert other.client.get(other.address(address)).status_code == 403
    for path in (PAGE, address, f"{address}/remove"):
        assert other.send(path, **CHOSEN).status_code == 403


def test_recipients_of_another_merchant_do_not_exist(server: Server, side: Side, person: Person) -> None:
    person.send(PAGE, **CHOSEN)
    other_person = add_person(server, server.sides()[0])
    address = f"{PAGE}/{item_of(server, side)}"
    assert other_person.client.get(other_person.address(address)).status_code == 404
    for path in (address, f"{address}/remove"):
        assert other_person.send(path, **CHOSEN).status_code == 404
    assert "ada@shop.example" in person.get(PAGE)
