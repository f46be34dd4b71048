"""The page of scheduled reports: permissions, rows and sent mails."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from engine.clock import now_ms
from engine.model.mailing.report_schedule import day_of
from engine.store.mailing import schedules
from tests.mailboxes import MemoryMailServer
from tests.marks import CHANGES_NOTHING
from tests.serving import Server, Side
from tests.web.people import Person, add_person

FIELDS = {
    "name": "Weekly figures",
    "placement": "payment_methods",
    "frequency": "weekly",
    "weekday": "1",
    "month_day": "1",
    "hour": "8",
    "format": "csv detailed",
    "recipients": "ada@shop.example, bob@shop.example",
}
PAGE = "/admin/reports"


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    return add_person(server, side)


def add(person: Person, **changes: str) -> Any:
    return person.send(PAGE, **(FIELDS | changes))


def id_of(server: Server, side: Side) -> str:
    [item] = server.run(server.engine.mail.schedules.all(side.merchant.id))
    return item.id


def make_due(server: Server, side: Side) -> None:
    """Let the schedule be due now, and send what is."""
    engine = server.engine

    async def work() -> None:
        [item] = await engine.mail.schedules.all(side.merchant.id)
        async with engine.database.write() as connection:
            # The week before today is over; the next one that is due may have hardly begun.
            today = day_of("UTC", now_ms())
            due = item._replace(version=item.version + 1, next_day=today, next_at=now_ms() - 1)
            assert await schedules.replace(connection, due)
        await engine.mail.clock.run(now=now_ms())
        await engine.mail.mailer.run()

    server.run(work())


def test_a_report_is_scheduled_and_arrives(
    server: Server, side: Side, person: Person, mail_server: MemoryMailServer
) -> None:
    assert add(person).status_code == 303
    page = person.get(PAGE)
    assert "Every Monday at 08:00. CSV, Payment methods" in page
    assert ">On</span>" in page
    make_due(server, side)
    assert sorted(str(message["To"]) for message in mail_server.messages) == ["ada@shop.example", "bob@shop.example"]
    [message, _] = mail_server.messages
    body = message.get_body()
    assert body is not None
    text = body.get_content()
    assert "No checkouts in these 7 days" in text
    assert "Checkouts with a purchase: –. Too little." in text
    assert "“Weekly figures” on their page Reports" in text
    [file] = message.iter_attachments()
    assert re.fullmatch(r"payment_methods-[\d-]{21}-detailed\.csv", file.get_filename() or "")
    assert "summary,Checkouts with a purchase,conversion" in file.get_content()
    assert re.search(r"<td class=\"tight\"><time[^>]*>now</time></td>", person.get(PAGE)), "last sent"


def test_a_failure_is_a_badge_with_its_reason(
    server: Server, side: Side, person: Person, mail_server: MemoryMailServer
) -> None:
    add(person)
    mail_server.fault = "connection"
    make_due(server, side)
    page = person.get(PAGE)
    assert ">Delayed</span>" in page
    assert "The mail server does not answer; again" in page
    person.send(f"{PAGE}/{id_of(server, side)}/pause")
    mail_server.fault = "recipient"
    person.send(f"{PAGE}/{id_of(server, side)}/resume")
    make_due(server, side)
    page = person.get(PAGE)
    assert ">Failed</span>" in page
    assert "The mail server refuses a recipient" in page


def test_test_report_is_sent_to_the_person_who_requests_it(
    server: Server, side: Side, person: Person, mail_server: MemoryMailServer
) -> None:
    add(person)
    assert person.send(f"{PAGE}/{id_of(server, side)}/test").status_code == 303
    server.run(server.engine.mail.mailer.run())
    assert [str(message["To"]) for message in mail_server.messages] == [person.email]
    assert str(mail_server.messages[0]["Subject"]).startswith("Test: Weekly figures, ")
    page = person.get(PAGE)
    assert page.count("<time") == 1, "nothing was sent but a test"


def test_page_without_a_mail_server_has_a_message(server: Server, side: Side, person: Person) -> None:
    add(person)
    page = person.get(PAGE)
    assert "No mail is sent" in page
    answer = person.send(f"{PAGE}/{id_of(server, side)}/test")
    assert "Nothing was sent" in person.client.get(answer.headers["location"]).text


def test_a_schedule_is_changed_paused_and_deleted(server: Server, side: Side, person: Person) -> None:
    add(person)
    address = f"{PAGE}/{id_of(server, side)}"
    version = person.version(address)
    assert person.send(address, **(FIELDS | {"frequency": "daily", "version": version})).status_code == 303
    assert "Every day at 08:00" in person.get(PAGE)
    stale = person.send(address, **(FIELDS | {"version": version}))
    assert (stale.status_code, "somebody else has changed" in stale.text.lower()) == (409, True)
    person.send(f"{address}/pause")
    assert ">Paused</span>" in person.get(PAGE)
    assert person.send(f"{address}/delete", confirm="something").status_code == 422
    assert person.send(f"{address}/delete", confirm="Weekly figures").status_code == 303
    assert "No reports yet" in person.get(PAGE)


@CHANGES_NOTHING
@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": ""}, "Give it a name"),
        ({"name": "a\nBcc: eve@evil.example"}, "Give it a name"),
        ({"recipients": ""}, "Type 1 to 20 e-mail addresses"),
        ({"recipients": "ada"}, "Type 1 to 20 e-mail addresses"),
        ({"recipients": "ada@shop.example>,<eve@evil.example"}, "Type 1 to 20 e-mail addresses"),
        ({"recipients": " ".join(f"a{number}@shop.example" for number in range(21))}, "Type 1 to 20"),
        ({"placement": "nowhere"}, "Choose a placement"),
        ({"hour": "24"}, "Choose an hour"),
        ({"format": "exe summary"}, "Choose a format"),
    ],
)
def test_invalid_field_has_a_message_beside_it(person: Person, changes: dict[str, str], problem: str) -> None:
    answer = add(person, **changes)
    assert answer.status_code == 422
    assert problem in answer.text
    assert "No reports yet" in answer.text


@pytest.mark.parametrize("role", ["viewer", "editor", "publisher"])
def test_only_admins_see_the_recipients(server: Server, side: Side, person: Person, role: Any) -> None:
    add(person)
    address = f"{PAGE}/{id_of(server, side)}"
    other = add_person(server, side, role=role)
    page = other.get(PAGE)
    assert "Weekly figures" in page
    assert "ada@shop.example" not in page
    assert "<form" not in page.partition("<main")[2].partition("</main>")[0]
    assert other.client.get(other.address(address)).status_code == 403
    for act in ("", "/test", "/pause", "/delete"):
        assert other.send(f"{address}{act}", **FIELDS).status_code == 403
    assert "ada@shop.example" not in other.get("/admin/audit")
    assert "ada@shop.example" in person.get(address)


def test_reports_of_another_merchant_do_not_exist(server: Server, side: Side, person: Person) -> None:
    add(person)
    other_person = add_person(server, server.sides()[0])
    address = f"{PAGE}/{id_of(server, side)}"
    assert other_person.client.get(other_person.address(address)).status_code == 404
    for act in ("", "/test", "/pause", "/resume", "/delete"):
        assert other_person.send(f"{address}{act}", confirm="Weekly figures", **FIELDS).status_code in (404, 422)
    assert "Weekly figures" in person.get(PAGE)


def test_a_deleted_placement_fails_its_reports(
    server: Server, side: Side, person: Person, mail_server: MemoryMailServer
) -> None:
    add(person)
    answer = side.client.delete("/v1/placements/payment_methods", headers={"if-match": '"1"'})
    assert answer.status_code == 204, answer.text
    make_due(server, side)
    assert "The placement was deleted" in person.get(PAGE)
    assert not mail_server.messages


def test_link_opens_the_days_of_the_report(
    server: Server, side: Side, person: Person, mail_server: MemoryMailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = msgspec.structs.replace(server.engine.settings, public_url="https://tap2.shop.example")
    monkeypatch.setattr(server.engine, "settings", reached)
    add(person)
    make_due(server, side)
    body = mail_server.messages[0].get_body()
    assert body is not None
    link = re.search(r"https://tap2\.shop\.example(/admin/live/\?range=custom&\S+)", body.get_content())
    assert link
    assert "No checkouts in these 7 days" in person.get(link[1])
