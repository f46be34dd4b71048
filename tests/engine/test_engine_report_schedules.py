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
from tests.mailing import Post, schedule
from web.http import logs

pytestmark = pytest.mark.anyio
NEVER = 10**9
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Santiago", "UTC")


def at(zone: str, *parts: int) -> int:
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


def test_an_hour_that_a_clock_skips_is_the_one_after() -> None:
    due = dict(due_days(schedule(hour=2), "Europe/Berlin", date(2026, 3, 28), date(2026, 3, 31)))
    assert due["2026-03-28"] == at("UTC", 2026, 3, 28, 1)
    assert due["2026-03-29"] == at("UTC", 2026, 3, 29, 1)
    assert due["2026-03-30"] == at("UTC", 2026, 3, 30, 0)


def test_of_an_hour_that_comes_twice_the_first_counts() -> None:
    due = dict(due_days(schedule(hour=2), "Europe/Berlin", date(2026, 10, 24), date(2026, 10, 27)))
    assert due["2026-10-25"] == at("UTC", 2026, 10, 25, 0)
    assert due["2026-10-26"] == at("UTC", 2026, 10, 26, 1)


def test_weeks_and_months_have_their_day() -> None:
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
async def post(empty_shop: Any) -> Any:
    post = Post(empty_shop, at("Europe/Berlin", 2026, 11, 20, 12))
    with simulated_time(lambda: post.now):
        yield post


async def test_each_recipient_gets_a_mail_of_their_own(post: Post) -> None:
    item = await post.add(recipients=("ada@shop.example", "bob@shop.example"))
    assert (item.next_day, item.next_at) == ("2026-11-21", at("Europe/Berlin", 2026, 11, 21, 8))
    await post.run()
    assert post.server.tried == 0
    await post.run(to=item.next_at)
    await post.run()
    assert sorted(str(message["To"]) for message in post.server.messages) == ["ada@shop.example", "bob@shop.example"]
    assert set(post.server.accepted.values()) == {1}
    assert all(message["Message-ID"].startswith(f"<{item.id}.2026-11-21.") for message in post.server.messages)
    assert post.server.messages[0]["Auto-Submitted"] == "auto-generated"
    later = await post.shop.engine.mail.schedules.get(post.shop.id, item.id)
    assert (later.last_day, later.next_day) == ("2026-11-21", "2026-11-22")
    assert (await post.summary(item)).sent_at == item.next_at


async def test_days_of_a_standstill_are_sent_later_and_old_ones_not(post: Post) -> None:
    await post.add()
    await post.run(to=at("Europe/Berlin", 2026, 11, 24, 7))
    assert [str(message["Subject"]) for message in post.server.messages] == [
        f"Report 2026-11-{day}" for day in (21, 22, 23)
    ]
    await post.run(to=at("Europe/Berlin", 2027, 2, 1, 12))
    assert len(post.server.messages) == 3 + 31


async def test_a_mail_server_that_is_down_delays_and_tells(post: Post) -> None:
    item = await post.add(recipients=("ada@shop.example", "bob@shop.example"))
    post.server.fault = "connection"
    await post.run(to=item.next_at)
    assert post.server.tried == 1, "the other would meet the same"
    summary = await post.summary(item)
    assert (summary.sent_at, summary.delayed, summary.fault) == (None, 1, "connection")
    tries = []
    for minute in range(1, 120):
        before = post.server.tried
        await post.run(to=item.next_at + minute * MINUTE)
        tries += [minute] * (post.server.tried > before)
    assert 4 <= len(tries) <= 20, "less and less often"
    post.server.fault = ""
    await post.run(to=item.next_at + 6 * HOUR)
    assert set(post.server.accepted.values()) == {1}
    assert len(post.server.accepted) == 2
    assert (await post.summary(item)).fault == ""


async def test_what_stays_undelivered_has_failed_in_the_end(post: Post) -> None:
    item = await post.add(frequency="weekly", weekday=6)
    post.server.fault = "busy"
    await post.run(to=item.next_at)
    await post.run(to=item.next_at + GIVEN_UP_MS + HOUR)
    summary = await post.summary(item)
    assert (summary.failed, summary.delayed, summary.fault) == (1, 0, "busy")
    tried = post.server.tried
    await post.run(to=item.next_at + 5 * DAY)
    assert post.server.tried == tried


async def test_a_refused_recipient_holds_up_nobody(post: Post) -> None:
    item = await post.add()
    post.server.fault = "recipient"
    await post.run(to=item.next_at)
    assert (await post.summary(item)).failed == 1
    post.server.fault = ""
    await post.run(to=item.next_at + DAY)
    summary = await post.summary(item)
    assert (summary.failed, summary.fault, len(post.server.accepted)) == (0, "", 1), "the next day makes it good"


async def test_a_report_that_cannot_be_made_holds_up_no_other(post: Post) -> None:
    broken = await post.add(name="Broken")
    await post.add(name="Whole")

    async def write(mail: Mail) -> Any:
        if mail.subject == broken.id:
            raise ValueError("no figures")
        return await compose(mail)

    post.mailer.compose = write
    await post.run(to=broken.next_at)
    assert len(post.server.accepted) == 1
    assert (await post.summary(broken)).fault == "unwritten"


async def test_separators_in_a_title_hold_up_nobody(post: Post) -> None:
    odd = await post.add(name="Odd")
    await post.add(name="Whole")

    async def write(mail: Mail) -> Any:
        title = "Klarna\u2028later\r\nBcc: all@shop.example\x85\x1c" if mail.subject == odd.id else "Whole"
        return MailContent(title, "text")

    post.mailer.compose = write
    await post.run(to=odd.next_at)
    assert {message["Subject"] for message in post.server.messages} == {
        "Klarna later Bcc: all@shop.example", "Whole",
    }  # fmt: skip
    assert not any(message["Bcc"] for message in post.server.messages)


async def test_the_same_day_is_never_sent_twice_after_a_change(post: Post) -> None:
    item = await post.add()
    await post.run(to=item.next_at)
    again = await post.shop.engine.mail.schedules.replace(post.shop.actor(), item.id, schedule(hour=15))
    assert again.next_day == "2026-11-22"
    await post.run(to=at("Europe/Berlin", 2026, 11, 21, 23))
    assert len(post.server.accepted) == 1


async def test_a_merchant_who_moves_gets_each_day_once(post: Post) -> None:
    item = await post.add()
    await post.run(to=item.next_at)
    async with post.database.write() as connection:
        await connection.execute(update(merchants).values(timezone="Pacific/Kiritimati"))
    await post.run(to=at("Europe/Berlin", 2026, 11, 25, 12))
    subjects = [str(message["Subject"]) for message in post.server.messages]
    assert subjects == sorted(set(subjects))
    assert len(subjects) == 5, "the 26th begins there, but 8 o'clock is still to come"


async def test_pausing_stops_what_waits_and_skips_days(post: Post) -> None:
    service, item = post.shop.engine.mail.schedules, await post.add()
    post.server.fault = "connection"
    await post.run(to=item.next_at)
    paused = await service.switch(post.shop.actor(), item.id, enabled=False)
    assert paused.next_at is None
    post.server.fault = ""
    await post.run(to=at("Europe/Berlin", 2026, 11, 25, 12))
    assert not post.server.accepted
    going = await service.switch(post.shop.actor(), item.id, enabled=True)
    assert going.next_day == "2026-11-26"
    entries = await post.shop.engine.catalogue.audit(post.shop.id, limit=3)
    assert [entry.action for entry in entries] == ["resumed", "paused", "created"]
    assert "ada@" not in str(msgspec.to_builtins(entries)), "the audit log does not say who gets it"


async def test_a_deleted_schedule_sends_nothing_any_more(post: Post) -> None:
    service, item = post.shop.engine.mail.schedules, await post.add()
    post.server.fault = "timeout"
    await post.run(to=item.next_at)
    await service.delete(post.shop.actor(), item.id)
    post.server.fault = ""
    await post.run(to=item.next_at + 2 * DAY)
    assert not post.server.accepted
    with pytest.raises(NotFound):
        await service.get(post.shop.id, item.id)


async def test_a_test_goes_to_the_one_who_asks_and_counts_for_no_day(post: Post) -> None:
    service, item = post.shop.engine.mail.schedules, await post.add()
    await service.test(post.shop.actor(), item.id, "me@shop.example")
    with pytest.raises(Conflict):
        await service.test(post.shop.actor(), item.id, "me@shop.example")
    await post.run()
    assert [(str(one["To"]), str(one["Subject"])) for one in post.server.messages] == [
        ("me@shop.example", "Report 2026-11-20")
    ]
    assert item.id not in await service.summaries(post.shop.id)
    await post.run(to=item.next_at)
    assert len(post.server.messages) == 2


async def test_two_editors_do_not_overwrite_each_other(post: Post) -> None:
    service, item = post.shop.engine.mail.schedules, await post.add()
    await service.replace(post.shop.actor(), item.id, schedule(hour=9), version=1)
    with pytest.raises(Stale):
        await service.replace(post.shop.actor(), item.id, schedule(hour=10), version=1)


async def test_logs_name_no_recipient(post: Post, capfd: Any) -> None:
    logs.configure("info")
    item = await post.add()
    for fault in ("connection", "recipient"):
        post.server.fault = fault  # type: ignore[assignment]
        await post.run(to=post.now + DAY)
    out = "".join(capfd.readouterr())
    assert "mail not sent" in out
    assert item.id in out
    assert "ada" not in out


async def test_without_a_mail_server_days_wait(empty_shop: Any) -> None:
    engine = empty_shop.engine
    item = await engine.mail.schedules.create(empty_shop.actor(), schedule())
    with simulated_time(lambda: item.next_at + HOUR):
        await engine.mail.make()
        await engine.mail.mailer.run()
    assert (await engine.mail.schedules.get(empty_shop.id, item.id)).last_day == ""


async def test_two_leaders_at_once_make_each_mail_once(post: Post) -> None:
    item = await post.add()
    post.now = item.next_at + now_ms() % 7
    first = [schedules.DueSchedule(item, "Europe/Berlin")]
    async with post.database.write() as connection:
        moved = [
            await schedules.advance(connection, each.schedule, following(item.document, each.timezone, item.next_day))
            for each in first * 2
        ]
    assert moved == [True, False]
