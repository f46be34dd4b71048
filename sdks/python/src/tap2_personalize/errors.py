"""Errors of the API as RFC 9457 describes them, and those of the way to the API."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Mapping, Optional, Type

PREFIX = "urn:tap2:problem:"


class Tap2Error(Exception):
    """A request that failed.

    `code` is the last part of the problem's `type`, or `timeout` or `network`; `status` is the HTTP status, 0 without
    an answer; `field` is the path of the invalid value, empty if there is none; `retry_after` is in seconds.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "unexpected",
        status: int = 0,
        problem: Optional[Mapping[str, Any]] = None,
        retry_after: Optional[float] = None,
    ) -> None:
        super().__init__(message)
        document = problem or {}
        self.code = code
        self.status = status
        self.field = str(document.get("field") or "")
        self.errors: List[Dict[str, str]] = list(document.get("errors") or [])
        self.retry_after = retry_after

    @property
    def is_temporary(self) -> bool:
        """Return whether the same request may succeed later."""
        return self.status in (0, 429) or self.status >= 500

    @property
    def was_not_handled(self) -> bool:
        """Return whether the server says that it has done nothing and when to ask again."""
        return self.status in (429, 503) and self.retry_after is not None


class RequestTimeout(Tap2Error):
    """No answer came within the time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer within {seconds * 1000:.0f} ms", code="timeout")


class ConnectionFailed(Tap2Error):
    """The server was not reached, or the connection broke."""

    def __init__(self, message: str) -> None:
        super().__init__(message or "the connection failed", code="network")


class InvalidRequest(Tap2Error):
    """400: a value is missing or wrong; `errors` lists every problem."""


class Unauthorized(Tap2Error):
    """401: the key is missing, unknown, expired or revoked."""


class Forbidden(Tap2Error):
    """403: the key does not permit this, or `merchant_id` is not the key's own."""


class NotFound(Tap2Error):
    """404: it does not exist, or it belongs to another merchant."""


class Conflict(Tap2Error):
    """409: the request contradicts what is stored."""


class TooLarge(Tap2Error):
    """413: the body is too large."""


class KeyReused(Tap2Error):
    """422: the idempotency key was sent before with other content."""


class TooManyRequests(Tap2Error):
    """429: the key or address has reached its limit."""


class ServerError(Tap2Error):
    """5xx: the server, or a proxy before it, failed."""


class Unavailable(ServerError):
    """503: nothing was changed; the same request may be sent again."""


KINDS: Dict[int, Type[Tap2Error]] = {
    400: InvalidRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    422: KeyReused,
    429: TooManyRequests,
    503: Unavailable,
}


def error_of(status: int, headers: Mapping[str, str], body: bytes) -> Tap2Error:
    """Return the error that a response means; a proxy may have written its body. `headers` have lowercase names."""
    problem = _parsed(body)
    type_ = problem.get("type")
    code = type_[len(PREFIX) :] if isinstance(type_, str) and type_.startswith(PREFIX) else "unexpected"
    message = problem.get("detail") or problem.get("title") or f"HTTP status {status}"
    kind = KINDS.get(status, ServerError if status >= 500 else Tap2Error)
    return kind(str(message), code=code, status=status, problem=problem, retry_after=_seconds(headers))


def problem_error(problem: Mapping[str, Any]) -> Tap2Error:
    """Return the error of a problem inside an answer, such as that of one placement of a batch."""
    return error_of(int(problem["status"]), {}, json.dumps(problem).encode())


def _seconds(headers: Mapping[str, str]) -> Optional[float]:
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


def _parsed(body: bytes) -> Dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
