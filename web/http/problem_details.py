"""Errors as RFC 9457 problem+json with a stable `type`. They name the field and never repeat its value."""

from __future__ import annotations

from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from engine.faults import is_temporary
from engine.model.errors import (
    Conflict,
    EngineError,
    FieldProblem,
    Forbidden,
    Invalid,
    KeyReused,
    NotFound,
    ReviewRequired,
    Stale,
    TooMany,
    Unavailable,
)

log = structlog.get_logger()
MEDIA_TYPE = "application/problem+json"


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """`type` is stable and for programs, `title` and `detail` are for people; `errors` lists every invalid field."""

    type: str
    title: str
    status: int
    detail: str = ""
    field: str = ""
    errors: list[FieldProblem] = []


class Unauthorized(EngineError):
    """The key is missing, unknown, expired or revoked."""


class VersionNeeded(EngineError):
    """The change lacks If-Match, so it could overwrite what others changed."""


KINDS: dict[type[EngineError], tuple[int, str, str]] = {
    Invalid: (400, "invalid", "The request is invalid"),
    Unauthorized: (401, "unauthorized", "A valid API key is required"),
    ReviewRequired: (403, "review-required", "Approval by a second person is required"),
    Forbidden: (403, "forbidden", "The key does not permit this"),
    NotFound: (404, "not-found", "The resource does not exist"),
    Stale: (412, "stale", "The resource has changed"),
    Conflict: (409, "conflict", "Conflicts with the current state"),
    KeyReused: (422, "key-reused", "The Idempotency-Key belongs to another request"),
    VersionNeeded: (428, "version-needed", "If-Match is required"),
    TooMany: (429, "too-many-requests", "Too many requests"),
    Unavailable: (503, "unavailable", "The service is temporarily unavailable"),
}
"""Status, last part of `type`, and title of each error; a subclass stands before its base."""

KINDS_BY_STATUS = {400: "invalid", 404: "not-found", 405: "method-not-allowed", 413: "too-large"}
TITLES = {
    **{status: title for status, _, title in KINDS.values()},
    413: "The request body is too large",
    500: "Internal server error",
}
"""Title of each status, as the OpenAPI document describes it."""


def respond(problem: Problem, headers: dict[str, str] | None = None) -> Response[bytes]:
    """Return the problem as `application/problem+json`."""
    return Response(msgspec.json.encode(problem), status_code=problem.status, media_type=MEDIA_TYPE, headers=headers)


def problem_of(error: EngineError) -> Problem:
    """Return an error of the engine as a problem, with its status, type and title from KINDS."""
    status, kind, title = next(row for cls, row in KINDS.items() if isinstance(error, cls))
    return Problem(_type(kind), title, status, error.detail, error.field or "")


def answer_to(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer any error as a problem document."""
    match error:
        case EngineError():
            return engine_error(request, error)
        case ValidationException():
            return invalid_request(request, error)
        case HTTPException():
            return http_error(request, error)
        case _:
            return unexpected(request, error)


def engine_error(_request: Request[Any, Any, Any], error: EngineError) -> Response[bytes]:
    """Answer an error of the engine as its problem."""
    if isinstance(error, Invalid):
        return invalid(*error.problems)
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, TooMany | Unavailable) else {}
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    return respond(problem_of(error), headers)


def invalid(*problems: FieldProblem) -> Response[bytes]:
    """Answer 400 with all problems. Fields are paths without a leading slash; `body` means the whole body."""
    errors = [FieldProblem(problem.field.lstrip("/") or "body", problem.message) for problem in problems]
    first = errors[0]
    detail = f"{first.field}: {first.message}"
    return respond(Problem(_type("invalid"), TITLES[400], 400, detail, first.field, errors))


def invalid_request(_request: Request[Any, Any, Any], error: ValidationException) -> Response[bytes]:
    """Answer 400 for a parameter that Litestar refused, with its name where Litestar gives one."""
    details = error.extra if isinstance(error.extra, list) else []
    errors = [FieldProblem(str(item.get("key", "body")), str(item.get("message", ""))) for item in details]
    return invalid(*(errors or [FieldProblem("body", error.detail)]))


def http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Answer an error that Litestar raised, such as an unknown path, as a problem document."""
    status = error.status_code
    if status >= 500:
        return unexpected(request, error)
    kind, title = KINDS_BY_STATUS.get(status, "refused"), TITLES.get(status, error.detail)
    return respond(Problem(_type(kind), title, status, error.detail), dict(error.headers or {}))


def unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Log an exception and answer 503 if the database is away, locked or full, else 500."""
    if log_unexpected(request, error):
        return engine_error(request, Unavailable("the database does not answer or cannot store; nothing was changed"))
    return respond(Problem(_type("unexpected"), TITLES[500], 500))


def log_unexpected(request: Request[Any, Any, Any], error: Exception) -> bool:
    """Log an exception without the address, which may contain a customer's id; return whether the fault may pass."""
    passing = is_temporary(error)
    event = "database not available" if passing else "unexpected error"
    log.error(event, path=request.scope.get("path_template", ""), error=type(error).__name__, exc_info=error)
    return passing


def _type(kind: str) -> str:
    return f"urn:tap2:problem:{kind}"
