"""A stored document of a merchant's configuration. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from engine.model.resource_kinds import Kind


class Resource(NamedTuple):
    """A document with its version, which counts its changes from 1; `placement` is its placement, or empty."""

    kind: Kind
    placement: str
    id: str
    version: int
    document: Any
    changed_at: int
