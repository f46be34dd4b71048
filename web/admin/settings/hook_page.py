"""One webhook: its form, its secret, and the log of what was sent to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from engine.model.errors import Conflict, FieldProblem, Invalid, Stale
from engine.model.events.event_types import EVENT_TYPES
from engine.model.events.webhook import DeliveryState, Endpoint, LoggedDelivery
from engine.webhooks.addresses import without_path
from web.admin.settings.hook_form import EventChoice, endpoint_in, event_groups, form_of
from web.admin.settings.hook_list import shown_address
from web.admin.shell.admission import AnyRequest, typed
from web.admin.shell.editing import version_of
from web.admin.shell.forms import Form, Reader
from web.admin.shell.frame import Frame, Notice
from web.admin.shell.navigation import PageLinks
from web.admin.shell.render import Page

TEMPLATE = "settings/webhook.html"
ROWS = 25
STATES: tuple[tuple[DeliveryState, str, str], ...] = (
    ("delivered", "Delivered", "good"), ("waiting", "Waiting", "plain"), ("parked", "Parked", "warn"),
)  # fmt: skip
FAULTS = {
    "status": "refused", "redirect": "redirects, which are not followed", "timeout": "no answer within 10 seconds",
    "unresolved": "the host has no address", "internal_address": "the host is inside a private network",
    "connection": "no connection", "tls": "the certificate is not valid for the host",
    "answer": "the answer is not HTTP",
    "unsendable": "the address is not allowed any more, or the secret cannot be read",
}  # fmt: skip
OVERLAPS = (("0", "At once"), ("1", "1 hour"), ("24", "1 day"), ("168", "7 days"))


@dataclass(frozen=True)
class HookPage:
    """An endpoint with its form and a page of its log; `secret` is one that was just made."""

    endpoint: Endpoint
    address: str
    form: Form
    groups: Sequence[tuple[str, Sequence[EventChoice]]]
    deliveries: Sequence[LoggedDelivery]
    state: str
    pages: PageLinks
    secret: str
    has_two_secrets: bool
    states: Sequence[tuple[str, str, str]] = STATES
    faults: Any = None
    summaries: Any = None
    overlaps: Sequence[tuple[str, str]] = OVERLAPS


@get("/webhooks/{hook_id:str}")
async def hook_page(request: Request[Any, Any, Any], frame: NamedDependency[Frame], hook_id: FromPath[str]) -> Page:
    """Show an endpoint and what was sent to it."""
    return await _page(frame, hook_id, query=dict(request.query_params))


@post("/webhooks/{hook_id:str}", status_code=200)
async def save_hook(request: AnyRequest, frame: NamedDependency[Frame], hook_id: FromPath[str]) -> Response[Any]:
    """Store an endpoint, unless somebody else changed it meanwhile."""
    frame.must_administer()
    values = await typed(request)
    await frame.engine.webhooks.get(frame.merchant.id, hook_id)
    try:
        check_url = frame.engine.webhooks.check_url
        document = endpoint_in(values, check_url, enabled=Reader(values).flag("enabled"))
        await frame.engine.webhooks.replace(frame.actor, hook_id, document, version=version_of(values))
    except Invalid as error:
        return await _page(frame, hook_id, Form(values).with_problems(error.problems), status=422)
    except Stale:
        problem = FieldProblem("form", "somebody else has changed this webhook meanwhile: reload the page")
        return await _page(frame, hook_id, Form(values).with_problems([problem]), status=409)
    return _back(frame, hook_id, "The webhook is saved.")


@post("/webhooks/{hook_id:str}/rotate", status_code=200)
async def rotate_hook(request: AnyRequest, frame: NamedDependency[Frame], hook_id: FromPath[str]) -> Response[Any]:
    """Make a new secret and show it."""
    frame.must_administer()
    hours = Reader(await typed(request)).integer("overlap", default=24)
    _, secret = await frame.engine.webhooks.rotate(frame.actor, hook_id, overlap_hours=hours)
    return await _page(frame, hook_id, secret=secret)


@post("/webhooks/{hook_id:str}/test", status_code=200)
async def test_hook(frame: NamedDependency[Frame], hook_id: FromPath[str]) -> Response[Any]:
    """Send a test message."""
    frame.must_administer()
    await frame.engine.webhooks.test(frame.actor, hook_id)
    return _back(frame, hook_id, "The test message is on its way. Reload the page to see the answer.")


@post("/webhooks/{hook_id:str}/resend", status_code=200)
async def resend_hook(request: AnyRequest, frame: NamedDependency[Frame], hook_id: FromPath[str]) -> Response[Any]:
    """Send one message again, or all that are parked."""
    frame.must_administer()
    event = Reader(await typed(request)).integer("event") or None
    try:
        count = await frame.engine.webhooks.send_again(frame.actor, hook_id, event)
    except Conflict as error:
        return _back(frame, hook_id, f"Nothing was sent: {error.detail}.")
    return _back(frame, hook_id, f"{frame.show.count(count, 'message')} will be sent again within seconds.")


@post("/webhooks/{hook_id:str}/delete", status_code=200)
async def delete_hook(request: AnyRequest, frame: NamedDependency[Frame], hook_id: FromPath[str]) -> Response[Any]:
    """Delete an endpoint with its log, if its host was typed. This cannot be undone."""
    frame.must_administer()
    endpoint = await frame.engine.webhooks.get(frame.merchant.id, hook_id)
    values, host = await typed(request), _host(endpoint)
    if values.get("confirm", "").strip() != host:
        form = form_of(endpoint).with_problems([FieldProblem("confirm", f"type {host} to confirm")])
        return await _page(frame, hook_id, form, status=422)
    await frame.engine.webhooks.delete(frame.actor, hook_id)
    return frame.go(f"{frame.base}/webhooks", notice=Notice(f"The webhook to {host} is deleted."))


def _host(endpoint: Endpoint) -> str:
    return without_path(endpoint.url).split("/")[2]


def _back(frame: Frame, hook_id: str, text: str) -> Response[Any]:
    return frame.go(f"{frame.base}/webhooks/{hook_id}", notice=Notice(text))


async def _page(
    frame: Frame,
    hook_id: str,
    form: Form | None = None,
    *,
    query: dict[str, str] | None = None,
    secret: str = "",
    status: int = 200,
) -> Page:
    endpoint = await frame.engine.webhooks.get(frame.merchant.id, hook_id)
    parameters = query or {}
    state = next((value for value, *_ in STATES if value == parameters.get("state")), None)
    before = int(text) if (text := parameters.get("before", "")).isdecimal() and len(text) < 16 else None
    rows = await frame.engine.webhooks.page(frame.merchant.id, hook_id, state=state, before=before, limit=ROWS + 1)
    page = HookPage(
        endpoint,
        shown_address(frame, endpoint),
        form or form_of(endpoint),
        event_groups(),
        rows[:ROWS],
        state or "",
        _links(f"{frame.base}/webhooks/{hook_id}", state or "", before, rows),
        secret,
        endpoint.has_two_secrets(frame.show.now),
        faults=FAULTS,
        summaries={type: kind.summary for type, kind in EVENT_TYPES.items()},
    )
    return frame.page(TEMPLATE, page, status=status)


def _links(address: str, state: str, before: int | None, rows: Sequence[LoggedDelivery]) -> PageLinks:
    narrowed = f"state={state}&" if state else ""
    first = f"{address}?{narrowed}".rstrip("?&") if before else ""
    following = f"{address}?{narrowed}before={rows[ROWS - 1].delivery.event_id}" if len(rows) > ROWS else ""
    return PageLinks(first, following)


handlers = [hook_page, save_hook, rotate_hook, test_hook, resend_hook, delete_hook]
