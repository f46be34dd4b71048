"""Errors of requests, with messages that name the field."""

from __future__ import annotations

import msgspec


class FieldProblem(msgspec.Struct, frozen=True):
    """One thing that is wrong, where it is (a JSON pointer or a field's name) and what would be right."""

    field: str
    message: str


class EngineError(Exception):
    """The base of every error that the caller can correct."""

    def __init__(self, detail: str, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field


class NotFound(EngineError):
    """The resource does not exist, or belongs to another merchant: the answers must not differ."""


class Forbidden(EngineError):
    """The caller is authenticated but may not do this."""


class CodeNeeded(Forbidden):
    """The password is right, and a code of the second factor is missing; `challenge` proves the former."""

    def __init__(self, challenge: str) -> None:
        super().__init__("a code of the second factor is needed")
        self.challenge = challenge


class ReviewRequired(Forbidden):
    """Changes may be published here only when a second person has approved them."""


class Conflict(EngineError):
    """The request conflicts with the current state: the resource exists already, or has changed."""


class KeyReused(EngineError):
    """The Idempotency-Key came before with another request."""


class TooMany(EngineError):
    """The caller exceeded a limit; `retry_after` is in seconds."""

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class LimitReached(TooMany):
    """The merchant's tier allows no more of this in the current month."""


class Unavailable(EngineError):
    """The database did not store the data; the caller may send the same again after `retry_after` seconds."""

    def __init__(self, detail: str, *, retry_after: int = 5) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Stale(Conflict):
    """The resource has changed since the caller read it: its version is another one."""


class Invalid(EngineError):
    """The input is invalid; every problem is listed, and nothing was stored."""

    def __init__(self, *problems: FieldProblem) -> None:
        first = problems[0]
        super().__init__(f"{first.field}: {first.message}", field=first.field)
        self.problems = problems


def invalid(field: str, message: str) -> Invalid:
    return Invalid(FieldProblem(field, message))
