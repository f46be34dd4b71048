"""The form of a schedule of reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.model.errors import FieldProblem
from engine.model.mailing.report_schedule import MOST_RECIPIENTS, NewReportSchedule, ReportSchedule
from web.admin.shell.editing import to_document
from web.admin.shell.forms import Form, Reader

Options = Sequence[tuple[str, str]]
FREQUENCIES: Options = (("daily", "Every day"), ("weekly", "Every week"), ("monthly", "Every month"))
WEEKDAYS: Options = tuple(
    (str(number), name)
    for number, name in enumerate(("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"), 1)
)
MONTH_DAYS: Options = tuple((str(day), str(day)) for day in range(1, 29))
HOURS: Options = tuple((str(hour), f"{hour:02}:00") for hour in range(24))
FORMATS: Options = (
    ("pdf summary", "PDF, summary"),
    ("pdf detailed", "PDF, by day and method"),
    ("csv summary", "CSV, summary"),
    ("csv detailed", "CSV, by day and method"),
    ("json detailed", "JSON, by day and method"),
)
HINTS = {
    "name": "Give it a name of at most 100 characters.",
    "placement": "Choose a placement.",
    "frequency": "Choose how often.",
    "weekday": "Choose a day.",
    "month_day": "Choose a day from 1 to 28.",
    "hour": "Choose an hour.",
    "format": "Choose a format.",
    "recipients": f"Type 1 to {MOST_RECIPIENTS} e-mail addresses, such as ada@example.com.",
}


def new_form(placement: str) -> Form:
    """Return the form of a new schedule."""
    values = {"placement": placement, "frequency": "weekly", "weekday": "1", "month_day": "1", "hour": "8"}
    return Form(values | {"format": "pdf summary"})


def form_of(schedule: ReportSchedule) -> Form:
    """Return the form as it shows a schedule."""
    document = schedule.document
    return Form(
        {
            "name": document.name,
            "placement": document.placement,
            "frequency": document.frequency,
            "weekday": str(document.weekday),
            "month_day": str(document.month_day),
            "hour": str(document.hour),
            "format": f"{document.format} {document.detail}",
            "recipients": "\n".join(document.recipients),
            "version": str(schedule.version),
        }
    )


def schedule_in(values: Mapping[str, str], placements: Sequence[str], *, enabled: bool) -> NewReportSchedule:
    """Read a schedule; raise `Invalid` with the problem of every field."""
    reader = Reader(values)
    format, _, detail = reader.text("format").partition(" ")
    document = {
        "name": reader.text("name", required=HINTS["name"]),
        "placement": reader.text("placement"),
        "frequency": reader.text("frequency"),
        "weekday": reader.integer("weekday", default=1),
        "month_day": reader.integer("month_day", default=1),
        "hour": reader.integer("hour", default=8),
        "format": format,
        "detail": detail,
        "recipients": reader.words("recipients"),
        "enabled": enabled,
    }
    problems = list(reader.problems)
    if document["placement"] not in placements:
        problems.append(FieldProblem("placement", HINTS["placement"]))
    return to_document(document, NewReportSchedule, hints=HINTS | {"detail": HINTS["format"]}, problems=problems)
