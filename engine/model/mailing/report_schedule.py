"""Schedules of reports: what is sent to whom, and on which days. Pure."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

from engine.model.documents.field_types import MailAddress
from engine.model.timestamps import to_ms

Frequency = Literal["daily", "weekly", "monthly"]
MOST_RECIPIENTS = 20


class NewReportSchedule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent to whom, and when: at the hour of each day, of a weekday (1 is Monday), or of a day of the month.

    A report is about whole days: the day before, the 7 days before, or the month before.
    """

    name: Annotated[str, Meta(min_length=1, max_length=100, pattern=r"\A[^\x00-\x1f\x7f]+\Z")]
    placement: str
    frequency: Frequency
    recipients: Annotated[tuple[MailAddress, ...], Meta(min_length=1, max_length=MOST_RECIPIENTS)]
    weekday: Annotated[int, Meta(ge=1, le=7)] = 1
    month_day: Annotated[int, Meta(ge=1, le=28)] = 1
    hour: Annotated[int, Meta(ge=0, le=23)] = 8
    format: Literal["pdf", "csv", "json"] = "pdf"
    detail: Literal["summary", "detailed"] = "summary"
    enabled: bool = True


class ReportSchedule(NamedTuple):
    """A schedule of a merchant; days are ISO days in the merchant's time zone.

    `last_day` is the last day that mails were made for, empty before the first. The next are made for `next_day` at
    `next_at` (epoch milliseconds), None while the schedule is paused.
    """

    id: str
    merchant_id: int
    version: int
    document: NewReportSchedule
    last_day: str
    next_day: str
    next_at: int | None
    created_at: int


class DueDay(NamedTuple):
    """A day on which a report is due, and the instant (epoch milliseconds)."""

    day: str
    moment: int


def next_due(document: NewReportSchedule, timezone: str, *, last_day: str, now: int) -> DueDay:
    """Return the first day that is due after `now` (epoch milliseconds), and later than the last one."""
    zone, today = zone_of(timezone), date.fromisoformat(day_of(timezone, now))
    day = max(today, date.fromisoformat(last_day) + timedelta(days=1)) if last_day else today
    due = _due(document, _on_or_after(document, day), zone)
    return due if due.moment > now else following(document, timezone, due.day)


def following(document: NewReportSchedule, timezone: str, day: str) -> DueDay:
    """Return the day that is due after a day, whatever the clocks do between them."""
    next_day = _on_or_after(document, date.fromisoformat(day) + timedelta(days=1))
    return _due(document, next_day, zone_of(timezone))


def days_reported(frequency: Frequency, day: str) -> tuple[date, date]:
    """Return the first and the last day that a report is about which is due on a day."""
    due = date.fromisoformat(day)
    last = due - timedelta(days=1)
    if frequency == "daily":
        return last, last
    if frequency == "weekly":
        return due - timedelta(days=7), last
    end = due.replace(day=1) - timedelta(days=1)
    return end.replace(day=1), end


def day_of(timezone: str, now: int) -> str:
    """Return the ISO day of an instant (epoch milliseconds) in a time zone."""
    return datetime.fromtimestamp(now / 1000, zone_of(timezone)).date().isoformat()


def zone_of(timezone: str) -> ZoneInfo:
    """Return a time zone; UTC for a name that is unknown."""
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def _due(document: NewReportSchedule, day: date, zone: ZoneInfo) -> DueDay:
    """Return the instant of a day's hour. An hour that a clock skips is the one after; of two, the first one counts."""
    return DueDay(day.isoformat(), to_ms(datetime(day.year, day.month, day.day, document.hour, tzinfo=zone)))


def _on_or_after(document: NewReportSchedule, day: date) -> date:
    match document.frequency:
        case "daily":
            return day
        case "weekly":
            return day + timedelta(days=(document.weekday - day.isoweekday()) % 7)
        case "monthly":
            if day.day <= document.month_day:
                return day.replace(day=document.month_day)
            return (day.replace(day=28) + timedelta(days=4)).replace(day=document.month_day)
