"""Pages for what goes wrong: not found, not allowed, broken. They say what happened and what to do next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode, urlsplit

from litestar import Response
from litestar.exceptions import HTTPException
from litestar.response import Redirect

from engine.model.errors import Conflict, EngineError, Forbidden, Invalid, LimitReached, NotFound, TooMany, Unavailable
from web.admin.shell.admission import INTERRUPTED, SAFE, AnyRequest, ExpiredPage, page_of
from web.admin.shell.frame import Frame, Notice, side_of
from web.admin.shell.navigation import navigation_items
from web.admin.shell.public_forms import visitor_of
from web.admin.shell.render import html, render
from web.http.middleware.base_path import browser_path
from web.http.problem_details import answer_to, log_unexpected


@dataclass(frozen=True)
class ErrorPage:
    """An error that is shown in place of a page; `back` is the page of the form that caused it, or empty."""

    title: str
    text: str
    icon: str
    back: str = ""


NOT_FOUND = ErrorPage(
    "Page not found",
    "It may have been deleted, or it may be on the other side (live or test). Switch above, or go to the overview.",
    "search",
)
DATABASE_DOWN = ErrorPage(
    "The database does not answer",
    "Nothing was saved. Go back and send it again in a few seconds.",
    "alert-triangle",
)
BROKEN = ErrorPage("Something broke on our side", "Your change may not be saved. Try again.", "alert-triangle")
BROKEN_VIEW = ErrorPage("Something broke on our side", "Try again in a moment.", "alert-triangle")
TOO_LARGE = ErrorPage("This is too large", "Nothing was changed. Send at most 512 KiB at once.", "alert-circle")
UNREADABLE_FORM = ErrorPage("This did not work", "The form could not be read. Go back and try again.", "alert-circle")
UNREADABLE_ADDRESS = ErrorPage("This did not work", "The address contains a value that does not fit.", "alert-circle")
TOAST = {"HX-Retarget": "#toasts", "HX-Reswap": "innerHTML"}
"""Headers of an answer to htmx that goes into a toast, and never into the part of the page that was asked for."""


def engine_error(request: AnyRequest, error: EngineError) -> Response[Any]:
    """Show an error of the engine."""
    if isinstance(error, NotFound):
        return _not_found(request)
    if isinstance(error, ExpiredPage):
        return _expired(request, error)
    if isinstance(error, Forbidden):
        return _answer(request, ErrorPage("You do not have permission", error.detail, "alert-circle"), status=403)
    if isinstance(error, LimitReached):
        page = ErrorPage("The limit of your account is reached", f"{_sentence(error)}.", "alert-circle")
        return _answer(request, page, status=429)
    if isinstance(error, TooMany):
        return _answer(request, ErrorPage("Too many attempts", _again(error), "alert-circle"), status=429)
    status = 409 if isinstance(error, Conflict) else 422 if isinstance(error, Invalid) else 500
    text = f"{_sentence(error)}. Reload the page to see the current state."
    return _answer(request, ErrorPage("This did not work", text, "alert-circle"), status=status)


def _sentence(error: EngineError) -> str:
    return f"{error.detail[:1].upper()}{error.detail[1:]}"


def _again(error: TooMany) -> str:
    return f"Nothing was changed. Try again in {max(1, round(error.retry_after / 60))} min."


def http_error(request: AnyRequest, error: HTTPException) -> Response[Any]:
    """Show an error of the server."""
    if error.status_code >= 500:
        return unexpected(request, error)
    if error.status_code in (404, 405):
        return _not_found(request)
    if error.status_code == 413:
        return _answer(request, TOO_LARGE, status=413)
    if request.method not in SAFE:
        return _answer(request, UNREADABLE_FORM, status=error.status_code)
    return _without_unread(request, error) or _answer(request, UNREADABLE_ADDRESS, status=error.status_code)


def _without_unread(request: AnyRequest, error: HTTPException) -> Response[Any] | None:
    """Redirect to the page without the values in its address that do not fit, such as `days=x`; None if none is."""
    frame: Frame | None = request.state.get("frame")
    problems = error.extra if isinstance(error.extra, list) else []
    unread = {problem.get("key") for problem in problems}
    values = list(request.query_params.multi_items())
    read = [(name, value) for name, value in values if name not in unread]
    if frame is None or frame.is_htmx or len(read) == len(values):
        return None
    address = frame.path.partition("?")[0]
    notice = Notice("The address had a value that does not fit here. It was left out.")
    return frame.go(f"{address}?{urlencode(read)}" if read else address, notice=notice)


def wrong_method(request: AnyRequest, error: HTTPException) -> Response[Any]:
    """Redirect the address of a form, opened as a page, to the page above it; answer others as the API does."""
    above = request.url.path.rstrip("/").rpartition("/")[0]
    if request.method in SAFE and f"{above}/".startswith("/admin/"):
        return Redirect(browser_path("/admin/" if above == "/admin" else above), status_code=303)
    return answer_to(request, error)


def unexpected(request: AnyRequest, error: Exception) -> Response[Any]:
    """Show a page without details: they go to the log."""
    if not log_unexpected(request, error):
        return _answer(request, BROKEN_VIEW if request.method in SAFE else BROKEN, status=500)
    response = _answer(request, DATABASE_DOWN, status=503)
    response.headers["Retry-After"] = str(Unavailable("").retry_after)
    return response


def _not_found(request: AnyRequest) -> Response[Any]:
    """Answer 404, but lead somebody who switched sides on a page that only the other side has to the list above it."""
    frame: Frame | None = request.state.get("frame")
    came_from = side_of(urlsplit(request.headers.get("referer", "")).path)
    if frame is None or frame.is_htmx or request.method != "GET" or came_from in ("", frame.merchant.mode):
        return _answer(request, NOT_FOUND, status=404)
    section = next((item.href for item in navigation_items() if item.name == frame.section), "/")
    above, text = f"{frame.base}{section}", f"That page does not exist on the {frame.merchant.mode} side."
    return _answer(request, NOT_FOUND, status=404) if frame.path == above else frame.go(above, notice=Notice(text))


def _expired(request: AnyRequest, error: ExpiredPage) -> Response[Any]:
    """Lead back to the page of a form from an earlier session, where forms.js fills in what was typed."""
    frame: Frame = request.state.frame
    if frame.is_htmx:
        return Response("", status_code=403, headers={"HX-Redirect": error.page, **INTERRUPTED})
    text = f"{error.detail} What you typed is still there: go back to the page and send it again."
    return _answer(request, ErrorPage("This page was opened before the last log-in", text, "alert-circle"), status=403)


def _answer(request: AnyRequest, page: ErrorPage, *, status: int) -> Response[Any]:
    frame: Frame | None = request.state.get("frame")
    if frame is None:
        names = {"title": page.title, "text": page.text, "icon": page.icon}
        return html(render("shell/error_outside.html", frame=visitor_of(request), **names), status=status)
    if frame.is_htmx:
        response = frame.page("shell/_error_toast.html", page, status=status)
        response.headers.update(TOAST)
        return response
    if request.method not in SAFE and status != 404:
        page = replace(page, back=page_of(request))
    return frame.page("shell/error.html", page, status=status)
