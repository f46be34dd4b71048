"""The documents that a merchant configures, and their kinds. Pure."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from engine.model.placement import Candidate, FieldDocument, ListDocument, Placement, RuleDocument, Scenario

Kind = Literal["placement", "candidate", "rule", "scenario", "field", "list"]
Document = Placement | Candidate | RuleDocument | Scenario | FieldDocument | ListDocument

TYPES: dict[Kind, type[Document]] = {
    "placement": Placement,
    "candidate": Candidate,
    "rule": RuleDocument,
    "scenario": Scenario,
    "field": FieldDocument,
    "list": ListDocument,
}


class Resource(NamedTuple):
    """A document with its version, which counts its changes from 1."""

    kind: Kind
    place: str
    id: str
    version: int
    document: Any
    changed_at: int
