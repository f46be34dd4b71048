"""Announce that an operation is deprecated: `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and `Link`, and a count.

Only requests to deprecated operations, and none to the busiest routes that are not, pay for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from typing import Any, TypeVar
from urllib.parse import quote

from litestar.types import ASGIApp, Message, Receive, Send

from web.deprecation.table import Deprecation
from web.http.metrics import DEPRECATED_CALLS
from web.http.request_reading import AnyRequest
from web.http.responses import RESPONSE_HEADERS
from web.operation_ids import operation_id

T = TypeVar("T")


class Announcement:
    """The headers with which answers of a deprecated operation announce it."""

    def __init__(self, method: str, path: str, deprecation: Deprecation) -> None:
        self._headers = (
            (b"deprecation", f"@{_midnight(deprecation.since).timestamp():.0f}".encode()),
            (b"sunset", format_datetime(_midnight(deprecation.until), usegmt=True).encode()),
        )
        self._about = f'</docs#{operation_id(method, path)}>; rel="deprecation"; type="text/html"'
        self._successor = deprecation.successor
        self._calls = DEPRECATED_CALLS.labels(f"{method} {path}")

    def add_to(self, scope: Any) -> None:
        """Add the headers to the response of a request, and count the call."""
        self._calls.inc()
        links = [self._about]
        if self._successor:
            names = {name: quote(str(value), safe="") for name, value in scope.get("path_params", {}).items()}
            links.append(f'<{self._successor.format_map(names)}>; rel="successor-version"')
        link = (b"link", ", ".join(links).encode())
        scope[RESPONSE_HEADERS] = (*scope.get(RESPONSE_HEADERS, ()), *self._headers, link)


Announcements = dict[tuple[str, str], Announcement]


def announcements(table: Iterable[Deprecation]) -> Announcements:
    """Return what to announce, by method and path of the operation."""
    return {each.operation: Announcement(*each.operation, each) for each in table if each.operation}


def announced(
    handle: Callable[[AnyRequest], Awaitable[T]], announcement: Announcement | None
) -> Callable[[AnyRequest], Awaitable[T]]:
    """Return the function of a direct route: itself, unless it is deprecated."""
    if announcement is None:
        return handle

    async def handle_deprecated(request: AnyRequest) -> T:
        try:
            return await handle(request)
        finally:
            announcement.add_to(request.scope)

    return handle_deprecated


class DeprecatedOperations:
    """Announces the deprecated operations of an application, whatever becomes of the request."""

    def __init__(self, app: ASGIApp, announcements: Announcements) -> None:
        self._app = app
        self._announcements = announcements

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        async def send_announced(message: Message) -> None:
            if message["type"] == "http.response.start":
                announcement = self._announcements.get((scope["method"], scope.get("path_template", "")))
                if announcement is not None:
                    announcement.add_to(scope)
            await send(message)

        await self._app(scope, receive, send_announced)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
