"""JSON responses, the same way for every endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Response
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

JSON = "application/json"
NO_STORE = {"Cache-Control": "no-store"}
RESPONSE_HEADERS = "tap2.response_headers"
"""Where a request's scope holds headers that its response gets, whatever becomes of the request."""
CONTENT_TYPE = (b"content-type", JSON.encode())


def json_response(
    body: Any, *, status: int = 200, version: int | None = None, headers: Mapping[str, str] | None = None
) -> Response[bytes]:
    """Return `body` as JSON; `version` becomes the ETag."""
    etag = {} if version is None else {"ETag": f'"{version}"'}
    return Response(msgspec.json.encode(body), status_code=status, media_type=JSON, headers={**etag, **(headers or {})})


class JsonAnswer(ASGIResponse):
    """A JSON body with status 200, without what a response may have besides: cookies, background tasks, own headers."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        length = (b"content-length", b"%d" % len(self.body))
        await send({"type": "http.response.start", "status": 200, "headers": [CONTENT_TYPE, length]})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})
