"""Answer the specification's own paths: by an operation of the API, or with 501 and what to use instead."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import msgspec
from litestar.types import ASGIApp, Message, Receive, Send

from web.http.problem_details import MEDIA_TYPE, Problem
from web.http.request_reading import MOST_BODY_BYTES
from web.http.responses import RESPONSE_HEADERS
from web.specification.paths import SpecifiedPath

CUSTOMER = ":customer"


class _Match(NamedTuple):
    specified: SpecifiedPath
    customer: str


class SpecificationPaths:
    """Passes requests to specified paths on to the operation that answers them; `app` answers all others.

    A customer's id in a path becomes a parameter of a GET, and a field of the body of other methods.
    """

    def __init__(self, app: ASGIApp, specified: Iterable[SpecifiedPath]) -> None:
        self._app = app
        self._by_shape: defaultdict[tuple[str, int], list[tuple[Sequence[str], SpecifiedPath]]] = defaultdict(list)
        # A path without parameters comes before one that would match it too.
        for each in sorted(specified, key=lambda each: each.path.count(":")):
            segments = each.path.split("/")
            self._by_shape[each.method, len(segments)].append((segments, each))

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        match = self._match(scope["method"], scope["raw_path"].decode()) if scope["type"] == "http" else None
        if match is None:
            await self._app(scope, receive, send)
        elif not match.specified.target:
            await _not_implemented(send, match.specified)
        else:
            passed_on, receive = await _passed_on(scope, receive, match)

            async def send_with(message: Message) -> None:
                scope[RESPONSE_HEADERS] = passed_on.get(RESPONSE_HEADERS, ())
                await send(message)

            await self._app(passed_on, receive, send_with)

    def _match(self, method: str, path: str) -> _Match | None:
        """Return what a path matches; `path` is still percent-encoded, because an id may contain slashes."""
        path_parts = path.split("/")
        for segments, specified in self._by_shape.get((method, len(path_parts)), ()):
            pairs = list(zip(segments, path_parts, strict=True))
            if all(own == part or (own.startswith(":") and part) for own, part in pairs):
                return _Match(specified, unquote(next((part for own, part in pairs if own == CUSTOMER), "")))
        return None


async def _not_implemented(send: Send, specified: SpecifiedPath) -> None:
    problem = Problem("urn:tap2:problem:not-implemented", "Nothing answers this path", 501, specified.instead)
    headers = [(b"content-type", MEDIA_TYPE.encode())]
    await send({"type": "http.response.start", "status": 501, "headers": headers})
    await send({"type": "http.response.body", "body": msgspec.json.encode(problem), "more_body": False})


async def _passed_on(scope: Any, receive: Receive, match: _Match) -> tuple[Any, Receive]:
    """Return the request as the operation reads it."""
    target, method = match.specified.target, match.specified.target_method or scope["method"]
    scope = {**scope, "path": target, "raw_path": target.encode(), "method": method}
    if not match.customer:
        return scope, receive
    if method == "GET":
        own = f"customer_id={quote(match.customer, safe='')}".encode()
        return {**scope, "query_string": b"&".join(filter(None, (scope["query_string"], own)))}, receive
    body = _with_customer(await _read(receive), match.customer)
    headers = [header for header in scope["headers"] if header[0] not in (b"content-length", b"transfer-encoding")]
    return {**scope, "headers": [*headers, (b"content-length", str(len(body)).encode())]}, _once(body)


async def _read(receive: Receive) -> bytes:
    """Return the body, or as much of it as shows that it is too long."""
    body, more = b"", True
    while more and len(body) <= MOST_BODY_BYTES:
        event: Any = await receive()
        body += event.get("body", b"")
        more = event.get("more_body", False)
    return body


def _with_customer(body: bytes, customer: str) -> bytes:
    """Return a JSON object with the customer's id; anything else as it is, for the operation to refuse."""
    try:
        fields = msgspec.json.decode(body or b"{}", type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return body
    return msgspec.json.encode({**fields, "customer_id": customer})


def _once(body: bytes) -> Receive:
    events: list[Any] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        return events.pop() if events else {"type": "http.disconnect"}

    return receive
