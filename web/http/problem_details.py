"""Errors as RFC 9457 problem+json with a stable `type`; they name the field and never what was in it."""

from __future__ import annotations

from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from engine.model.errors import Conflict, EngineError, FieldProblem, Forbidden, Invalid, NotFound, ReviewRequired, Stale

log = structlog.get_logger()
MEDIA_TYPE = "application/problem+json"


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """`type` is stable and for programs, `title` and `detail` are for people; `errors` lists every field."""

    type: str
    title: str
    status: int
    detail: str = ""
    field: str = ""
    errors: list[FieldProblem] = []


class Unauthorized(EngineError):
    """No key, or one that is not in force."""


class VersionNeeded(EngineError):
    """A change without the version that it was made from would overwrite what others did."""


class TooMany(EngineError):
    """More requests than the key may make; `retry_after` in seconds."""

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Unavailable(EngineError):
    """The database does not take what must be kept; try again."""


KINDS: dict[type[EngineError], tuple[int, str, str]] = {
    Invalid: (400, "invalid", "The request is not valid"),
    Unauthorized: (401, "unauthorized", "A valid key is needed"),
    ReviewRequired: (403, "review-required", "A second person must approve this first"),
    Forbidden: (403, "forbidden", "This key may not do that"),
    NotFound: (404, "not-found", "There is no such thing"),
    Stale: (412, "stale", "It is not as you last saw it"),
    Conflict: (409, "conflict", "It does not go with what there is"),
    VersionNeeded: (428, "version-needed", "Say which version you changed"),
    TooMany: (429, "too-many-requests", "Too many requests"),
    Unavailable: (503, "unavailable", "Try again in a moment"),
}

OF_HTTP = {400: "invalid", 404: "not-found", 405: "method-not-allowed", 413: "too-large"}
TITLES = {
    **{status: title for status, _, title in KINDS.values()},
    413: "The body is too large",
    500: "Something went wrong on our side",
}
"""What each status says."""


def respond(problem: Problem, headers: dict[str, str] | None = None) -> Response[bytes]:
    return Response(msgspec.json.encode(problem), status_code=problem.status, media_type=MEDIA_TYPE, headers=headers)


def engine_error(_request: Request[Any, Any, Any], error: EngineError) -> Response[bytes]:
    status, kind, title = next(row for cls, row in KINDS.items() if isinstance(error, cls))
    if isinstance(error, Invalid):
        return invalid(*error.problems)
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, TooMany) else {}
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    return respond(Problem(_type(kind), title, status, error.detail, error.field or ""), headers)


def invalid(*problems: FieldProblem) -> Response[bytes]:
    """Every problem, its field written as a path without a leading slash; `body` where it is the whole."""
    errors = [FieldProblem(problem.field.lstrip("/") or "body", problem.message) for problem in problems]
    first = errors[0]
    detail = f"{first.field}: {first.message}"
    return respond(Problem(_type("invalid"), TITLES[400], 400, detail, first.field, errors))


def invalid_request(_request: Request[Any, Any, Any], error: ValidationException) -> Response[bytes]:
    """Litestar's own refusals of bodies and parameters, with the field where it names one."""
    found = error.extra if isinstance(error.extra, list) else []
    errors = [FieldProblem(str(one.get("key", "body")), str(one.get("message", ""))) for one in found]
    return invalid(*(errors or [FieldProblem("body", error.detail)]))


def http_error(_request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    status = error.status_code
    if status >= 500:
        return unexpected(_request, error)
    kind = OF_HTTP.get(status, "refused")
    return respond(Problem(_type(kind), error.detail, status, error.detail), dict(error.headers or {}))


def unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """What went wrong goes to the log, never to the caller; the address could name a customer, so it goes nowhere."""
    log.error(
        "unexpected error", path=request.scope.get("path_template", ""), error=type(error).__name__, exc_info=error
    )
    return respond(Problem(_type("unexpected"), TITLES[500], 500))


def _type(kind: str) -> str:
    return f"urn:tap2:problem:{kind}"
