"""The routes of the customer center."""

from __future__ import annotations

from typing import Any

from litestar import Response, Router
from litestar.di import Provide
from litestar.exceptions import HTTPException

from engine.model.errors import EngineError, NotFound, TooMany
from web.center.admission import AnyRequest, Closed, enter, provide_customer
from web.center.pages import CLOSED, handlers, message_page, open_handlers
from web.center.views import MessagePage
from web.customer_links import CENTER
from web.http.problem_details import log_unexpected

MOST_BODY_BYTES = 64 * 1024
BUSY = MessagePage("busy", "busy_text")
BROKEN = MessagePage("broken", "broken_text")


def engine_error(request: AnyRequest, error: EngineError) -> Response[Any]:
    """Show an error of the engine."""
    if isinstance(error, Closed | NotFound):
        return message_page(request, CLOSED, status=403)
    if isinstance(error, TooMany):
        response = message_page(request, BUSY, status=429)
        response.headers["Retry-After"] = str(error.retry_after)
        return response
    return message_page(request, BROKEN, status=409)


def http_error(request: AnyRequest, error: HTTPException) -> Response[Any]:
    """Show an error of the server."""
    return message_page(request, BROKEN, status=error.status_code)


def unexpected(request: AnyRequest, error: Exception) -> Response[Any]:
    """Show a page without details: they go to the log."""
    return message_page(request, BROKEN, status=503 if log_unexpected(request, error) else 500)


def routers() -> list[Any]:
    """Return the routers of the entry and of the pages behind it."""
    failing: Any = {EngineError: engine_error, HTTPException: http_error, Exception: unexpected}
    entry = Router(
        "/",
        route_handlers=open_handlers,
        exception_handlers=failing,
        include_in_schema=False,
        request_max_body_size=MOST_BODY_BYTES,
    )
    inside = Router(
        CENTER,
        route_handlers=handlers,
        before_request=enter,
        dependencies={"customer": Provide(provide_customer, sync_to_thread=False)},
        exception_handlers=failing,
        include_in_schema=False,
        request_max_body_size=MOST_BODY_BYTES,
    )
    return [entry, inside]
