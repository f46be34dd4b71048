"""Reports are due on the merchant's own days, and each day is sent once, whatever stops or fails meanwhile."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from sqlalchemy import update

from engine.clock import now_ms, simulated_time
from engine.mailing.mailer import GIVEN_UP_MS
from engine.model.errors import Conflict, NotFound, Stale
from engine.model.mailing.mail import Mail, MailContent
from engine.model.mailing.report_schedule import NewReportSchedule, days_reported, following, next_due
from engine.model.timestamps import DAY, HOUR, MINUTE, to_ms
from engine.store.mailing import schedules
from engine.store.tables.accounts import merchants
from tests.mailboxes import compose
from tests.mailing import MailingShop, schedule
from web.http import logs

pytestmark = pytest.mark.anyio
NEVER = 10**9
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Santiago", "UTC")


def timestamp(zone: str, *parts: int) -> int:
    return to_ms(datetime(*parts, tzinfo=ZoneInfo(zone)))  # type: ignore[arg-type, misc]


def due_days(document: NewReportSchedule, zone: str, begin: date, end: date) -> list[tuple[str, int]]:
    """The days from one on and before another, as the engine goes from each to the next."""
    first = to_ms(datetime(begin.year, begin.month, begin.day, tzinfo=ZoneInfo(zone))) - 1
    due = next_due(document, zone, last_day="", now=first)
    days = []
    while due.day < end.isoformat():
        days.append((due.day, due.moment))
        due = following(document, zone, due.day)
    return days


# Days


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("hour", [0, 2, 3, 8, 23])
def test_every_day_of_a_year_is_due_once(zone: str, hour: int) -> None:
    days = due_days(schedule(hour=hour), zone, date(2026, 1, 1), date(2027, 1, 1))
    assert [day for day, _ in days] == [(date(2026, 1, 1) + timedelta(number)).isoformat() for number in range(365)]
    gaps = {(after[1] - before[1]) / HOUR for before, after in pairwise(days)}
    assert gaps <= {22.0, 23.0, 23.5, 24.0, 24.5, 25.0}


def test_skipped_hour_is_the_next_hour() -> None:
    due = dict(due_days(schedule(hour=2), "Europe/Berlin", date(2026, 3, 28), date(2026, 3, 31)))
    assert due["2026-03-28"] == timestamp("UTC", 2026, 3, 28, 1)
    assert due["2026-03-29"] == timestamp("UTC", 2026, 3, 29, 1)
    assert due["2026-03-30"] == timestamp("UTC", 2026, 3, 30, 0)


def test_repeated_hour_is_the_first() -> None:
    due = dict(due_days(schedule(hour=2), "Europe/Berlin", date(2026, 10, 24), date(2026, 10, 27)))
    assert due["2026-10-25"] == timestamp("UTC", 2026, 10, 25, 0)
    assert due["2026-10-26"] == timestamp("UTC", 2026, 10, 26, 1)


def test_weekly_and_monthly_reports_have_a_day() -> None:
    mondays = due_days(schedule(frequency="weekly", weekday=1), "UTC", date(2026, 11, 1), date(2026, 12, 1))
    assert [day for day, _ in mondays] == ["2026-11-02", "2026-11-09", "2026-11-16", "2026-11-23", "2026-11-30"]
    months = due_days(schedule(frequency="monthly", month_day=28), "UTC", date(2026, 1, 29), date(2026, 5, 1))
    assert [day for day, _ in months] == ["2026-02-28", "2026-03-28", "2026-04-28"]
    year = due_days(schedule(frequency="monthly"), "UTC", date(2026, 1, 1), date(2027, 1, 1))
    assert len(year) == 12


def test_a_report_is_about_whole_days_before() -> None:
    assert days_reported("daily", "2026-03-01") == (date(2026, 2, 28), date(2026, 2, 28))
    assert days_reported("weekly", "2026-11-02") == (date(2026, 10, 26), date(2026, 11, 1))
    assert days_reported("monthly", "2026-03-05") == (date(2026, 2, 1), date(2026, 2, 28))


# Making and sending


@pytest.fixture
async def mailing(empty_shop: Any) -> Any:
    mailing = MailingShop(empty_shop, timestamp("Europe/Berlin", 2026, 11, 20, 12))
    with simulated_time(lambda: mailing.now):
        yield mailing


async def test_each_recipient_gets_a_mail_of_their_own(mailing: MailingShop) -> None:
    item = await mailing.add(recipients=("ada@shop.example", "bob@shop.example"))
    assert (item.next_day, item.next_at) == ("2026-11-21", timestamp("Europe/Berlin", 2026, 11, 21, 8))
    await mailing.run()
    assert mailing.server.attempts == 0
    await mailing.run(to=item.next_at)
    await mailing.run()
    assert sorted(str(message["To"]) for message in mailing.server.messages) == ["ada@shop.example", "bob@shop.example"]
    assert set(mailing.server.accepted.values()) == {1}
    assert all(message["Message-ID"].startswith(f"<{item.id}.2026-11-21.") for message in mailing.server.messages)
    assert mailing.server.messages[0]["Auto-Submitted"] == "auto-generated"
    later = await mailing.shop.engine.mail.schedules.get(mailing.shop.id, item.id)
    assert (later.last_day, later.next_day) == ("2026-11-21", "2026-11-22")
    assert (await mailing.summary(item)).sent_at == item.next_at


async def test_missed_days_are_sent_later_unless_too_old(mailing: MailingShop) -> None:
    await mailing.add()
    await mailing.run(to=timestamp("Europe/Berlin", 2026, 11, 24, 7))
    assert [str(message["Subject"]) for message in mailing.server.messages] == [
        f"Report 2026-11-{day}" for day in (21, 22, 23)
    ]
    await mailing.run(to=timestamp("Europe/Berlin", 2027, 2, 1, 12))
    assert len(mailing.server.messages) == 3 + 31


async def test_unreachable_mail_server_delays_reports_and_is_shown(mailing: MailingShop) -> None:
    item = await mailing.add(recipients=("ada@shop.example", "bob@shop.example"))
    mailing.server.fault = "connection"
    await mailing.run(to=item.next_at)
    assert mailing.server.attempts == 1, "the other would meet the same"
    summary = await mailing.summary(item)
    assert (summary.sent_at, summary.delayed, summary.fault) == (None, 1, "connection")
    tries = []
    for minute in range(1, 120):
        before = mailing.server.attempts
        await mailing.run(to=item.next_at + minute * MINUTE)
        tries += [minute] * (mailing.server.attempts > before)
    assert 4 <= len(tries) <= 20, "less and less often"
    mailing.server.fault = ""
    await mailing.run(to=item.next_at + 6 * HOUR)
    assert set(mailing.server.accepted.values()) == {1}
    assert len(mailing.server.accepted) == 2
    assert (await mailing.summary(item)).fault == ""


async def test_undelivered_report_fails_finally(mailing: MailingShop) -> None:
    item = await mailing.add(frequency="weekly", weekday=6)
    mailing.server.fault = "busy"
    await mailing.run(to=item.next_at)
    await mailing.run(to=item.next_at + GIVEN_UP_MS + HOUR)
    summary = await mailing.summary(item)
    assert (summary.failed, summary.delayed, summary.fault) == (1, 0, "busy")
    tried = mailing.server.attempts
    await mailing.run(to=item.next_at + 5 * DAY)
    assert mailing.server.attempts == tried


async def test_refused_recipient_does_not_block_others(mailing: MailingShop) -> None:
    item = await mailing.add()
    mailing.server.fault = "recipient"
    await mailing.run(to=item.next_at)
    assert (await mailing.summary(item)).failed == 1
    mailing.server.fault = ""
    await mailing.run(to=item.next_at + DAY)
    summary = await mailing.summary(item)
    assert (summary.failed, summary.fault, len(mailing.server.accepted)) == (0, "", 1), "the next day makes it good"


async def test_failed_report_does_not_block_others(mailing: MailingShop) -> None:
    broken = await mailing.add(name="Broken")
    await mailing.add(name="Whole")

    async def write(mail: Mail) -> Any:
        if mail.subject == broken.id:
            raise ValueError("no figures")
        return await compose(mail)

    mailing.mailer.compose = write
    await mailing.run(to=broken.next_at)
    assert len(mailing.server.accepted) == 1
    assert (await mailing.summary(broken)).fault == "unwritten"


async def test_line_separators_in_a_title_do_not_block_others(mailing: MailingShop) -> None:
    odd = await mailing.add(name="Odd")
    await mailing.add(name="Whole")

    async def write(mail: Mail) -> Any:
        title = "Klarna\u2028later\r\nBcc: all@shop.example\x85\x1c" if mail.subject == odd.id else "Whole"
        return MailContent(title, "text")

    mailing.mailer.compose = write
    await mailing.run(to=odd.next_at)
    assert {message["Subject"] for message in mailing.server.messages} == {
        "Klarna later Bcc: all@shop.example", "Whole",
    }  # fmt: skip
    assert not any(message["Bcc"] for message in mailing.server.messages)


async def test_the_same_day_is_never_sent_twice_after_a_change(mailing: MailingShop) -> None:
    item = await mailing.add()
    await mailing.run(to=item.next_at)
    again = await mailing.shop.engine.mail.schedules.replace(mailing.shop.actor(), item.id, schedule(hour=15))
    assert again.next_day == "2026-11-22"
    await mailing.run(to=timestamp("Europe/Berlin", 2026, 11, 21, 23))
    assert len(mailing.server.accepted) == 1


async def test_changed_timezone_sends_each_day_once(mailing: MailingShop) -> None:
    item = await mailing.add()
    await mailing.run(to=item.next_at)
    async with mailing.database.write() as connection:
        await connection.execute(update(merchants).values(timezone="Pacific/Kiritimati"))
    await mailing.run(to=timestamp("Europe/Berlin", 2026, 11, 25, 12))
    subjects = [str(message["Subject"]) for message in mailing.server.messages]
    assert subjects == sorted(set(subjects))
    assert len(subjects) == 5, "the 26th begins there, but 8 o'clock is still to come"


async def test_pause_cancels_queued_mails_and_skips_days(mailing: MailingShop) -> None:
    service, item = mailing.shop.engine.mail.schedules, await mailing.add()
    mailing.server.fault = "connection"
    await mailing.run(to=item.next_at)
    paused = await service.switch(mailing.shop.actor(), item.id, enabled=False)
    assert paused.next_at is None
    mailing.server.fault = ""
    await mailing.run(to=timestamp("Europe/Berlin", 2026, 11, 25, 12))
    assert not mailing.server.accepted
    going = await service.switch(mailing.shop.actor(), item.id, enabled=True)
    assert going.next_day == "2026-11-26"
    entries = await mailing.shop.engine.catalogue.audit(mailing.shop.id, limit=3)
    assert [entry.action for entry in entries] == ["resumed", "paused", "created"]
    assert "ada@" not in str(msgspec.to_builtins(entries)), "the audit log does not say who gets it"


async def test_deleted_schedule_sends_no_mail(mailing: MailingShop) -> None:
    service, item = mailing.shop.engine.mail.schedules, await mailing.add()
    mailing.server.fault = "timeout"
    await mailing.run(to=item.next_at)
    await service.delete(mailing.shop.actor(), item.id)
    mailing.server.fault = ""
    await mailing.run(to=item.next_at + 2 * DAY)
    assert not mailing.server.accepted
    with pytest.raises(NotFound):
        await service.get(mailing.shop.id, item.id)


async def test_test_mail_is_sent_to_its_requester_and_counts_for_no_day(mailing: MailingShop) -> None:
    service, item = mailing.shop.engine.mail.schedules, await mailing.add()
    await service.test(mailing.shop.actor(), item.id, "me@shop.example")
    with pytest.raises(Conflict):
        await service.test(mailing.shop.actor(), item.id, "me@shop.example")
    await mailing.run()
    assert [(str(message["To"]), str(message["Subject"])) for message in mailing.server.messages] == [
        ("me@shop.example", "Report 2026-11-20")
    ]
    assert item.id not in await service.summaries(mailing.shop.id)
    await mailing.run(to=item.next_at)
    assert len(mailing.server.messages) == 2


async def test_two_editors_do_not_overwrite_each_other(mailing: MailingShop) -> None:
    service, item = mailing.shop.engine.mail.schedules, await mailing.add()
    await service.replace(mailing.shop.actor(), item.id, schedule(hour=9), version=1)
    with pytest.raises(Stale):
        await service.replace(mailing.shop.actor(), item.id, schedule(hour=10), version=1)


async def test_logs_name_no_recipient(mailing: MailingShop, capfd: Any) -> None:
    logs.configure("info")
    item = await mailing.add()
    for fault in ("connection", "recipient"):
        mailing.server.fault = fault  # type: ignore[assignment]
        await mailing.run(to=mailing.now + DAY)
    out = "".join(capfd.readouterr())
    assert "mail not sent" in out
    assert item.id in out
    assert not any(part in out for part in ("ada@", "shop.example"))


async def test_without_a_mail_server_days_wait(empty_shop: Any) -> None:
    engine = empty_shop.engine
    item = await engine.mail.schedules.create(empty_shop.actor(), schedule())
    with simulated_time(lambda: item.next_at + HOUR):
        await engine.mail.make()
        await engine.mail.mailer.run()
    assert (await engine.mail.schedules.get(empty_shop.id, item.id)).last_day == ""


async def test_two_leaders_at_once_make_each_mail_once(mailing: MailingShop) -> None:
    item = await mailing.add()
    mailing.now = item.next_at + now_ms() % 7
    first = [schedules.DueSchedule(item, "Europe/Berlin")]
    async with mailing.database.write() as connection:
        moved = [
            await schedules.advance(connection, each.schedule, following(item.document, each.timezone, item.next_day))
            for each in first * 2
        ]
    assert moved == [True, False]
