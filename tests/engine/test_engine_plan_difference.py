"""Check the described differences of two plans, and rules as sentences."""

from __future__ import annotations

import pytest

from engine.configuration.plan_difference import Detail, differences
from engine.kernel.rule_sentences import labels_of, sentence_of, terms_of
from engine.model.placement import FieldDocument, Fixed, ListDocument
from engine.model.schedule import document_pointer, scheduled
from engine.model.standard_vocabulary import STANDARD
from rules import Wording
from tests.factories import CART_OVER_100, candidate, candidates, placement, plan, rule

WORDING = Wording(currency="EUR")
HIDE = {"exclude": ["klarna"]}
OLD = plan(rule(HIDE, when=CART_OVER_100)).document


def compared(new, old=OLD):
    return [(each.kind, each.id, each.mark) for each in differences(old, new.document, WORDING)]


def test_equal_plans_do_not_differ():
    assert compared(plan(rule(HIDE, when=CART_OVER_100))) == []


@pytest.mark.parametrize(("new", "expected"), [
    (plan(), [("rule", "r1", "deleted")]),
    (plan(rule(HIDE, when=CART_OVER_100), rule(HIDE, id="r2")), [("rule", "r2", "new")]),
    (plan(rule(HIDE)), [("rule", "r1", "changed")]),
    (
        plan(rule(HIDE, when=CART_OVER_100), placement=placement(policy=Fixed())),
        [("placement", "payment_methods", "changed")],
    ),
    (plan(rule(HIDE, when=CART_OVER_100), candidates=candidates("card", "klarna")), [
        ("candidate", "apple_pay", "deleted"), ("candidate", "ideal", "deleted"), ("candidate", "klarna", "changed"),
        ("candidate", "paypal", "deleted"), ("candidate", "sepa_debit", "deleted"),
    ]),
    (
        plan(rule(HIDE, when=CART_OVER_100), lists=(ListDocument(name="blocked"),)),
        [("list", "blocked", "new")],
    ),
    (
        plan(rule(HIDE, when=CART_OVER_100), fields=(*STANDARD, FieldDocument(name="a.b", type="string"))),
        [("field", "a.b", "new")],
    ),
])  # fmt: skip
def test_added_removed_and_changed_documents_are_named(new, expected):
    assert compared(new) == expected


def test_rules_are_first_and_sorted_by_id():
    new = plan(rule(HIDE, id="b"), rule(HIDE, id="a"), placement=placement(name="Other"))
    assert compared(new) == [
        ("rule", "a", "new"), ("rule", "b", "new"), ("rule", "r1", "deleted"),
        ("placement", "payment_methods", "changed"),
    ]  # fmt: skip


def test_rule_is_described_before_and_after():
    [change] = differences(
        OLD, plan(rule(HIDE, {"pin": {"candidate": "card", "slot": 1}}, when=True)).document, WORDING
    )
    assert change.was == "Cart total is over EUR 100.00 → Klarna is hidden"
    assert change.now == "Always → Klarna is hidden, Card is shown first"
    assert (change.name, change.details) == ("The rule", [])


def test_other_changes_are_details():
    new = plan(rule(HIDE, when=CART_OVER_100, priority=5, notes="Why", name="Other")).document
    [change] = differences(OLD, new, WORDING)
    assert change.details == [
        Detail("name", "The rule", "Other"), Detail("priority", 0, 5), Detail("notes", "", "Why"),
    ]  # fmt: skip


def test_new_document_has_no_details_and_no_previous_state():
    [change] = differences(plan().document, OLD, WORDING)
    assert (change.mark, change.before, change.was, change.details) == ("new", None, "", [])
    assert change.now.endswith("Klarna is hidden")


def test_a_candidate_is_named_by_its_label():
    old = plan(candidates=(candidate("klarna", label="Pay later"),)).document
    new = plan(candidates=(candidate("klarna", label="Pay later", fee_fixed=5),)).document
    [change] = differences(old, new, WORDING)
    assert (change.name, change.details) == ("Pay later", [Detail("fee_fixed", 0, 5)])


# Sentences


@pytest.mark.parametrize(("document", "sentence"), [
    (rule(HIDE, when=True), "Always → Klarna is hidden"),
    (rule(HIDE, when=CART_OVER_100), "Cart total is over EUR 100.00 → Klarna is hidden"),
    (
        rule(HIDE, when=True, active_from="2026-11-27T18:30:00+01:00"),
        "Always → Klarna is hidden, from 27 Nov 2026 at 18:30 (UTC+01:00)",
    ),
    (
        rule(HIDE, when=True, active_to="2026-12-01T00:00:00Z"),
        "Always → Klarna is hidden, until 1 Dec 2026 at 00:00 (UTC)",
    ),
    (
        rule(HIDE, when=True, active_from="2026-11-27T00:00:00Z", active_to="2026-12-01T00:00:00Z"),
        "Always → Klarna is hidden, from 27 Nov 2026 at 00:00 (UTC) until 1 Dec 2026 at 00:00 (UTC)",
    ),
    (rule(HIDE, when={"<": [{"var": "cart.totl"}, 5]}), ""),
    (rule({"exclude": ["unknown"]}, when=True), "Always → unknown is hidden"),
])  # fmt: skip
def test_a_rule_is_a_sentence_with_its_schedule(document, sentence):
    terms = terms_of(plan(currency="EUR").document, WORDING)
    assert sentence_of(document, terms) == sentence


def test_labels_are_those_of_the_candidates():
    assert labels_of(candidates("card", "sepa_debit")) == {"card": "Card", "sepa_debit": "Sepa Debit"}


# Schedules


FROM, TO = "2026-11-27T00:00:00Z", "2026-12-01T00:00:00Z"
STARTED, BEFORE_END = {"!": {"before": [{"var": "time.now"}, FROM]}}, {"before": [{"var": "time.now"}, TO]}


@pytest.mark.parametrize(("changes", "clauses"), [
    ({}, None), ({"active_from": FROM}, [STARTED]), ({"active_to": TO}, [BEFORE_END]),
    ({"active_from": FROM, "active_to": TO}, [STARTED, BEFORE_END]),
])  # fmt: skip
def test_a_schedule_is_part_of_the_condition(changes, clauses):
    expected = CART_OVER_100 if clauses is None else {"and": [*clauses, CART_OVER_100]}
    assert scheduled(rule(HIDE, when=CART_OVER_100, **changes)) == expected


@pytest.mark.parametrize(("changes", "pointer", "own"), [
    ({}, "/when/>/0", "/when/>/0"),
    ({"active_from": FROM}, "/when/and/0/!/before/1", "/active_from"),
    ({"active_from": FROM}, "/when/and/1/>/0", "/when/>/0"),
    ({"active_from": FROM}, "/when/and/1", "/when"),
    ({"active_to": TO}, "/when/and/0", "/active_to"),
    ({"active_from": FROM, "active_to": TO}, "/when/and/1/before/1", "/active_to"),
    ({"active_from": FROM, "active_to": TO}, "/when/and/2/>/1", "/when/>/1"),
    ({"active_from": FROM}, "/effects/0", "/effects/0"),
    ({"active_from": FROM}, "/when/and/10", "/when/and/10"),
])  # fmt: skip
def test_a_pointer_into_the_scheduled_condition_leads_into_the_document(changes, pointer, own):
    assert document_pointer(rule(HIDE, when=CART_OVER_100, **changes), pointer) == own
