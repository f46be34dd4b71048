"""Checks of every request and security headers of every response, as plain ASGI because it runs on every request."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from litestar.types import ASGIApp, Message, Receive, Send

from web.http.problem_details import MEDIA_TYPE, TITLES, Problem
from web.http.responses import RESPONSE_HEADERS

Header = tuple[bytes, bytes]

ALWAYS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
"""Of every response, also one that redirects or says that nothing is there; pages and files have their own."""
OVER_TLS: Header = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")
ANY_ORIGIN: tuple[Header, ...] = (
    (b"access-control-allow-origin", b"*"),
    (
        b"access-control-expose-headers",
        b"Deprecation, ETag, Link, Retry-After, RateLimit, RateLimit-Policy, Sunset, X-SSE-Support",
    ),
)
ANY_KEY = "/{key}"
PREFLIGHT_MAX_AGE_SECONDS = b"7200"

_NUL = Problem("urn:tap2:problem:invalid", TITLES[400], 400, "the address contains a NUL character", "url")


class SecurityMiddleware:
    """Refuse addresses with NUL, which databases cannot store, set security headers, and answer CORS preflights.

    `open_to_browsers` maps paths to the methods that pages of any origin may call; `/{key}` at the end of a path stands
    for any key. These calls carry a publishable key and no cookies, so allowing any origin reveals nothing that the
    key does not reveal already. Paths that `read_leniently` leave NUL out themselves.
    """

    def __init__(
        self, app: ASGIApp, *, over_tls: bool, open_to_browsers: Mapping[str, str], read_leniently: Collection[str]
    ) -> None:
        self._app = app
        self._lenient = frozenset(read_leniently)
        self._always = [*ALWAYS, *([OVER_TLS] if over_tls else [])]
        self._open = open_to_browsers

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        path, headers = scope["path"], self._always
        if "//" in path or path.endswith("/"):
            path, scope = self._without_spare_slashes(scope)
        if methods := self._methods(path):
            headers = [*headers, *ANY_ORIGIN]
            if scope["method"] == "OPTIONS" and _is_preflight(scope):
                return await _answer(send, 204, [*headers, *_preflight_headers(methods)])
        # A decision leaves out facts that are odd, wherever they stand.
        if "\0" in path or (b"%00" in scope["query_string"] and path not in self._lenient):
            return await _refuse(send, headers)
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
            return await self._app(scope, receive, _without_body(_with(scope, headers, send)))
        return await self._app(scope, receive, _with(scope, headers, send))

    def _methods(self, path: str) -> str | None:
        """Return the methods that pages of any origin may call at a path."""
        return self._open.get(path) or self._open.get(path.rpartition("/")[0] + ANY_KEY)

    def _without_spare_slashes(self, scope: Any) -> tuple[str, Any]:
        """Return the path of a call from a checkout without spare slashes; the router ignores them, too."""
        path = "/" + "/".join(part for part in scope["path"].split("/") if part)
        if self._methods(path) or path in self._lenient:
            return path, {**scope, "path": path}
        return scope["path"], scope


def _with(scope: Any, headers: Sequence[Header], send: Send) -> Send:
    """Add headers to a response, and those that the request's scope holds; headers that it already has win."""

    async def send_with(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = [(name.lower(), value) for name, value in message["headers"]]
            names = {name for name, _ in own}
            missing = [header for header in headers if header[0] not in names]
            message["headers"] = [*own, *missing, *scope.get(RESPONSE_HEADERS, ())]
        await send(message)

    return send_with


def _without_body(send: Send) -> Send:
    """Drop the body: HEAD is served as GET without it. Its first part ends the response, which may have no end."""
    has_ended = False

    async def send_without(message: Message) -> None:
        nonlocal has_ended
        if message["type"] != "http.response.body":
            await send(message)
        elif not has_ended:
            has_ended = True
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return send_without


def _is_preflight(scope: Any) -> bool:
    return any(name == b"access-control-request-method" for name, _ in scope["headers"])


def _preflight_headers(methods: str) -> list[Header]:
    return [
        (b"access-control-allow-methods", methods.encode()),
        (b"access-control-allow-headers", b"authorization, content-type, if-none-match, x-api-key"),
        (b"access-control-max-age", PREFLIGHT_MAX_AGE_SECONDS),
    ]


async def _refuse(send: Send, headers: Sequence[Header]) -> None:
    await _answer(send, 400, [*headers, (b"content-type", MEDIA_TYPE.encode())], msgspec.json.encode(_NUL))


async def _answer(send: Send, status: int, headers: Sequence[Header], body: bytes = b"") -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body, "more_body": False})
