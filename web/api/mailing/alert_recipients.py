"""Who gets which alerts by mail."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.mailing.alert_recipients import MOST_RECIPIENTS
from engine.model.actor import Actor
from engine.model.mailing.alert_recipient import ALERT_TYPES, AlertRecipient, NewAlertRecipient
from engine.model.mailing.mail import MailSummary
from engine.model.timestamps import rfc3339
from engine.service import Engine
from web.api.common_types import Moment, Page, part_of
from web.api.mailing.mail_delivery import MailDelivery, delivery_of
from web.api.mailing.report_schedules import TAG
from web.http.responses import NO_STORE, json_response
from web.openapi import examples
from web.openapi.operation import Answer, Operation

PATH = "/v1/alert-recipients"
ITEM = f"{PATH}/{{id:str}}"


class AlertedRecipient(NewAlertRecipient, frozen=True, kw_only=True):
    """A recipient, and how the mails to them do."""

    id: str
    version: Annotated[int, Meta(ge=1, description="Counts the changes; `If-Match` takes it in quotes.")]
    created_at: Moment
    delivery: MailDelivery


class AlertRecipientList(msgspec.Struct, frozen=True):
    """A page of recipients, the oldest first, and the cursor of the next page."""

    items: list[AlertedRecipient]
    next: str | None


@get(
    PATH,
    **Operation(TAG, "List alert recipients", {200: Answer("The recipients", AlertRecipientList)}, query=Page).route(),
)
async def list_recipients(
    access: NamedDependency[Access], engine: NamedDependency[Engine], parameters: NamedDependency[Page]
) -> Response[bytes]:
    items, cursor = part_of(await engine.mail.alerts.all(access.merchant.id), parameters)
    summaries = await engine.mail.alerts.summaries(access.merchant.id)
    shown = [AlertedRecipient(**_fields(each, summaries.get(each.id))) for each in items]
    return json_response(AlertRecipientList(shown, cursor), headers=NO_STORE)


@post(
    PATH,
    **Operation(
        TAG,
        "Add an alert recipient",
        {201: Answer("The recipient", AlertedRecipient, ("Location", "ETag"))},
        f"They get alerts from now on, each event once. Types: {', '.join(ALERT_TYPES)}. At most {MOST_RECIPIENTS} "
        "recipients.",
        body=NewAlertRecipient,
        example=examples.ALERT_RECIPIENT,
        errors=(409,),
    ).route(),
)
async def add(
    actor: NamedDependency[Actor], engine: NamedDependency[Engine], document: NamedDependency[NewAlertRecipient]
) -> Response[bytes]:
    item = await engine.mail.alerts.add(actor, document)
    headers = {**NO_STORE, "Location": f"{PATH}/{item.id}"}
    return json_response(AlertedRecipient(**_fields(item)), status=201, version=item.version, headers=headers)


@get(ITEM, **Operation(TAG, "Show an alert recipient", {200: Answer("It", AlertedRecipient, ("ETag",))}).route())
async def show(access: NamedDependency[Access], engine: NamedDependency[Engine], id: FromPath[str]) -> Response[bytes]:
    return await _shown(engine, await engine.mail.alerts.get(access.merchant.id, id))


@put(
    ITEM,
    **Operation(
        TAG,
        "Replace the alerts of a recipient",
        {200: Answer("Replaced", AlertedRecipient, ("ETag",))},
        "Replaces the types. The address stays: to change it, delete this recipient and add another.",
        body=NewAlertRecipient,
        example=examples.ALERT_RECIPIENT,
        errors=(412, 428),
    ).route(),
)
async def replace(
    actor: NamedDependency[Actor],
    engine: NamedDependency[Engine],
    id: FromPath[str],
    document: NamedDependency[NewAlertRecipient],
    expected_version: NamedDependency[int | None],
) -> Response[bytes]:
    return await _shown(engine, await engine.mail.alerts.replace(actor, id, document, version=expected_version))


@delete(ITEM, **Operation(TAG, "Delete an alert recipient", {204: Answer("Deleted; what waits is not sent")}).route())
async def remove(actor: NamedDependency[Actor], engine: NamedDependency[Engine], id: FromPath[str]) -> None:
    await engine.mail.alerts.remove(actor, id)


async def _shown(engine: Engine, item: AlertRecipient) -> Response[bytes]:
    summaries = await engine.mail.alerts.summaries(item.merchant_id)
    body = AlertedRecipient(**_fields(item, summaries.get(item.id)))
    return json_response(body, version=item.version, headers=NO_STORE)


def _fields(item: AlertRecipient, summary: MailSummary | None = None) -> dict[str, Any]:
    return {
        "recipient": item.recipient,
        "types": item.types,
        "id": item.id,
        "version": item.version,
        "created_at": rfc3339(item.created_at),
        "delivery": delivery_of(summary),
    }


handlers = [list_recipients, add, show, replace, remove]
