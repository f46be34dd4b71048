"""Ids of operations: in the OpenAPI document, and as anchors of its pages."""

from __future__ import annotations


def operation_id(method: str, path: str) -> str:
    """Return the id of an operation, as `get-lists-name` of `GET /v1/lists/{name}`."""
    parts = (part.strip("{}") for part in path.split("/") if part not in ("", "v1", "personalize"))
    return "-".join([method.lower(), *parts])
