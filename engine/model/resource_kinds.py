"""The kinds of things that merchants configure: one entry a kind, which every layer reads. Pure.

A new kind is an entry here, its document in `engine/model`, and checks of its own in `configuration/validation.py`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from engine.model.documents.offer import OfferBudget
from engine.model.experiment import Experiment
from engine.model.placement import Candidate, FieldDocument, ListDocument, Placement, RuleDocument, Scenario

Kind = Literal["placement", "candidate", "rule", "scenario", "field", "list", "experiment", "budget"]
Document = Placement | Candidate | RuleDocument | Scenario | FieldDocument | ListDocument | Experiment | OfferBudget


class ResourceKind(NamedTuple):
    """A kind of resource: how it is stored, addressed and called.

    `kind` stands in the database and in the audit log; `segment` is its part of a URL, `label` its name on pages. A
    kind that is not `in_placement` belongs to the merchant. Where it is `in_plan`, a change of it makes a new plan
    version: of its own placement; for a budget, of the placements whose offers name it; otherwise of all placements.
    `most` is the limit in a placement.
    """

    kind: Kind
    document: type[Document]
    segment: str
    label: str
    id_field: str = "id"
    in_placement: bool = False
    in_plan: bool = True
    most: int | None = None

    @property
    def collection_path(self) -> str:
        """Return the path template of the API's collection."""
        parent = "/v1/placements/{placement:str}" if self.in_placement else "/v1"
        return f"{parent}/{self.segment}"


KINDS: dict[Kind, ResourceKind] = {
    entry.kind: entry
    for entry in (
        ResourceKind("placement", Placement, "placements", "Placements", id_field="key"),
        ResourceKind("candidate", Candidate, "candidates", "Candidates", in_placement=True, most=500),
        ResourceKind("rule", RuleDocument, "rules", "Rules", in_placement=True, most=5_000),
        ResourceKind("scenario", Scenario, "scenarios", "Scenarios", in_placement=True, in_plan=False, most=500),
        ResourceKind("experiment", Experiment, "experiments", "Experiments", in_placement=True, most=200),
        ResourceKind("field", FieldDocument, "vocabulary", "Vocabulary", id_field="name"),
        ResourceKind("list", ListDocument, "lists", "Lists", id_field="name"),
        ResourceKind("budget", OfferBudget, "budgets", "Budgets"),
    )
}

_BY_DOCUMENT = {entry.document: entry for entry in KINDS.values()}


def kind_of(document: Document) -> Kind:
    """Return the kind that a document is of."""
    return _BY_DOCUMENT[type(document)].kind


def id_of(document: Document) -> str:
    """Return the value of the document's id field."""
    id: str = getattr(document, _BY_DOCUMENT[type(document)].id_field)
    return id
