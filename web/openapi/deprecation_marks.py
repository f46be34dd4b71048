"""Mark in the OpenAPI document what is deprecated, with the day until which it works."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from web.deprecation.table import Deprecation, sentence

Json = dict[str, Any]
SUNSET = "x-sunset"
"""The extension that holds the day, for programs; `benchmarks/api_changes.py` reads it."""


def mark(openapi: Json, table: Iterable[Deprecation]) -> None:
    """Mark the subjects in the document. Raise KeyError for one that the document does not have."""
    for deprecation in table:
        subject = _find(openapi, deprecation.subject)
        words = (sentence(deprecation), subject.get("description", ""))
        subject.update(
            {
                "deprecated": True,
                "description": "\n\n".join(filter(None, words)),
                SUNSET: deprecation.until.isoformat(),
            }
        )


def _find(openapi: Json, subject: str) -> Json:
    """Return the part of the document that a subject of the table names."""
    method, _, path = subject.partition(" ")
    if not path:
        schema, _, field = subject.partition(".")
        described: Json = openapi["components"]["schemas"][schema]["properties"][field]
        return described
    path, _, parameter = path.partition("?")
    operation: Json = openapi["paths"][path][method.lower()]
    if not parameter:
        return operation
    parameters: dict[str, Json] = {each["name"]: each for each in operation["parameters"]}
    return parameters[parameter]
