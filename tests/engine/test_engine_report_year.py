"""Schedules live through a year with clock changes while the process is killed at random: each day is sent once."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from engine.clock import simulated_time
from engine.mailing import mailer as mailer_module
from engine.mailing.mailer import LEASE_MS
from engine.model.mailing.report_schedule import NewReportSchedule
from engine.model.timestamps import HOUR, to_ms
from engine.store.connection import database
from engine.store.mailing import mails, schedules
from engine.store.tables.accounts import merchants
from tests.mailing import MailingShop

pytestmark = pytest.mark.anyio
NEVER = 10**9
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe")


@pytest.fixture
async def mailing(empty_shop: Any) -> Any:
    mailing = MailingShop(empty_shop, 0)
    with simulated_time(lambda: mailing.now):
        yield mailing


class Killed(BaseException):
    """Raised to end a process between two steps."""


class Killer:
    """Ends the process at random steps, so many times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, mailing: MailingShop, *, kills: int, steps: int) -> None:
        self.luck, self.left, self.chance, self.doubled = random.Random(3), kills, kills / steps, 0
        self.is_on = True
        for module, name in ((schedules, "advance"), (mails, "add"), (mails, "claim")):
            monkeypatch.setattr(module, name, self.around(getattr(module, name)))
        # The server has the mail, and the process dies before it stores so.
        monkeypatch.setattr(mails, "note", self.around(mails.note, doubles=True))
        accept = mailing.server.send

        async def send(message: Any, recipient: str) -> Any:
            self.strike()
            return await accept(message, recipient)

        mailing.server.send = send  # type: ignore[method-assign]

    def strike(self, *, doubles: bool = False) -> None:
        if self.is_on and self.left and self.luck.random() < self.chance:
            self.left, self.doubled = self.left - 1, self.doubled + doubles
            raise Killed

    def around(self, step: Any, *, doubles: bool = False) -> Any:
        async def run(*arguments: Any, **named: Any) -> Any:
            self.strike(doubles=doubles)
            result = await step(*arguments, **named)
            self.strike(doubles=doubles)
            return result

        return run


def expected_days(document: NewReportSchedule, begin: date, end: date) -> list[str]:
    """Return every day on which a report is due, computed without the engine."""
    days = (begin + timedelta(number) for number in range((end - begin).days))
    fits = {
        "daily": lambda day: True,
        "weekly": lambda day: day.isoweekday() == document.weekday,
        "monthly": lambda day: day.day == document.month_day,
    }[document.frequency]
    return [day.isoformat() for day in days if fits(day)]


async def live_a_year(
    mailing: MailingShop, monkeypatch: pytest.MonkeyPatch, counts: dict[str, int], *, kills: int
) -> None:
    """Let schedules run for a year with kills; each day must arrive once, but for kills between server and database."""
    monkeypatch.setattr(mailer_module, "MAILS_A_BATCH", 100)
    # A busy machine may hold up a year's writes: only the killer may cut them off.
    monkeypatch.setattr(database, "TURN_WAIT_SECONDS", 60.0)
    monkeypatch.setattr("engine.mailing.report_schedules.MOST_SCHEDULES", NEVER)
    begin, end = datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2027, 1, 1, 12, tzinfo=UTC)
    mailing.now, luck, items = to_ms(begin), random.Random(5), []
    for frequency, count in counts.items():
        for number in range(count):
            own = {"hour": luck.randrange(24), "weekday": luck.randint(1, 7), "month_day": luck.randint(1, 28)}
            items.append(await mailing.add(frequency=frequency, name=f"{frequency} {number}", **own))
    async with mailing.database.write() as connection:
        await connection.execute(update(merchants).values(timezone=luck.choice(ZONES)))
    mails_due = sum(len(expected_days(each.document, begin.date(), end.date())) for each in items)
    killer = Killer(monkeypatch, mailing, kills=kills, steps=4 * mails_due)
    while mailing.now < to_ms(end):
        mailing.now += luck.randint(1, 60) * HOUR
        try:
            await mailing.run()
        except Killed:
            mailing.mailer = mailing.new_mailer()
    killer.is_on = False
    await mailing.run(to=mailing.now + LEASE_MS + 1)
    seen: dict[str, list[str]] = {}
    for id in mailing.server.accepted:
        schedule_id, day, _ = id[1:].split(".", 2)
        seen.setdefault(schedule_id, []).append(day)
    for each in items:
        days = [day for day in expected_days(each.document, begin.date(), end.date()) if day >= each.next_day]
        assert sorted(day for day in seen[each.id] if day < end.date().isoformat()) == days
    assert killer.left == 0
    twice = sum(count - 1 for count in mailing.server.accepted.values())
    assert twice == killer.doubled, "only kills between the server and the database double a mail, under one id"


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_year_with_clock_changes_and_kills_sends_each_day_once(mailing: MailingShop, monkeypatch: Any) -> None:
    await live_a_year(mailing, monkeypatch, {"daily": 1, "weekly": 2, "monthly": 2}, kills=20)


@pytest.mark.long
@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_thousand_schedules_survive_a_year_and_fifty_kills(mailing: MailingShop, monkeypatch: Any) -> None:
    await live_a_year(mailing, monkeypatch, {"daily": 100, "weekly": 450, "monthly": 450}, kills=50)
