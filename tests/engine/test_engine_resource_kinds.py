"""The registry of what merchants configure."""

from __future__ import annotations

from typing import get_args

import pytest

from engine.configuration.configuration import Change, Configuration
from engine.model.documents.offer import OfferBudget
from engine.model.experiment import Experiment, Variant
from engine.model.placement import FieldDocument, ListDocument, Scenario
from engine.model.resource import Resource
from engine.model.resource_kinds import KINDS, Document, Kind, id_of, kind_of
from tests.factories import candidate, placement, rule
from web.api.resources import COLLECTIONS

DOCUMENTS = {
    "placement": placement(),
    "candidate": candidate("card"),
    "rule": rule({"exclude": ["card"]}),
    "scenario": Scenario(id="s1", name="One", context={}, expect={}),
    "field": FieldDocument(name="customer.mood", type="string"),
    "list": ListDocument(name="vip"),
    "budget": OfferBudget(id="spring", name="Spring", currency="EUR", amount=1),
    "experiment": Experiment(id="e1", name="One", variants=(Variant(id="a", name="A"), Variant(id="b", name="B"))),
}
PLAN_CHANGES = {
    "placement": ["payment_methods"],
    "candidate": ["payment_methods"],
    "rule": ["payment_methods"],
    "scenario": [],
    "field": ["offers", "payment_methods"],
    "list": ["offers", "payment_methods"],
    "experiment": [],
    "budget": [],
}


def resource(kind, document):
    inside = "payment_methods" if KINDS[kind].in_placement else ""
    return Resource(kind, inside, id_of(document), 1, document, 0)


def test_every_kind_has_an_entry_and_a_collection():
    assert set(KINDS) == set(get_args(Kind)) == set(DOCUMENTS)
    assert {entry.document for entry in KINDS.values()} == set(get_args(Document))
    # Experiments have actions besides, and so a module of their own.
    assert [collection.kind for collection in COLLECTIONS] == [kind for kind in KINDS if kind != "experiment"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_document_names_its_kind_and_id(kind):
    assert kind_of(DOCUMENTS[kind]) == kind
    assert id_of(DOCUMENTS[kind]) == getattr(DOCUMENTS[kind], KINDS[kind].id_field)


@pytest.mark.parametrize("kind", KINDS)
def test_change_creates_plans_of_affected_placements(kind):
    both = [resource("placement", placement()), resource("placement", placement(key="offers"))]
    configuration = Configuration(both, 1)
    assert configuration.touched_by([Change(None, resource(kind, DOCUMENTS[kind]))]) == PLAN_CHANGES[kind]
