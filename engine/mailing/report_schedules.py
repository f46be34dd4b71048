"""The schedules of a merchant's reports: create, change, pause, delete and test them."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.clock import now_ms
from engine.model.account import checked_name
from engine.model.actor import Actor
from engine.model.errors import Conflict, NotFound, Stale
from engine.model.mailing.mail import Mail, MailKind, MailSummary
from engine.model.mailing.report_schedule import NewReportSchedule, ReportSchedule, day_of, next_due
from engine.store import accounts, audit
from engine.store.audit import NewEntry
from engine.store.connection.database import Database
from engine.store.limits import tiers
from engine.store.mailing import mails, schedules

MOST_SCHEDULES = 50


class ReportSchedules:
    """The schedules of merchants. What belongs to another merchant is `NotFound`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self, merchant_id: int) -> list[ReportSchedule]:
        """Return the schedules of a merchant, the oldest first."""
        async with self._database.read() as connection:
            return await schedules.of_merchant(connection, merchant_id)

    async def summaries(self, merchant_id: int) -> dict[str, MailSummary]:
        """Return how the reports do, by schedule."""
        async with self._database.read() as connection:
            return await mails.summaries(connection, merchant_id, kind="report")

    async def get(self, merchant_id: int, schedule_id: str) -> ReportSchedule:
        async with self._database.read() as connection:
            return await _own(connection, merchant_id, schedule_id)

    async def create(self, actor: Actor, document: NewReportSchedule) -> ReportSchedule:
        """Create a schedule; the first report is sent on its next day."""
        now, document = now_ms(), _named(document)
        async with self._database.write() as connection:
            if len(await schedules.of_merchant(connection, actor.merchant_id)) >= MOST_SCHEDULES:
                raise Conflict(f"there are {MOST_SCHEDULES} schedules already; delete one first")
            due = next_due(document, await accounts.timezone_of(connection, actor.merchant_id), last_day="", now=now)
            next_at = due.moment if document.enabled else None
            id = f"rep_{secrets.token_hex(8)}"
            schedule = ReportSchedule(id, actor.merchant_id, 1, document, "", due.day, next_at, now)
            await schedules.add(connection, schedule)
            await _note(connection, actor, "created", None, schedule)
        return schedule

    async def replace(
        self, actor: Actor, schedule_id: str, document: NewReportSchedule, *, version: int | None = None
    ) -> ReportSchedule:
        """Change a schedule; raise `Stale` unless it is at `version` (None: any).

        No day gets a second report. A schedule that is paused sends nothing, also not what waits, and skips the days
        until it goes on.
        """
        document = _named(document)
        async with self._database.write() as connection:
            old = await _own(connection, actor.merchant_id, schedule_id)
            if version not in (None, old.version):
                raise Stale(f"the schedule is at version {old.version}, not {version}", field="version")
            timezone = await accounts.timezone_of(connection, actor.merchant_id)
            due = next_due(document, timezone, last_day=old.last_day, now=now_ms())
            changed = old._replace(
                version=old.version + 1,
                document=document,
                next_day=due.day,
                next_at=due.moment if document.enabled else None,
            )
            if not await schedules.replace(connection, changed):
                raise Conflict("somebody else is changing this schedule now; try again", field="version")
            if not document.enabled:
                await mails.remove_waiting(connection, actor.merchant_id, schedule_id)
            action = _action(old.document, document)
            await _note(connection, actor, action, old, changed)
        return changed

    async def switch(self, actor: Actor, schedule_id: str, *, enabled: bool) -> ReportSchedule:
        """Pause a schedule, or let it go on."""
        document = (await self.get(actor.merchant_id, schedule_id)).document
        return await self.replace(actor, schedule_id, msgspec.structs.replace(document, enabled=enabled))

    async def delete(self, actor: Actor, schedule_id: str) -> None:
        """Delete a schedule; what waits is not sent any more."""
        async with self._database.write() as connection:
            old = await _own(connection, actor.merchant_id, schedule_id)
            await schedules.remove(connection, schedule_id)
            await mails.remove_waiting(connection, actor.merchant_id, schedule_id)
            await _note(connection, actor, "deleted", old, None)

    async def test(self, actor: Actor, schedule_id: str, recipient: str) -> None:
        """Send the report that would be due today to one person.

        Raise `Conflict` while another test waits, or where the tier has no reports by mail.
        """
        now = now_ms()
        async with self._database.write() as connection:
            schedule = await _own(connection, actor.merchant_id, schedule_id)
            if not (await tiers.tier_of(connection, actor.merchant_id)).scheduled_mail:
                raise Conflict("the tier of this merchant has no reports by mail")
            if await mails.has_waiting(connection, actor.merchant_id, schedule_id, "test"):
                raise Conflict("a test of this schedule is on its way already")
            timezone = await accounts.timezone_of(connection, actor.merchant_id)
            mail = _mail(schedule, "test", day_of(timezone, now), recipient, now=now)
            await mails.add(connection, [mail._replace(id=f"{schedule.id}.test.{secrets.token_hex(6)}")])


def mails_of(schedule: ReportSchedule, *, now: int) -> Iterable[Mail]:
    """Return a mail to each recipient for the day that is due; a day's mails have the same ids whoever makes them."""
    return [
        _mail(schedule, "report", schedule.next_day, recipient, now=now) for recipient in schedule.document.recipients
    ]


def _mail(schedule: ReportSchedule, kind: MailKind, day: str, recipient: str, *, now: int) -> Mail:
    hashed = hashlib.sha256(recipient.lower().encode()).hexdigest()[:12]
    id = f"{schedule.id}.{day}.{hashed}"
    return Mail(
        id,
        schedule.merchant_id,
        kind,
        subject=schedule.id,
        period=day,
        recipient=recipient,
        state="waiting",
        attempts=0,
        next_at=now,
        created_at=now,
        sent_at=None,
        fault="",
    )


def _action(old: NewReportSchedule, new: NewReportSchedule) -> str:
    if old.enabled == new.enabled:
        return "changed"
    return "resumed" if new.enabled else "paused"


def _named(document: NewReportSchedule) -> NewReportSchedule:
    return msgspec.structs.replace(document, name=checked_name(document.name))


async def _own(connection: AsyncConnection, merchant_id: int, schedule_id: str) -> ReportSchedule:
    schedule = await schedules.get(connection, merchant_id, schedule_id)
    if schedule is None:
        raise NotFound(f"there is no schedule “{schedule_id}”", field="id")
    return schedule


async def _note(
    connection: AsyncConnection, actor: Actor, action: str, old: ReportSchedule | None, new: ReportSchedule | None
) -> None:
    subject = f"report {(new or old).id}"  # type: ignore[union-attr]
    before, after = (_shown(each) if each else None for each in (old, new))
    await audit.write(connection, NewEntry(actor, now_ms(), action, subject, before, after))


def _shown(schedule: ReportSchedule) -> dict[str, object]:
    """Return what the audit log may show to everybody: not who gets the report."""
    document = msgspec.structs.asdict(schedule.document)
    return document | {"recipients": len(schedule.document.recipients)}
