"""The log-in page, and leaving."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import structlog
from litestar import Response, get, post
from litestar.response import Redirect

from engine.model.errors import Forbidden, TooMany
from web.admin.shell.admission import AnyRequest, cookies_of, typed
from web.admin.shell.forms import Form
from web.admin.shell.frame import THEME, chosen_theme
from web.admin.shell.render import Page, html, render
from web.http.metrics import LOGINS
from web.http.sessions import DOOR, SESSION, new_token, same_token

log = structlog.get_logger()


@dataclass(frozen=True)
class Visitor:
    """The frame of a page for someone who is not logged in yet."""

    theme: str
    csrf: str


@get("/login", include_in_schema=False)
async def login_page(request: AnyRequest) -> Page:
    """Show the log-in form. Its token is in a cookie too, so that no other site can log anyone in."""
    return _page(request, Form({"next": request.query_params.get("next", "")}))


@post("/login", include_in_schema=False)
async def log_in(request: AnyRequest) -> Response[Any]:
    """Start a new session. Wrong e-mail and wrong password get the same answer."""
    values = await typed(request)
    cookies = cookies_of(request)
    form = Form({"email": values.get("email", "")[:200], "next": values.get("next", "")})
    if not same_token(values.get("csrf"), request.cookies.get(cookies.name(DOOR))):
        return _page(request, form, "This page has expired. Log in again.", status=403)
    try:
        token, _ = await request.app.state.engine.sessions.log_in(
            form.value("email"), values.get("password", ""), **origin_of(request)
        )
    except TooMany as limit:
        return _too_often(request, form, limit.retry_after)
    except Forbidden as refusal:
        _tell("refused")
        return _page(request, form, refusal.detail, status=401)
    _tell("ok")
    await _end_old_session(request)
    response = Redirect(_inside(form.value("next")), status_code=303)
    response.set_cookie(cookies.session(token))
    response.set_cookie(cookies.gone(DOOR))
    return response


@post("/logout", include_in_schema=False)
async def log_out(request: AnyRequest) -> Response[Any]:
    """Delete the session on the server and log out."""
    await _end_old_session(request)
    response = Redirect("/admin/login", status_code=303)
    response.set_cookie(cookies_of(request).gone(SESSION))
    return response


def _page(request: AnyRequest, form: Form, problem: str = "", *, status: int = 200) -> Page:
    cookies, csrf = cookies_of(request), new_token()
    theme = chosen_theme(request.cookies.get(cookies.name(THEME)))
    shown = Form(form.values, {"door": problem} if problem else {})
    response = html(render("shell/login.html", frame=Visitor(theme, csrf), form=shown), status=status)
    response.set_cookie(cookies.make(DOOR, csrf, seconds=3600))
    return response


def origin_of(request: AnyRequest) -> dict[str, str]:
    """Return where a log-in comes from: the address, and what the browser says of itself."""
    return {
        "address": request.client.host if request.client else "",
        "browser": request.headers.get("user-agent", ""),
    }


def _tell(result: str) -> None:
    """Count a log-in, and log one that failed, without the address that was typed."""
    LOGINS.labels(result).inc()
    if result != "ok":
        log.warning("log-in failed", result=result)


def _too_often(request: AnyRequest, form: Form, wait: int) -> Page:
    _tell("limited")
    minutes = max(1, round(wait / 60))
    again = f"Too many attempts. Try again in {minutes} min."
    response = _page(request, form, again, status=429)
    response.headers["Retry-After"] = str(wait)
    return response


async def _end_old_session(request: AnyRequest) -> None:
    old = request.cookies.get(cookies_of(request).name(SESSION))
    if old:
        await request.app.state.engine.sessions.log_out(old)


def _inside(address: str) -> str:
    """Return the address after the log-in, only a page of the admin: no open redirect (CWE-601)."""
    return address if address.startswith("/admin/") and "\\" not in address else "/admin/"


handlers = [log_out]
outside = [login_page, log_in]
