"""JSON responses, the same way for every endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Response

JSON = "application/json"
NO_STORE = {"Cache-Control": "no-store"}


def json_response(
    body: Any, *, status: int = 200, version: int | None = None, headers: Mapping[str, str] | None = None
) -> Response[bytes]:
    """Return `body` as JSON; `version` becomes the ETag."""
    etag = {} if version is None else {"ETag": f'"{version}"'}
    return Response(msgspec.json.encode(body), status_code=status, media_type=JSON, headers={**etag, **(headers or {})})
