"""What can go wrong with a request, in words that name the field."""

from __future__ import annotations

import msgspec


class FieldProblem(msgspec.Struct, frozen=True):
    """One thing that is wrong, where it is (a JSON pointer or a field's name) and what would be right."""

    field: str
    message: str


class EngineError(Exception):
    """The base of every error that is the caller's to mend."""

    def __init__(self, detail: str, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field


class NotFound(EngineError):
    """There is no such thing, or it belongs to another merchant: the two are told alike."""


class Forbidden(EngineError):
    """The caller is known and may not do this."""


class ReviewRequired(Forbidden):
    """Rules may be published here only when a second person has approved them."""


class Conflict(EngineError):
    """What is asked for does not go with what there is: it exists already, or it has changed meanwhile."""


class Stale(Conflict):
    """The thing has changed since the caller read it: it is at another version."""


class Invalid(EngineError):
    """The input is wrong; every problem is listed, and nothing was stored."""

    def __init__(self, *problems: FieldProblem) -> None:
        first = problems[0]
        super().__init__(f"{first.field}: {first.message}", field=first.field)
        self.problems = problems


def invalid(field: str, message: str) -> Invalid:
    return Invalid(FieldProblem(field, message))
