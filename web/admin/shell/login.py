"""The log-in page, and leaving."""

from __future__ import annotations

from typing import Any

from litestar import Response, get, post
from litestar.response import Redirect

from engine.model.errors import CodeNeeded, Forbidden, TooMany
from web.admin.shell.admission import AnyRequest, cookies_of, typed
from web.admin.shell.forms import Form
from web.admin.shell.public_forms import (
    EXPIRED,
    ask_for_code,
    browser_of,
    count_login,
    end_old_session,
    form_page,
    has_form_token,
    let_in,
    login_form,
    network_address,
    problem,
    too_often,
)
from web.admin.shell.render import Page
from web.http.middleware.base_path import browser_path
from web.http.sessions import SESSION, STEP

CODE_TEMPLATE = "shell/code.html"


@get("/login", include_in_schema=False)
async def login_page(request: AnyRequest) -> Page:
    """Show the log-in form. Its token is in a cookie too, so that no other site can log anyone in."""
    return login_form(request, next=request.query_params.get("next", ""))


@post("/login", include_in_schema=False)
async def log_in(request: AnyRequest) -> Response[Any]:
    """Start a new session. Wrong e-mail and wrong password get the same answer."""
    values = await typed(request)
    shown = {"email": values.get("email", "")[:200], "next": values.get("next", "")}
    if not has_form_token(request, values):
        return login_form(request, EXPIRED, status=403, **shown)
    try:
        token, _ = await request.app.state.engine.sessions.log_in(
            shown["email"], values.get("password", ""), address=network_address(request), browser=browser_of(request)
        )
    except TooMany as limit:
        return _with_wait(login_form(request, too_often(limit.retry_after), status=429, **shown), limit.retry_after)
    except CodeNeeded as needed:
        return ask_for_code(request, needed.challenge, shown["next"])
    except Forbidden as refusal:
        count_login("refused")
        return login_form(request, refusal.detail, status=401, **shown)
    return await let_in(request, token, shown["next"])


@get("/login/code", include_in_schema=False)
async def code_page(request: AnyRequest) -> Response[Any]:
    """Ask for a code of the second factor, after the password."""
    if not request.cookies.get(cookies_of(request).name(STEP)):
        return Redirect(browser_path("/admin/login"), status_code=303)
    return form_page(request, CODE_TEMPLATE, Form({"next": request.query_params.get("next", "")}))


@post("/login/code", include_in_schema=False)
async def check_code(request: AnyRequest) -> Response[Any]:
    """Start a new session, for a right code by somebody whose password was right."""
    values = await typed(request)
    shown = {"next": values.get("next", "")}
    if not has_form_token(request, values):
        return form_page(request, CODE_TEMPLATE, problem(shown, EXPIRED), status=403)
    challenge = request.cookies.get(cookies_of(request).name(STEP), "")
    try:
        token, _ = await request.app.state.engine.sessions.finish(
            challenge, values.get("code", ""), address=network_address(request), browser=browser_of(request)
        )
    except TooMany as limit:
        page = form_page(request, CODE_TEMPLATE, problem(shown, too_often(limit.retry_after)), status=429)
        return _with_wait(page, limit.retry_after)
    except Forbidden as refusal:
        count_login("refused")
        return form_page(request, CODE_TEMPLATE, problem(shown, refusal.detail), status=401)
    return await let_in(request, token, shown["next"])


@post("/logout", include_in_schema=False)
async def log_out(request: AnyRequest) -> Response[Any]:
    """Delete the session on the server and log out."""
    await end_old_session(request)
    response = Redirect(browser_path("/admin/login"), status_code=303)
    response.set_cookie(cookies_of(request).expired(SESSION))
    return response


def _with_wait(page: Page, wait: int) -> Page:
    page.headers["Retry-After"] = str(wait)
    return page


handlers = [log_out]
outside = [login_page, log_in, code_page, check_code]
