"""Reports that are sent by mail: their schedules, and a test of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from litestar import Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.mailing.report_schedules import MOST_SCHEDULES
from engine.model.actor import Actor
from engine.model.documents.field_types import MailAddress
from engine.model.errors import invalid
from engine.model.mailing.mail import MailSummary
from engine.model.mailing.report_schedule import NewReportSchedule, ReportSchedule
from engine.model.timestamps import rfc3339
from engine.service import Engine
from web.api.common_types import Moment, Page, part_of
from web.api.mailing.mail_delivery import MailDelivery, delivery_of
from web.http.responses import NO_STORE, json_response
from web.openapi import examples
from web.openapi.operation import Answer, Operation

TAG = "Reports and alerts"
PATH = "/v1/report-schedules"
ITEM = f"{PATH}/{{id:str}}"


class ScheduledReport(NewReportSchedule, frozen=True, kw_only=True):
    """A schedule, the time of its next report (null while it is disabled), and how its mails do.

    `is_allowed` is false while the merchant's tier has no reports by mail: its days are skipped.
    """

    id: str
    version: Annotated[int, Meta(ge=1, description="Counts the changes; `If-Match` takes it in quotes.")]
    created_at: Moment
    next_at: Moment | None
    is_allowed: bool
    delivery: MailDelivery


class ReportScheduleList(msgspec.Struct, frozen=True):
    """A page of schedules, the oldest first, and the cursor of the next page."""

    items: list[ScheduledReport]
    next: str | None


class ReportTest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who gets the test."""

    recipient: MailAddress


@get(
    PATH,
    **Operation(TAG, "List report schedules", {200: Answer("The schedules", ReportScheduleList)}, query=Page).route(),
)
async def list_schedules(
    access: NamedDependency[Access], engine: NamedDependency[Engine], parameters: NamedDependency[Page]
) -> Response[bytes]:
    items, cursor = part_of(await engine.mail.schedules.all(access.merchant.id), parameters)
    summaries = await engine.mail.schedules.summaries(access.merchant.id)
    is_allowed = access.tier.scheduled_mail
    shown = [ScheduledReport(**_fields(each, summaries.get(each.id), is_allowed=is_allowed)) for each in items]
    return json_response(ReportScheduleList(shown, cursor), headers=NO_STORE)


@post(
    PATH,
    **Operation(
        TAG,
        "Create a report schedule",
        {201: Answer("The schedule", ScheduledReport, ("Location", "ETag"))},
        "The first report is sent on the next day of the schedule, in the merchant's time zone. At most "
        f"{MOST_SCHEDULES} schedules.",
        body=NewReportSchedule,
        example=examples.REPORT_SCHEDULE,
        errors=(409,),
    ).route(),
)
async def create(
    actor: NamedDependency[Actor], engine: NamedDependency[Engine], document: NamedDependency[NewReportSchedule]
) -> Response[bytes]:
    await _check(engine, actor.merchant_id, document)
    schedule = await engine.mail.schedules.create(actor, document)
    headers = {**NO_STORE, "Location": f"{PATH}/{schedule.id}"}
    return await _shown(engine, schedule, status=201, headers=headers)


@get(ITEM, **Operation(TAG, "Show a report schedule", {200: Answer("It", ScheduledReport, ("ETag",))}).route())
async def show(access: NamedDependency[Access], engine: NamedDependency[Engine], id: FromPath[str]) -> Response[bytes]:
    return await _shown(engine, await engine.mail.schedules.get(access.merchant.id, id))


@put(
    ITEM,
    **Operation(
        TAG,
        "Replace a report schedule",
        {200: Answer("Replaced", ScheduledReport, ("ETag",))},
        "The whole document. No day gets a second report. If you disable it, mails that wait are not sent.",
        body=NewReportSchedule,
        example=examples.REPORT_SCHEDULE,
        errors=(409, 412, 428),
    ).route(),
)
async def replace(
    actor: NamedDependency[Actor],
    engine: NamedDependency[Engine],
    id: FromPath[str],
    document: NamedDependency[NewReportSchedule],
    expected_version: NamedDependency[int | None],
) -> Response[bytes]:
    await engine.mail.schedules.get(actor.merchant_id, id)
    await _check(engine, actor.merchant_id, document)
    return await _shown(engine, await engine.mail.schedules.replace(actor, id, document, version=expected_version))


@delete(ITEM, **Operation(TAG, "Delete a report schedule", {204: Answer("Deleted; what waits is not sent")}).route())
async def remove(actor: NamedDependency[Actor], engine: NamedDependency[Engine], id: FromPath[str]) -> None:
    await engine.mail.schedules.delete(actor, id)


@post(
    f"{ITEM}/test",
    **Operation(
        TAG,
        "Send a test report",
        {204: Answer("The mail is on its way")},
        "Sends the report that would be due today to one address.",
        body=ReportTest,
        example=examples.REPORT_TEST,
        errors=(409,),
    ).route(),
)
async def send_test(
    actor: NamedDependency[Actor],
    engine: NamedDependency[Engine],
    id: FromPath[str],
    document: NamedDependency[ReportTest],
) -> None:
    await engine.mail.schedules.test(actor, id, document.recipient)


async def _check(engine: Engine, merchant_id: int, document: NewReportSchedule) -> None:
    """Raise `Invalid` for a placement that there is not."""
    configuration = await engine.catalogue.configuration(merchant_id)
    if document.placement not in (placement.key for placement in configuration.placements):
        raise invalid("placement", f"there is no placement “{document.placement}”")


async def _shown(
    engine: Engine, schedule: ReportSchedule, *, status: int = 200, headers: Mapping[str, str] = NO_STORE
) -> Response[bytes]:
    summaries = await engine.mail.schedules.summaries(schedule.merchant_id)
    is_allowed = (await engine.tiers.of(schedule.merchant_id)).scheduled_mail
    body = ScheduledReport(**_fields(schedule, summaries.get(schedule.id), is_allowed=is_allowed))
    return json_response(body, status=status, version=schedule.version, headers=headers)


def _fields(schedule: ReportSchedule, summary: MailSummary | None, *, is_allowed: bool) -> dict[str, Any]:
    return {
        **msgspec.structs.asdict(schedule.document),
        "id": schedule.id,
        "version": schedule.version,
        "created_at": rfc3339(schedule.created_at),
        "next_at": None if schedule.next_at is None else rfc3339(schedule.next_at),
        "is_allowed": is_allowed,
        "delivery": delivery_of(summary),
    }


handlers = [list_schedules, create, show, replace, remove, send_test]
