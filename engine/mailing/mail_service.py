"""Everything that sends mails to a merchant's people."""

from __future__ import annotations

from collections.abc import Callable

from engine.clock import now_ms
from engine.mailing.alert_recipients import AlertRecipients
from engine.mailing.mailer import Mailer
from engine.mailing.report_clock import ReportClock
from engine.mailing.report_schedules import ReportSchedules
from engine.mailing.smtp import SmtpTransport
from engine.settings import Settings
from engine.store.connection.database import Database


class MailService:
    """The schedules of reports, and the mailer; `leads` is whether this process does the work that is needed once."""

    def __init__(self, database: Database, settings: Settings, leads: Callable[[], bool]) -> None:
        self.schedules = ReportSchedules(database)
        self.clock = ReportClock(database)
        self.alerts = AlertRecipients(database)
        self.mailer = Mailer(database, SmtpTransport(settings), leads=leads)

    async def make(self) -> None:
        """Make the mails that are due; without a mail server, days and alerts wait."""
        if self.mailer.is_set_up:
            now = now_ms()
            await self.clock.run(now=now)
            await self.alerts.make_mails(now=now)
