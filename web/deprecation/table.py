"""The table of what is deprecated in the HTTP API.

It decides the headers of answers, marks in the OpenAPI document and in the documentation, what a metric counts, and
what a later release may remove.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

LEAST_DAYS = 180
"""Between `since` and `until`: so long everything that is deprecated keeps working."""


class Deprecation(NamedTuple):
    """A part of the API that a later release may remove.

    `subject` is an operation (`GET /v1/lists/{name}`), a parameter of one (`GET /v1/lists?cursor`), or a field of a
    schema (`Outcome.method_id`). `version` is that of the server that deprecated it on the day `since`; it works until
    the day `until` or longer. `instead` is a sentence that says what to use. `successor` is the path that replaces an
    operation, with no other names in braces than its own.
    """

    subject: str
    version: str
    since: date
    until: date
    instead: str
    successor: str = ""

    @property
    def operation(self) -> tuple[str, str] | None:
        """Return method and path of a deprecated operation; None for a parameter or a field."""
        method, _, path = self.subject.partition(" ")
        return (method, path) if path and "?" not in path else None


DEPRECATED: tuple[Deprecation, ...] = ()


def sentence(deprecation: Deprecation) -> str:
    """Return what the documentation says where the subject stands."""
    since = f"Deprecated since {deprecation.since} (version {deprecation.version})"
    return f"{since}; works until {deprecation.until} or longer. {deprecation.instead}"


def listing(table: Iterable[Deprecation]) -> str:
    """Return the table of docs/errors.md."""
    rows = [f"| `{each.subject}` | {each.since} ({each.version}) | {each.until} | {each.instead} |" for each in table]
    if not rows:
        return "Nothing is deprecated."
    return "\n".join(["| what | since | until | instead |", "|---|---|---|---|", *rows])
