"""What every request passes before it is looked at, and every answer on its way out: plain ASGI, so it costs little."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from litestar.types import ASGIApp, Message, Receive, Send

from web.http.problem_details import MEDIA_TYPE, Problem

Header = tuple[bytes, bytes]

ALWAYS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)
NOTHING_TO_RUN: Header = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
OVER_TLS: Header = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")
FROM_ANYWHERE: tuple[Header, ...] = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"Retry-After"),
)
MOST_PREFLIGHT_SECONDS = b"7200"

_NUL = Problem("urn:tap2:problem:invalid", "The request is not valid", 400, "the address has a NUL character", "url")


class SecurityMiddleware:
    """Refuses addresses that a database could not store, sets the headers that protect browsers, and answers CORS.

    `open_to_browsers` gives the methods by path that pages of any origin may use: they are called with a
    publishable key and without cookies, so nothing is given away that the key does not give already.
    """

    def __init__(self, app: ASGIApp, *, over_tls: bool, open_to_browsers: Mapping[str, str]) -> None:
        self._app = app
        self._always = [*ALWAYS, *([OVER_TLS] if over_tls else [])]
        self._open = open_to_browsers

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        path, headers = scope["path"], self._always
        if path.startswith("/v1/"):
            headers = [*headers, NOTHING_TO_RUN]
        if path in self._open:
            headers = [*headers, *FROM_ANYWHERE]
            if scope["method"] == "OPTIONS" and _asks_for_permission(scope):
                return await _answer(send, 204, [*headers, *_permission(self._open[path])])
        if "\0" in path or b"%00" in scope["query_string"]:
            return await _refuse(send, headers)
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
            return await self._app(scope, receive, _without_body(_with(headers, send)))
        return await self._app(scope, receive, _with(headers, send))


def _with(headers: Sequence[Header], send: Send) -> Send:
    """Adds headers to an answer; those that it has itself stay as they are."""

    async def send_with(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = [(name.lower(), value) for name, value in message["headers"]]
            names = {name for name, _ in own}
            message["headers"] = [*own, *(header for header in headers if header[0] not in names)]
        await send(message)

    return send_with


def _without_body(send: Send) -> Send:
    """HEAD is GET without the body."""

    async def send_without(message: Message) -> None:
        if message["type"] == "http.response.body":
            message["body"] = b""
        await send(message)

    return send_without


def _asks_for_permission(scope: Any) -> bool:
    return any(name == b"access-control-request-method" for name, _ in scope["headers"])


def _permission(methods: str) -> list[Header]:
    return [
        (b"access-control-allow-methods", methods.encode()),
        (b"access-control-allow-headers", b"authorization, content-type"),
        (b"access-control-max-age", MOST_PREFLIGHT_SECONDS),
    ]


async def _refuse(send: Send, headers: Sequence[Header]) -> None:
    await _answer(send, 400, [*headers, (b"content-type", MEDIA_TYPE.encode())], msgspec.json.encode(_NUL))


async def _answer(send: Send, status: int, headers: Sequence[Header], body: bytes = b"") -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body, "more_body": False})
