"""Who may come in: every request of the pages passes here before its handler."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlsplit

from litestar import Request, Response
from litestar.response import Redirect

from engine.model.errors import Forbidden
from web.admin.shell.frame import Frame, address_of, frame_of
from web.http.middleware.base_path import browser_path
from web.http.sessions import SESSION, Cookies, same_token

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
AnyRequest = Request[Any, Any, Any]
INTERRUPTED = {"X-Interrupted": "true"}
"""Tells forms.js to keep what was typed: the answer leads away from the page without saving it."""


class ExpiredPage(Forbidden):
    """A form that was opened in an earlier session; `page` is where it stands."""

    def __init__(self, page: str) -> None:
        super().__init__("Somebody logged in again since you opened this page. Nothing was changed.")
        self.page = page


async def enter(request: AnyRequest) -> Response[Any] | None:
    """Recognise the person and refuse forged requests; leads to the log-in where nobody is logged in."""
    cookies = cookies_of(request)
    token = request.cookies.get(cookies.name(SESSION))
    visit = await request.app.state.engine.sessions.visit(token) if token else None
    if visit is None or not visit.merchants:
        return _to_login(request)
    request.state.frame = frame_of(request, request.app.state.engine, visit, cookies)
    if request.method not in SAFE and not same_token(await _given_token(request), visit.session.csrf):
        raise ExpiredPage(page_of(request))
    return None


def provide_frame(request: AnyRequest) -> Frame:
    """Return the frame that `enter` made."""
    frame: Frame = request.state.frame
    return frame


def cookies_of(request: AnyRequest) -> Cookies:
    """Return the cookies that fit this server's settings."""
    return Cookies(secure=request.app.state.engine.settings.secure_cookies)


async def typed(request: AnyRequest) -> dict[str, str]:
    """Read the texts of a sent form by field, the last of several with one name, without files."""
    return {name: value for name, value in (await request.form()).multi_items() if isinstance(value, str)}


async def several_typed(request: AnyRequest) -> dict[str, list[str]]:
    """Read the texts of a sent form by field, all of those with one name, without files."""
    texts: dict[str, list[str]] = {}
    for name, value in (await request.form()).multi_items():
        if isinstance(value, str):
            texts.setdefault(name, []).append(value)
    return texts


async def _given_token(request: AnyRequest) -> str | None:
    return request.headers.get("x-csrf-token") or (await typed(request)).get("csrf")


def _to_login(request: AnyRequest) -> Response[Any]:
    login = browser_path(f"/admin/login?next={quote(page_of(request))}")
    if request.headers.get("hx-request") == "true":
        return Response("", status_code=200, headers={"HX-Redirect": login, **INTERRUPTED})
    return Redirect(login, status_code=303)


def page_of(request: AnyRequest) -> str:
    """Return the page to come back to after the log-in: for a form, the page that it stands on."""
    if request.method == "GET" and request.headers.get("hx-request") != "true":
        return address_of(request)
    page = urlsplit(request.headers.get("hx-current-url") or request.headers.get("referer") or "")
    came_from = f"{page.path}?{page.query}" if page.query else page.path
    return came_from if came_from.startswith(browser_path("/admin/")) else browser_path("/admin/")
