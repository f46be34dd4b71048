"""The number of recent answers that each change of a draft could alter."""

from __future__ import annotations

import pytest

from engine.configuration.configuration import Configuration
from engine.configuration.draft_overlay import laid_over
from engine.model.placement import Fixed, Placement
from engine.model.resource import Resource
from engine.model.resource_kinds import KINDS, id_of, kind_of
from engine.model.standard_vocabulary import STANDARD
from engine.previews.change_reach import answers_changed
from engine.store.drafts import DraftChangeRow, DraftRow
from tests.factories import candidate, rule

KEY = "payment_methods"
GERMANY = {"==": [{"var": "geo.country"}, "DE"]}
FACTS = [
    {"geo.country": country, "cart.total": total, "cart.currency": "EUR"}
    for country in ("DE", "NL")
    for total in range(1_000, 11_000, 1_000)
]
LIVE = (
    Placement(key=KEY, name="Payment methods"),
    candidate("card"),
    candidate("klarna"),
    rule({"exclude": ["klarna"]}, id="large", when={">": [{"var": "cart.total"}, 5_000]}),
    *STANDARD,
)


def resource(document):
    kind = kind_of(document)
    return Resource(kind, KEY if KINDS[kind].in_placement else "", id_of(document), 1, document, 0)


CONFIGURATION = Configuration([resource(document) for document in LIVE], 1, currency="EUR")


def reach(document, *others, id="", kind="rule"):
    """Return of how many of 20 decisions the first change alone could alter the answer."""
    rows = [row(document, id, kind), *(row(each) for each in others)]
    draft = laid_over(CONFIGURATION, KEY, DraftRow(), rows)
    key = (kind, id) if document is None else (kind_of(document), id_of(document))
    item = next(item for item in draft.changes if item.key == key)
    return answers_changed(CONFIGURATION, draft, item, FACTS, now=0)


def row(document, id="", kind="rule"):
    made = document is not None
    return DraftChangeRow(
        kind=kind_of(document) if made else kind,
        id=id_of(document) if made else id,
        document=document,
        base_version=1,
        revision=1,
        changed_by="ada",
        changed_at=0,
        authors=("ada",),
    )


@pytest.mark.parametrize(
    ("document", "changes"),
    [
        (rule({"exclude": ["card"]}, id="new", when=GERMANY), 10),
        (rule({"exclude": ["klarna"]}, id="new", when={">": [{"var": "cart.total"}, 5_000]}), 0),
        (rule({"exclude": ["klarna"]}, id="large", when={">": [{"var": "cart.total"}, 8_000]}), 6),
        (candidate("klarna", label="Klarna, renamed"), 0),
        (candidate("klarna", countries=("NL",)), 5),
        (candidate("ideal"), 20),
        (Placement(key=KEY, name="Renamed"), 0),
        (Placement(key=KEY, name="Payment methods", policy=Fixed()), 20),
    ],
    ids=["new rule", "in vain", "other limit", "name", "country", "new candidate", "placement's name", "policy"],
)
def test_change_is_counted_separately(document, changes):
    assert reach(document) == changes


def test_other_changes_of_the_draft_do_not_count():
    hides = rule({"exclude": ["card"]}, id="new", when=GERMANY)
    everyone = rule({"exclude": ["card"]}, id="all", when=True)
    assert reach(hides, everyone) == 10


def test_deletion_is_counted_where_the_rule_fired():
    assert reach(None, id="large") == 10


def test_dependent_rule_has_no_separate_count():
    assert reach(rule({"exclude": ["card"]}, id="new", when={"==": [{"var": "shop.theme"}, "dark"]})) is None
