"""Webhooks: where events are sent to. A secret is shown once, when it is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency

from engine.model.errors import Conflict, FieldProblem, Invalid
from engine.model.events.webhook import Endpoint, EndpointState
from engine.webhooks.addresses import without_path
from web.admin.settings.hook_form import EventChoice, endpoint_in, event_groups
from web.admin.shell.admission import AnyRequest, typed
from web.admin.shell.forms import Form
from web.admin.shell.frame import Frame
from web.admin.shell.render import Page

TEMPLATE = "settings/webhooks.html"


@dataclass(frozen=True)
class HooksPage:
    """The endpoints, the form of a new one, and the secret of one that was just made."""

    endpoints: Sequence[Endpoint]
    addresses: Mapping[str, str]
    states: Mapping[str, EndpointState]
    form: Form
    groups: Sequence[tuple[str, Sequence[EventChoice]]]
    made: Endpoint | None
    secret: str


@get("/webhooks")
async def hooks_page(frame: NamedDependency[Frame]) -> Page:
    """Show the list of endpoints."""
    return await _page(frame)


@post("/webhooks", status_code=200)
async def create_hook(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Create an endpoint and show its secret."""
    frame.must_administer()
    values = await typed(request)
    try:
        document = endpoint_in(values, frame.engine.webhooks.check_url, enabled=True)
        made, secret = await frame.engine.webhooks.create(frame.actor, document)
    except Invalid as error:
        return await _page(frame, Form(values).with_problems(error.problems), status=422)
    except Conflict as error:
        return await _page(frame, Form(values).with_problems([FieldProblem("form", error.detail)]), status=409)
    return await _page(frame, made=made, secret=secret)


async def _page(
    frame: Frame, form: Form | None = None, *, made: Endpoint | None = None, secret: str = "", status: int = 200
) -> Page:
    endpoints = await frame.engine.webhooks.all(frame.merchant.id)
    states = await frame.engine.webhooks.states(frame.merchant.id)
    page = HooksPage(
        endpoints,
        {endpoint.id: shown_address(frame, endpoint) for endpoint in endpoints},
        states,
        form or Form({}),
        event_groups(),
        made,
        secret,
    )
    return frame.page(TEMPLATE, page, status=status)


def shown_address(frame: Frame, endpoint: Endpoint) -> str:
    """Return the address as this person may see it: its path is often a secret of the receiver."""
    return endpoint.url if frame.may_administer else without_path(endpoint.url)


handlers = [hooks_page, create_hook]
