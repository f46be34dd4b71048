"""Pages for people who are not logged in: log in, join a team. Their forms carry a token that is in a cookie too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import structlog
from litestar import Response
from litestar.response import Redirect

from engine.accounts.second_factor import CHALLENGE_MS
from engine.settings import Settings
from web.admin.shell.admission import AnyRequest, cookies_of
from web.admin.shell.forms import Form
from web.admin.shell.frame import THEME, chosen_theme
from web.admin.shell.render import Page, html, render
from web.http.metrics import LOGINS
from web.http.middleware.base_path import browser_path
from web.http.sessions import FORM_COOKIE, SESSION, STEP, new_token, same_token

log = structlog.get_logger()

LOGIN = "shell/login.html"
EXPIRED = "This page has expired. Try again."


@dataclass(frozen=True)
class Visitor:
    """The frame of a page for someone who is not logged in."""

    theme: str
    csrf: str


def visitor_of(request: AnyRequest, csrf: str = "") -> Visitor:
    """Return the frame of a page for this visitor."""
    return Visitor(chosen_theme(request.cookies.get(cookies_of(request).name(THEME))), csrf)


def form_page(request: AnyRequest, template: str, form: Form, *, status: int = 200, **names: Any) -> Page:
    """Render a form with a new token, which is in a cookie too, so that no other site can send the form."""
    csrf = new_token()
    text = render(template, frame=visitor_of(request, csrf), form=form, **names)
    response = html(text, status=status)
    response.set_cookie(cookies_of(request).make(FORM_COOKIE, csrf, seconds=3600))
    return response


def login_form(request: AnyRequest, text: str = "", *, status: int = 200, **values: str) -> Page:
    """Render the log-in page, with a problem above its fields and the way to the provider where there is one."""
    settings: Settings = request.app.state.engine.settings
    form = Form(values, {"form": text} if text else {})
    provider = settings.oidc_name if settings.oidc_issuer else ""
    return form_page(
        request,
        LOGIN,
        form,
        status=status,
        provider=provider,
        provider_address=browser_path(f"/admin/login/provider?next={quote(values.get('next', ''))}"),
        sign_up=settings.sign_up,
    )


def has_form_token(request: AnyRequest, values: dict[str, str]) -> bool:
    """Return whether a form was sent by the page that this browser got last."""
    return same_token(values.get("csrf"), request.cookies.get(cookies_of(request).name(FORM_COOKIE)))


def problem(values: dict[str, str], text: str) -> Form:
    """Return a form with a problem above its fields."""
    return Form(values, {"form": text})


def too_often(wait: int) -> str:
    """Count a log-in that was refused as one too many; return what its page says."""
    count_login("limited")
    return wait_words(wait)


def wait_words(wait: int) -> str:
    """Return what a page says to somebody who must wait, in seconds, before the next attempt."""
    return f"Too many attempts. Try again in {max(1, round(wait / 60))} min."


def ask_for_code(request: AnyRequest, challenge: str, next_page: str) -> Response[Any]:
    """Go on to the page that asks for a code; the proof of the password is in a cookie."""
    response = Redirect(browser_path(f"/admin/login/code?next={quote(_inside(next_page))}"), status_code=303)
    response.set_cookie(cookies_of(request).make(STEP, challenge, seconds=CHALLENGE_MS // 1000))
    return response


async def let_in(request: AnyRequest, token: str, next_page: str) -> Response[Any]:
    """Go on to a page with a new session, in place of the one that this browser had."""
    count_login("ok")
    await end_old_session(request)
    cookies = cookies_of(request)
    response = Redirect(_inside(next_page), status_code=303)
    response.set_cookie(cookies.session(token))
    response.set_cookie(cookies.expired(FORM_COOKIE))
    response.set_cookie(cookies.expired(STEP))
    return response


async def end_old_session(request: AnyRequest) -> None:
    """End the session that this browser has, if it has one."""
    old = request.cookies.get(cookies_of(request).name(SESSION))
    if old:
        await request.app.state.engine.sessions.log_out(old)


def network_address(request: AnyRequest) -> str:
    """Return the network address of a request, under which attempts are counted."""
    return request.client.host if request.client else ""


def browser_of(request: AnyRequest) -> str:
    """Return what the browser says of itself."""
    return request.headers.get("user-agent", "")


def count_login(result: str) -> None:
    """Count a log-in, and log one that failed, without the address that was typed."""
    LOGINS.labels(result).inc()
    if result != "ok":
        log.warning("log-in failed", result=result)


def _inside(next_page: str) -> str:
    """Return the address after the log-in, only a page of the admin: no open redirect (CWE-601)."""
    pages = browser_path("/admin/")
    return next_page if next_page.startswith(pages) and "\\" not in next_page else pages
