"""The page behind an invitation's link: a name, a password, and one is in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath

from engine.model.account import Invitation
from engine.model.errors import Conflict, FieldProblem, Forbidden, Invalid, TooMany
from engine.service import Engine
from web.admin.shell.admission import AnyRequest, typed
from web.admin.shell.forms import Form
from web.admin.shell.public_forms import EXPIRED, Visitor, browser_of, form_page, has_form_token, let_in, too_often
from web.admin.shell.render import Page
from web.http.metrics import PEOPLE
from web.http.middleware.base_path import browser_path

TEMPLATE = "people/join.html"


@dataclass(frozen=True)
class JoinPage:
    """The form of somebody who is invited, or why the link does not work any more."""

    frame: Visitor
    form: Form
    merchant: str
    email: str
    role: str


@get("/join/{token:str}", include_in_schema=False)
async def join_page(request: AnyRequest, token: FromPath[str]) -> Page:
    """Show the form; looking at it does not use the invitation."""
    try:
        invitation = await _engine(request).team.invitation(token)
    except Forbidden as refusal:
        return _over(request, refusal.detail)
    return await _page(request, invitation, Form())


@post("/join/{token:str}", include_in_schema=False)
async def join(request: AnyRequest, token: FromPath[str]) -> Response[Any]:
    """Add the person and log them in."""
    engine, values = _engine(request), await typed(request)
    try:
        invitation = await engine.team.invitation(token)
        form = Form({"name": values.get("name", "")[:200]})
        if not has_form_token(request, values):
            return await _page(request, invitation, Form(form.values, {"form": EXPIRED}), status=403)
        return await _join(request, token, invitation, form, values.get("password", ""))
    except Forbidden as refusal:
        return _over(request, refusal.detail)


async def _join(request: AnyRequest, token: str, invitation: Invitation, form: Form, password: str) -> Response[Any]:
    engine = _engine(request)
    if not form.value("name").strip():
        problem = FieldProblem("name", "Enter the name that your colleagues use")
        return await _page(request, invitation, form.with_problems([problem]), status=422)
    try:
        user = await engine.team.join(token, form.value("name"), password)
    except Invalid as error:
        return await _page(request, invitation, form.with_problems(error.problems), status=422)
    except Conflict as error:
        return await _page(request, invitation, Form(form.values, {"form": error.detail}), status=409)
    except TooMany as limit:
        text = too_often(limit.retry_after)
        return await _page(request, invitation, Form(form.values, {"form": text}), status=429)
    PEOPLE.labels("joined").inc()
    session_token, _ = await engine.sessions.admit(user, browser=browser_of(request))
    return await let_in(request, session_token, browser_path("/admin/"))


async def _page(request: AnyRequest, invitation: Invitation, form: Form, *, status: int = 200) -> Page:
    merchant = await _engine(request).accounts.merchant(invitation.slug)
    names = {"merchant": merchant.name, "email": invitation.email, "role": invitation.role}
    return form_page(request, TEMPLATE, form, status=status, **names)


def _over(request: AnyRequest, text: str) -> Page:
    return form_page(request, TEMPLATE, Form({}, {"form": text}), status=403, merchant="", email="", role="")


def _engine(request: AnyRequest) -> Engine:
    engine: Engine = request.app.state.engine
    return engine


outside = [join_page, join]
