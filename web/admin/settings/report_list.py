"""Reports by mail: which are sent to whom, when each was sent last, and what failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from engine.model.errors import Conflict, FieldProblem, Invalid, NotFound, Stale
from engine.model.mailing.mail import MailSummary
from engine.model.mailing.report_schedule import ReportSchedule
from web.admin.settings.report_form import (
    FORMATS,
    FREQUENCIES,
    HOURS,
    MONTH_DAYS,
    WEEKDAYS,
    Options,
    form_of,
    new_form,
    schedule_in,
)
from web.admin.shell.admission import AnyRequest, typed
from web.admin.shell.editing import version_of
from web.admin.shell.forms import Form
from web.admin.shell.frame import Frame, Notice
from web.admin.shell.render import Page
from web.overview.overview import usual_placement

TEMPLATE = "settings/reports.html"
FAULTS = {
    "connection": "The mail server does not answer", "timeout": "The mail server did not answer in time",
    "tls": "The mail server offers no valid encryption", "login": "The mail server refuses the log-in",
    "sender": "The mail server refuses the sender", "busy": "The mail server asks to try later",
    "recipient": "The mail server refuses a recipient", "refused": "The mail server refuses the content",
    "unwritten": "The report could not be made", "gone": "The placement was deleted",
}  # fmt: skip


@dataclass(frozen=True)
class ScheduleRow:
    """A schedule in the list: its state as a badge, when it is due in words, and why a mail was not sent."""

    schedule: ReportSchedule
    summary: MailSummary
    state: str
    kind: str
    due: str
    placement: str
    fault: str


@dataclass(frozen=True)
class ReportsPage:
    """The schedules and the form of a new one, or of the one that is `edited`.

    `is_allowed` is whether the merchant's tier has reports by mail.
    """

    rows: Sequence[ScheduleRow]
    form: Form
    edited: ReportSchedule | None
    is_set_up: bool
    is_allowed: bool
    timezone: str
    placements: Options
    frequencies: Options = FREQUENCIES
    weekdays: Options = WEEKDAYS
    month_days: Options = MONTH_DAYS
    hours: Options = HOURS
    formats: Options = FORMATS


@get("/reports")
async def reports_page(frame: NamedDependency[Frame]) -> Page:
    """Show the schedules."""
    return await _page(frame)


@get("/reports/{report_id:str}")
async def report_page(frame: NamedDependency[Frame], report_id: FromPath[str]) -> Page:
    """Show the schedules with the form of one; only an admin sees who gets it."""
    frame.must_administer()
    return await _page(frame, edited=await frame.engine.mail.schedules.get(frame.merchant.id, report_id))


@post("/reports", status_code=200)
async def create_report(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Create a schedule."""
    frame.must_administer()
    values = await typed(request)
    try:
        document = schedule_in(values, await _placements(frame), enabled=True)
        await frame.engine.mail.schedules.create(frame.actor, document)
    except Invalid as error:
        return await _page(frame, Form(values).with_problems(error.problems), status=422)
    except Conflict as error:
        return await _page(frame, Form(values).with_problems([FieldProblem("form", error.detail)]), status=409)
    return _back(frame, f"“{document.name}” is scheduled.")


@post("/reports/{report_id:str}", status_code=200)
async def save_report(request: AnyRequest, frame: NamedDependency[Frame], report_id: FromPath[str]) -> Response[Any]:
    """Store a schedule, unless somebody else changed it meanwhile."""
    frame.must_administer()
    values = await typed(request)
    old = await frame.engine.mail.schedules.get(frame.merchant.id, report_id)
    try:
        document = schedule_in(values, await _placements(frame), enabled=old.document.enabled)
        await frame.engine.mail.schedules.replace(frame.actor, report_id, document, version=version_of(values))
    except Invalid as error:
        return await _page(frame, Form(values).with_problems(error.problems), edited=old, status=422)
    except Stale:
        problem = FieldProblem("form", "somebody else has changed this schedule meanwhile: reload the page")
        return await _page(frame, Form(values).with_problems([problem]), edited=old, status=409)
    return _back(frame, f"“{document.name}” is saved.")


@post("/reports/{report_id:str}/{act:str}", status_code=200)
async def act_on_report(
    request: AnyRequest, frame: NamedDependency[Frame], report_id: FromPath[str], act: FromPath[str]
) -> Response[Any]:
    """Send a test to oneself, pause, resume or delete a schedule; deleting needs its name, for it cannot be undone."""
    frame.must_administer()
    values = await typed(request)
    schedules = frame.engine.mail.schedules
    schedule = await schedules.get(frame.merchant.id, report_id)
    name = f"“{schedule.document.name}”"
    match act:
        case "test" if not frame.engine.mail.mailer.is_set_up:
            return _back(frame, "Nothing was sent: this server has no mail server.")
        case "test":
            try:
                await schedules.test(frame.actor, report_id, frame.user.email)
            except Conflict as error:
                return _back(frame, f"Nothing was sent: {error.detail}.")
            return _back(frame, f"A test of {name} is on its way to you.")
        case "pause" | "resume":
            await schedules.switch(frame.actor, report_id, enabled=act == "resume")
            return _back(frame, f"{name} is {act}d.")
        case "delete" if values.get("confirm", "").strip() != schedule.document.name:
            problem = FieldProblem("confirm", f"type {schedule.document.name} to confirm")
            return await _page(frame, form_of(schedule).with_problems([problem]), edited=schedule, status=422)
        case "delete":
            await schedules.delete(frame.actor, report_id)
            return _back(frame, f"{name} is deleted.")
        case _:
            raise NotFound(f"there is no action “{act}”")


def _back(frame: Frame, text: str) -> Response[Any]:
    return frame.go(f"{frame.base}/reports", notice=Notice(text))


async def _placements(frame: Frame) -> list[str]:
    return [key for key, _ in await _placement_options(frame)]


async def _placement_options(frame: Frame) -> list[tuple[str, str]]:
    configuration = await frame.engine.catalogue.configuration(frame.merchant.id)
    return [(placement.key, placement.name) for placement in configuration.placements]


async def _page(
    frame: Frame, form: Form | None = None, *, edited: ReportSchedule | None = None, status: int = 200
) -> Page:
    mail, placements = frame.engine.mail, await _placement_options(frame)
    summaries = await mail.schedules.summaries(frame.merchant.id)
    is_allowed = (await frame.engine.tiers.of(frame.merchant.id)).scheduled_mail
    schedules = await mail.schedules.all(frame.merchant.id)
    page = ReportsPage(
        rows=[_row(each, summaries, dict(placements), is_allowed=is_allowed) for each in schedules],
        form=form or (form_of(edited) if edited else new_form(usual_placement(dict(placements)))),
        edited=edited,
        is_set_up=mail.mailer.is_set_up,
        is_allowed=is_allowed,
        timezone=frame.merchant.timezone,
        placements=placements,
    )
    return frame.page(TEMPLATE, page, status=status)


def _row(
    schedule: ReportSchedule,
    summaries: Mapping[str, MailSummary],
    placements: Mapping[str, str],
    *,
    is_allowed: bool,
) -> ScheduleRow:
    summary = summaries.get(schedule.id, MailSummary())
    state, kind = _state(schedule, summary, is_allowed=is_allowed)
    fault = FAULTS.get(summary.fault, "") if summary.delayed or summary.failed else ""
    placement = placements.get(schedule.document.placement, schedule.document.placement)
    return ScheduleRow(schedule, summary, state, kind, _due(schedule), placement, fault)


def _state(schedule: ReportSchedule, summary: MailSummary, *, is_allowed: bool) -> tuple[str, str]:
    if not schedule.document.enabled:
        return "Paused", "plain"
    return state_of(summary) if is_allowed else ("Not sent", "warn")


def state_of(summary: MailSummary) -> tuple[str, str]:
    """Return the word of the badge that says how mails do, and its kind."""
    if summary.failed:
        return "Failed", "bad"
    return ("Delayed", "warn") if summary.delayed else ("On", "good")


def _due(schedule: ReportSchedule) -> str:
    document = schedule.document
    hour = f"{document.hour:02}:00"
    match document.frequency:
        case "daily":
            return f"Every day at {hour}"
        case "weekly":
            return f"Every {dict(WEEKDAYS)[str(document.weekday)]} at {hour}"
        case "monthly":
            return f"On day {document.month_day} of each month at {hour}"


handlers = [reports_page, report_page, create_report, save_report, act_on_report]
