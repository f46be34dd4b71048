"""Call the handlers of the busiest routes without the framework's layers, which cost as much as a set of rules."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from litestar import Request, Response
from litestar.handlers import HTTPRouteHandler
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp, Receive, Send

from web.http import problem_details
from web.http.middleware.deprecation import Announcements, announced
from web.http.middleware.request_times import RequestTimes
from web.http.request_reading import AnyRequest

Answer = Response[Any] | ASGIResponse


class DirectRoutes:
    """Answers requests to the exact paths of `handlers`; `app` answers all others.

    The handlers take nothing but the request: no parameters in their paths, no dependencies. The app has them too, for
    its documents and for other methods. Those that are deprecated have an announcement.
    """

    def __init__(
        self, app: ASGIApp, handlers: Iterable[HTTPRouteHandler], times: RequestTimes, announcements: Announcements
    ) -> None:
        self._app = app
        self._times = times
        self._functions: dict[tuple[str, str], Callable[[AnyRequest], Awaitable[Answer]]] = {
            (path, method): announced(handler.fn, announcements.get((method, path)))
            for handler in handlers
            for path in handler.paths
            for method in handler.http_methods
        }

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        function = self._functions.get((scope["path"], scope["method"])) if scope["type"] == "http" else None
        if function is None:
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        request: AnyRequest = Request(scope, receive, send)
        try:
            answer = await function(request)
        except Exception as error:
            scope["path_template"] = scope["path"]
            answer = problem_details.answer_to(request, error)
        if isinstance(answer, Response):
            answer = answer.to_asgi_response(app=None, request=request)
        await answer(scope, receive, send)
        self._times.add(scope["path"], time.perf_counter() - began)
