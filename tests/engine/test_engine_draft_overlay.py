"""Check what a draft is: changes laid over what is published, with marks, authors and what moved meanwhile."""

from __future__ import annotations

from datetime import datetime

import pytest

from engine.configuration.configuration import Configuration
from engine.configuration.draft_overlay import DraftItem, changes_of, is_same, item_of, laid_over, scope_of
from engine.model.actor import Actor
from engine.model.errors import Conflict, FieldProblem, Forbidden, Invalid, ReviewRequired, Stale, invalid
from engine.model.placement import ListDocument
from engine.model.resource import Resource
from engine.model.resource_kinds import KINDS, id_of, kind_of
from engine.model.timestamps import DAY, MINUTE, first_id_of, moment_of, rfc3339, to_ms
from engine.store.drafts import DraftChangeRow, DraftRow
from tests.factories import candidate, placement, rule

KEY = "payment_methods"
HIDE = {"exclude": ["klarna"]}
LIVE = (rule(HIDE, id="a", priority=5), rule(HIDE, id="b"), candidate("card"), candidate("klarna"), placement())


def resource(document, version=3):
    kind = kind_of(document)
    return Resource(kind, KEY if KINDS[kind].in_placement else "", id_of(document), version, document, 0)


CONFIGURATION = Configuration([resource(document) for document in LIVE], 7, review=True)


def row_of(document, *, id=None, kind=None, base=3, authors=("ada",)):
    fields = {
        "kind": kind or kind_of(document),
        "id": id or id_of(document),
        "document": document,
        "base_version": base,
        "revision": 11,
        "changed_by": "ada",
        "changed_at": 5,
        "authors": authors,
    }
    return DraftChangeRow(**fields)


def head():
    return DraftRow()


def draft(*rows):
    return laid_over(CONFIGURATION, KEY, head(), rows)


def marks(*rows):
    return {item.id: item.mark for item in (*draft(*rows).rules, *draft(*rows).others)}


def test_draft_without_changes_equals_the_published_plan():
    plain = draft()
    assert [(item.id, item.mark) for item in plain.rules] == [("a", "live"), ("b", "live")]
    assert (plain.changes, plain.others, plain.moved, plain.review) == ((), (), (), True)


@pytest.mark.parametrize(("row", "mark"), [
    (row_of(rule(HIDE, id="b", priority=9)), "changed"),
    (row_of(rule(HIDE, id="b")), "live"),
    (row_of(rule(HIDE, id="c"), base=0), "new"),
    (row_of(None, id="b", kind="rule"), "deleted"),
])  # fmt: skip
def test_rule_is_marked_by_its_change(row, mark):
    assert marks(row)[row.key[1]] == mark


def test_rules_are_sorted_by_priority_and_name():
    assert [item.id for item in draft(row_of(rule(HIDE, id="0", priority=5), base=0)).rules] == ["0", "a", "b"]
    assert [item.id for item in draft(row_of(rule(HIDE, id="b", priority=9))).rules] == ["b", "a"]


def test_other_changes_follow_the_rules():
    made = draft(row_of(ListDocument(name="x"), base=0), row_of(candidate("card", fee_fixed=5)),
                 row_of(placement(name="Other")), row_of(candidate("wero"), base=0))  # fmt: skip
    assert [(item.kind, item.id) for item in made.others] == [
        ("candidate", "card"), ("candidate", "wero"), ("placement", KEY), ("list", "x"),
    ]  # fmt: skip
    assert [item.mark for item in made.others] == ["changed", "new", "changed", "new"]


def test_republished_document_is_a_conflict():
    made = draft(row_of(rule(HIDE, id="a", priority=9), base=2), row_of(rule(HIDE, id="b", priority=9), base=3))
    assert [item.id for item in made.moved] == ["a"]


def test_deletion_of_a_deleted_document_is_no_change():
    assert draft(row_of(None, id="gone", kind="rule")).changes == ()
    assert draft(row_of(None, id="gone", kind="candidate")).others == ()


def test_authors_are_all_editors():
    made = draft(row_of(rule(HIDE, id="a", priority=9), authors=("ada", "bob")),
                 row_of(candidate("card", fee_fixed=5), authors=("eve",)),
                 row_of(rule(HIDE, id="b"), authors=("zoe",)))  # fmt: skip
    assert made.authors == {"ada", "bob", "eve"}


def test_changes_of_a_kind_are_found_by_id():
    made = draft(row_of(rule(HIDE, id="a", priority=9)), row_of(candidate("card", fee_fixed=5)))
    assert set(made.of_kind("rule")) == {"a"}
    assert set(made.of_kind("candidate")) == {"card"}
    assert made.of_kind("list") == {}


def test_publishing_increments_the_version_of_changed_documents():
    made = draft(row_of(rule(HIDE, id="a", priority=9)), row_of(rule(HIDE, id="c"), base=0),
                 row_of(None, id="b", kind="rule"))  # fmt: skip
    changes = {change.resource.id: change for change in changes_of(CONFIGURATION, made, now=99)}
    assert (changes["a"].after.version, changes["a"].after.changed_at) == (4, 99)
    assert (changes["c"].before, changes["c"].after.version) == (None, 1)
    assert changes["b"].after is None
    after = CONFIGURATION.with_changes(list(changes.values()))
    assert {document.id for document in after.documents("rule", KEY)} == {"a", "c"}


@pytest.mark.parametrize(("kind", "scope"), [("rule", KEY), ("candidate", KEY), ("list", ""), ("placement", "")])
def test_a_kind_is_stored_under_its_placement_or_the_merchant(kind, scope):
    assert scope_of(kind, KEY) == scope


@pytest.mark.parametrize(("first", "second", "same"), [
    ({"set": 1}, {"set": 1}, True), ({"set": 1}, {"set": True}, False), ({"set": 1}, {"set": 1.0}, False),
    (rule(HIDE), rule(HIDE), True), (rule(HIDE), rule(HIDE, notes="x"), False),
])  # fmt: skip
def test_documents_are_equal_if_their_json_is_equal(first, second, same):
    assert is_same(first, second) == same


def test_item_shows_the_new_or_deleted_document():
    new, old = candidate("card", fee_fixed=5), candidate("card")
    assert DraftItem("card", old, new, 1).shown is new
    assert DraftItem("card", old, None, 1).shown is old
    with pytest.raises(ValueError, match="never existed"):
        _ = DraftItem("card", None, None, 0).shown


def test_item_has_the_version_that_was_edited():
    live = resource(candidate("card"), version=8)
    assert item_of("candidate", "card", live, None).revision == 8
    assert item_of("candidate", "card", live, row_of(candidate("card"))).revision == 11
    assert item_of("candidate", "card", None, None).revision == 0


# Actors, ids, times and errors


@pytest.mark.parametrize(("actor", "person"), [
    (Actor(1, "ada"), "ada"), (Actor(1, "key_1", "ada"), "ada"), (Actor(1, "key_1", ""), ""),
])  # fmt: skip
def test_key_acts_for_its_creator(actor, person):
    assert actor.person == person


@pytest.mark.parametrize(("ms", "text"), [
    (0, "1970-01-01T00:00:00.000Z"), (1_790_000_000_123, "2026-09-21T14:13:20.123Z"), (999, "1970-01-01T00:00:00.999Z"),
    (DAY - 1, "1970-01-01T23:59:59.999Z"),
])  # fmt: skip
def test_a_time_is_written_to_the_millisecond(ms, text):
    assert rfc3339(ms) == text
    assert to_ms(datetime.fromisoformat(text)) == ms


@pytest.mark.parametrize("ms", [0, MINUTE, 1_790_000_000_123, 2**47])
def test_an_id_begins_with_its_time(ms):
    first = first_id_of(ms)
    assert moment_of(first + "f" * 20) == ms
    assert first <= first + "0" * 20 < first_id_of(ms + 1)


def test_an_invalid_input_names_its_first_problem():
    error = Invalid(FieldProblem("a", "is wrong"), FieldProblem("b", "is odd"))
    assert (error.field, error.detail, len(error.problems)) == ("a", "a: is wrong", 2)
    assert invalid("x", "must be 1").problems == (FieldProblem("x", "must be 1"),)


def test_errors_are_kinds_of_each_other():
    assert issubclass(Stale, Conflict)
    assert issubclass(ReviewRequired, Forbidden)
