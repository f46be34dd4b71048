"""A shop with a mail server in memory and a clock that a test moves."""

from __future__ import annotations

from typing import Any

from engine.mailing.mailer import Mailer
from engine.mailing.report_clock import ReportClock
from engine.model.mailing.report_schedule import NewReportSchedule
from tests.mailboxes import MemoryMailServer, compose


def schedule(**changes: Any) -> NewReportSchedule:
    defaults: dict[str, Any] = {
        "name": "Figures",
        "placement": "payment_methods",
        "frequency": "daily",
        "recipients": ("ada@shop.example",),
    }
    return NewReportSchedule(**(defaults | changes))


class MailingShop:
    """A shop with a mail server in memory and a clock that a test moves."""

    def __init__(self, shop: Any, now: int) -> None:
        self.shop, self.now, self.server = shop, now, MemoryMailServer()
        self.mailer = self.new_mailer()

    @property
    def database(self) -> Any:
        return self.shop.engine.database

    def new_mailer(self) -> Mailer:
        mailer = Mailer(self.database, self.server, leads=lambda: True)
        mailer.compose = compose
        return mailer

    async def run(self, *, to: int | None = None) -> None:
        self.now = to or self.now
        await ReportClock(self.database).run(now=self.now)
        await self.mailer.run()

    async def add(self, **changes: Any) -> Any:
        return await self.shop.engine.mail.schedules.create(self.shop.actor(), schedule(**changes))

    async def summary(self, item: Any) -> Any:
        return (await self.shop.engine.mail.schedules.summaries(self.shop.id))[item.id]
