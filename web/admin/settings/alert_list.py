"""Alerts by mail: who gets which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from engine.model.errors import Conflict, FieldProblem, Invalid, Stale
from engine.model.events.event import EventType
from engine.model.events.event_types import EVENT_TYPES
from engine.model.mailing.alert_recipient import ALERT_TYPES, AlertRecipient, NewAlertRecipient
from engine.model.mailing.mail import MailSummary
from web.admin.settings.hook_form import EventChoice
from web.admin.settings.report_list import FAULTS, state_of
from web.admin.shell.admission import AnyRequest, typed
from web.admin.shell.editing import to_document, version_of
from web.admin.shell.forms import Form, Reader
from web.admin.shell.frame import Frame, Notice
from web.admin.shell.render import Page

TEMPLATE = "settings/alerts.html"
HINTS = {"recipient": "Type an e-mail address, such as ada@example.com.", "types": "Choose at least one alert."}
NAMES: Mapping[EventType, str] = {
    "outage.noticed": "A method is down", "outage.ended": "A method is back", "metric.alert": "Figures are unusual",
    "budget.alert": "A budget is nearly spent", "arm.jumped": "A rate has jumped",
    "predictions.off": "Predictions are off", "experiment.completed": "An experiment has ended",
}  # fmt: skip
USUAL: tuple[EventType, ...] = ("outage.noticed", "metric.alert", "budget.alert")


@dataclass(frozen=True)
class AlertRow:
    """A recipient in the list: the alerts in words, the state as a badge, and why a mail was not sent."""

    item: AlertRecipient
    alerts: str
    summary: MailSummary
    state: str
    kind: str
    fault: str


@dataclass(frozen=True)
class AlertsPage:
    """The recipients and the form of a new one, or of the one that is `edited`."""

    rows: Sequence[AlertRow]
    form: Form
    edited: AlertRecipient | None
    is_set_up: bool
    choices: Sequence[EventChoice]
    names: Mapping[EventType, str]


@get("/alerts")
async def alerts_page(frame: NamedDependency[Frame]) -> Page:
    """Show the recipients."""
    return await _page(frame)


@get("/alerts/{alert_id:str}")
async def alert_page(frame: NamedDependency[Frame], alert_id: FromPath[str]) -> Page:
    """Show the recipients with the form of one; only an admin sees who it is."""
    frame.must_administer()
    return await _page(frame, edited=await frame.engine.mail.alerts.get(frame.merchant.id, alert_id))


@post("/alerts", status_code=200)
async def add_recipient(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Add a recipient."""
    frame.must_administer()
    values = await typed(request)
    try:
        await frame.engine.mail.alerts.add(frame.actor, _recipient_in(values))
    except Invalid as error:
        return await _page(frame, Form(values).with_problems(error.problems), status=422)
    except Conflict as error:
        problem = FieldProblem(error.field or "form", error.detail)
        return await _page(frame, Form(values).with_problems([problem]), status=409)
    return _back(frame, "The recipient is added. Alerts from now on are sent there.")


@post("/alerts/{alert_id:str}", status_code=200)
async def save_recipient(request: AnyRequest, frame: NamedDependency[Frame], alert_id: FromPath[str]) -> Response[Any]:
    """Store which alerts a recipient gets, unless somebody else changed them meanwhile."""
    frame.must_administer()
    old = await frame.engine.mail.alerts.get(frame.merchant.id, alert_id)
    values = {**await typed(request), "recipient": old.recipient}
    try:
        document, version = _recipient_in(values), version_of(values)
        await frame.engine.mail.alerts.replace(frame.actor, alert_id, document, version=version)
    except Invalid as error:
        return await _page(frame, Form(values).with_problems(error.problems), edited=old, status=422)
    except Stale:
        problem = FieldProblem("form", "somebody else has changed these alerts meanwhile: reload the page")
        return await _page(frame, Form(values).with_problems([problem]), edited=old, status=409)
    return _back(frame, "The alerts are saved.")


@post("/alerts/{alert_id:str}/remove", status_code=200)
async def remove_recipient(frame: NamedDependency[Frame], alert_id: FromPath[str]) -> Response[Any]:
    """Remove a recipient."""
    frame.must_administer()
    await frame.engine.mail.alerts.remove(frame.actor, alert_id)
    return _back(frame, "The recipient is removed and gets no more alerts.")


def _back(frame: Frame, text: str) -> Response[Any]:
    return frame.go(f"{frame.base}/alerts", notice=Notice(text))


def _recipient_in(values: Mapping[str, str]) -> NewAlertRecipient:
    """Read a recipient; raise `Invalid` with the problem of every field."""
    reader = Reader(values)
    types = [type for type in ALERT_TYPES if reader.flag(f"type:{type}")]
    document = {"recipient": reader.text("recipient"), "types": types}
    return to_document(document, NewAlertRecipient, hints=HINTS)


def _form(types: Sequence[EventType], **values: str) -> Form:
    return Form({f"type:{type}": "on" for type in types} | values)


async def _page(
    frame: Frame, form: Form | None = None, *, edited: AlertRecipient | None = None, status: int = 200
) -> Page:
    mail = frame.engine.mail
    summaries = await mail.alerts.summaries(frame.merchant.id)
    fresh = _form(edited.types, version=str(edited.version)) if edited else _form(USUAL)
    page = AlertsPage(
        rows=[_row(each, summaries.get(each.id, MailSummary())) for each in await mail.alerts.all(frame.merchant.id)],
        form=form or fresh,
        edited=edited,
        is_set_up=mail.mailer.is_set_up,
        choices=[EventChoice(type, EVENT_TYPES[type].summary) for type in ALERT_TYPES],
        names=NAMES,
    )
    return frame.page(TEMPLATE, page, status=status)


def _row(item: AlertRecipient, summary: MailSummary) -> AlertRow:
    state, kind = state_of(summary)
    fault = FAULTS.get(summary.fault, "") if summary.delayed or summary.failed else ""
    alerts = "; ".join(NAMES[type] for type in ALERT_TYPES if type in item.types)
    return AlertRow(item, alerts, summary, state, kind, fault)


handlers = [alerts_page, alert_page, add_recipient, save_recipient, remove_recipient]
