"""Serve below a path of another server, such as `https://example.com/checkout`, which `TAP2_PUBLIC_URL` names.

Handlers see paths without the base path, whether the proxy removes it or not. `browser_path` adds it to what browsers
are sent.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from litestar.types import ASGIApp, Receive, Send

from web.http.request_reading import AnyRequest

_base_path: ContextVar[str] = ContextVar("base_path", default="")


def browser_path(path: str) -> str:
    """Return where a browser finds the path of a handler, during a request."""
    return f"{_base_path.get()}{path}"


def server_address(request: AnyRequest) -> str:
    """Return where the request reached this server, without a slash at the end."""
    return f"{str(request.base_url).rstrip('/')}{_base_path.get()}"


class BasePath:
    """Removes `base_path`, such as `/checkout`, from the paths of requests to `app`; other paths stay as they are.

    ASGI's `root_path` is not set, because Litestar would cut paths wherever they contain it.
    """

    def __init__(self, app: ASGIApp, base_path: str) -> None:
        self._app = app
        self._base_path = base_path

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        base = self._base_path
        if scope["type"] == "http":
            _base_path.set(base)
            if f"{scope['path']}/".startswith(f"{base}/"):
                scope = scope | {
                    "path": scope["path"].removeprefix(base) or "/",
                    "raw_path": scope["raw_path"].removeprefix(base.encode()) or b"/",
                }
        await self._app(scope, receive, send)
