"""Pages for what goes wrong: not found, not allowed, broken. They say what happened and what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import structlog
from litestar import Response
from litestar.exceptions import HTTPException

from engine.model.errors import Conflict, EngineError, Forbidden, Invalid, NotFound
from web.admin.shell.admission import AnyRequest, cookies_of
from web.admin.shell.frame import THEME, Frame, chosen_theme
from web.admin.shell.login import Visitor
from web.admin.shell.render import html, render

log = structlog.get_logger()


@dataclass(frozen=True)
class ErrorPage:
    """An error that is shown in place of a page."""

    title: str
    text: str
    icon: str


NOT_FOUND = ErrorPage(
    "Page not found",
    "It may have been deleted, or it may be on the other side (live or test). Switch above, or go to the overview.",
    "search",
)
BROKEN = ErrorPage("Something broke on our side", "Nothing was saved. Try again in a moment.", "alert-triangle")


def engine_error(request: AnyRequest, error: EngineError) -> Response[Any]:
    """Show an error of the engine."""
    if isinstance(error, NotFound):
        return _answer(request, NOT_FOUND, status=404)
    if isinstance(error, Forbidden):
        return _answer(request, ErrorPage("You do not have permission", error.detail, "alert-circle"), status=403)
    status = 409 if isinstance(error, Conflict) else 422 if isinstance(error, Invalid) else 500
    text = f"{error.detail[:1].upper()}{error.detail[1:]}. Reload the page to see the current state."
    return _answer(request, ErrorPage("This did not work", text, "alert-circle"), status=status)


def http_error(request: AnyRequest, error: HTTPException) -> Response[Any]:
    """Show an error of the server."""
    if error.status_code >= 500:
        return unexpected(request, error)
    if error.status_code in (404, 405):
        return _answer(request, NOT_FOUND, status=404)
    text = "The form could not be read. Go back and try again."
    return _answer(request, ErrorPage("This did not work", text, "alert-circle"), status=error.status_code)


def unexpected(request: AnyRequest, error: Exception) -> Response[Any]:
    """Show a page without details: they go to the log."""
    log.error(
        "unexpected error", path=request.scope.get("path_template", ""), error=type(error).__name__, exc_info=error
    )
    return _answer(request, BROKEN, status=500)


def _answer(request: AnyRequest, page: ErrorPage, *, status: int) -> Response[Any]:
    frame: Frame | None = request.state.get("frame")
    if frame is not None:
        return frame.page("shell/error.html", page, status=status)
    visitor = Visitor(chosen_theme(request.cookies.get(cookies_of(request).name(THEME))), "")
    names = {"title": page.title, "text": page.text, "icon": page.icon}
    return html(render("shell/error_outside.html", frame=visitor, **names), status=status)
