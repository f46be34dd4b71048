"""Make the mails of reports on the days that they are due: each day once, whatever stops meanwhile."""

from __future__ import annotations

from engine.mailing.report_schedules import mails_of
from engine.model.documents.tier import NO_TIER
from engine.model.mailing.report_schedule import following
from engine.model.timestamps import DAY
from engine.store.connection.database import Database
from engine.store.limits import tiers
from engine.store.mailing import mails, schedules

SCHEDULES_A_TRANSACTION = 100
LATEST_DAYS = 31
"""After a long standstill, reports that were due earlier are not sent any more."""


class ReportClock:
    """Runs as a job of the leader; two at once make no mail twice."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self, *, now: int) -> int:
        """Make the mails of all days that are due at an instant (epoch ms); return how many schedules moved on.

        The mails of a day and the move to the next day are one transaction, so a crash loses none and doubles none.
        Days are skipped while the merchant's tier allows no scheduled mail.
        """
        moved = 0
        while True:
            async with self._database.write() as connection:
                due = await schedules.due(connection, now=now, limit=SCHEDULES_A_TRANSACTION)
                limits = await tiers.all_tiers(connection) if due else {}
                for schedule, timezone, tier in due:
                    next_day = following(schedule.document, timezone, schedule.next_day)
                    if not await schedules.advance(connection, schedule, next_day):
                        continue
                    moved += 1
                    is_allowed = limits.get(tier, NO_TIER).scheduled_mail
                    if is_allowed and (schedule.next_at or 0) > now - LATEST_DAYS * DAY:
                        await mails.add(connection, list(mails_of(schedule, now=now)))
            if not due:
                return moved
