"""Test the messages about wrong effects, what an explanation lists, and what would make a rule fire."""

from __future__ import annotations

from typing import Any

import pytest

from rules import RuleError, changes_needed, compile_rules, explain, parse_effects, parse_rule, parse_rules, to_json
from tests.rules.rule_cases import LISTS, VOCABULARY

TOTAL, COUNTRY, NEW = {"var": "cart.total"}, {"var": "geo.country"}, {"var": "customer.is_new"}
TAGS, ITEMS, NOW = {"var": "customer.tags"}, {"var": "cart.items"}, {"var": "time.now"}
HIDE = [{"exclude": ["klarna"]}]
KINDS = "exclude, require, pin, boost, set"


@pytest.mark.parametrize(("effect", "path", "message"), [
    ("exclude", "", f"must be an object with one key of {KINDS}"),
    ({}, "", f"must be an object with one key of {KINDS}"),
    ({"exclude": ["a"], "set": {}}, "", f"must be an object with one key of {KINDS}"),
    ({"exclud": ["a"]}, "/exclud", f"is not an effect; it must be one of {KINDS}; did you mean exclude?"),
    ({"exclude": {}}, "/exclude", 'must be a list of 1 to 1000 candidate ids, such as ["card"]'),
    ({"require": []}, "/require", 'must be a list of 1 to 1000 candidate ids, such as ["card"]'),
    ({"exclude": ["a", ""]}, "/exclude/1", "must be a text of 1 to 200 characters"),
    ({"exclude": ["x" * 201]}, "/exclude/0", "must be a text of 1 to 200 characters"),
    ({"exclude": ["a", "b", "a"]}, "/exclude", "names a candidate twice"),
    ({"pin": ["a", 1]}, "/pin", "must be an object with the keys candidate and slot"),
    ({"pin": {"candidate": "a", "slot": 1, "x": 1}}, "/pin", "must be an object with the keys candidate and slot"),
    ({"pin": {"candidate": "a", "slot": 1.0}}, "/pin/slot", "must be a whole number from 1 to 1000"),
    ({"pin": {"candidate": "a", "slot": 1001}}, "/pin/slot", "must be a whole number from 1 to 1000"),
    ({"boost": {"candidates": ["a"], "factor": -1}}, "/boost/factor", "must be a number over 0 and at most 1000"),
    ({"boost": {"candidates": ["a"], "factor": True}}, "/boost/factor", "must be a number over 0 and at most 1000"),
    ({"boost": {"candidates": ["a"], "factor": "2"}}, "/boost/factor", "must be a number over 0 and at most 1000"),
    ({"boost": {"factor": 2}}, "/boost", "must be an object with the keys candidates and factor"),
    ({"set": {"name": "", "value": 1}}, "/set/name", "must be a text of 1 to 200 characters"),
    ({"set": {"name": "x", "value": {}}}, "/set/value", "must be true, false, a number or a short text"),
    ({"set": {"name": "x", "value": "y" * 201}}, "/set/value", "must be true, false, a number or a short text"),
    ({"set": {"name": "x", "value": 2**54}}, "/set/value", "must be true, false, a number or a short text"),
])  # fmt: skip
def test_invalid_effect_is_refused_with_a_correction(effect: Any, path: str, message: str) -> None:
    with pytest.raises(RuleError) as caught:
        parse_effects([HIDE[0], effect])
    assert [(problem.path, problem.message) for problem in caught.value.problems] == [(f"/effects/1{path}", message)]


@pytest.mark.parametrize(("documents", "message"), [
    ("x", 'must be a list of at least one effect, such as [{"exclude": ["klarna"]}]'),
    ([], 'must be a list of at least one effect, such as [{"exclude": ["klarna"]}]'),
    (HIDE * 1_001, "has 1001 effects; at most 1000 are allowed"),
])  # fmt: skip
def test_a_list_of_effects_has_at_least_one_and_not_too_many(documents: Any, message: str) -> None:
    with pytest.raises(RuleError, match="effect") as caught:
        parse_effects(documents, "/x")
    assert [(problem.path, problem.message) for problem in caught.value.problems] == [("/x", message)]


@pytest.mark.parametrize("effect", [
    {"exclude": ["a", "b"]}, {"require": ["a"]}, {"pin": {"candidate": "a", "slot": 1_000}},
    {"boost": {"candidates": ["a"], "factor": 0.5}}, {"set": {"name": "x", "value": 1.5}},
    {"set": {"name": "x", "value": ""}}, {"set": {"name": "x", "value": False}}, {"set": {"name": "x", "value": -3}},
])  # fmt: skip
def test_an_effect_is_written_as_it_was_read(effect: Any) -> None:
    assert [to_json(parsed) for parsed in parse_effects([effect])] == [effect]


# Explanations


def explained(when: Any, **facts: Any) -> list[tuple[int, str, str, dict[str, Any], str | None]]:
    rule = parse_rule({"id": "r", "when": when, "effects": HIDE}, VOCABULARY, LISTS)
    sent = {name.replace("__", "."): value for name, value in facts.items()}
    clauses = explain(rule, sent, VOCABULARY, LISTS).clauses
    return [(clause.depth, clause.path, clause.verdict, clause.values, clause.lacked) for clause in clauses]


def test_every_clause_is_listed_under_its_connective() -> None:
    when = {"and": [{">": [TOTAL, 5]}, {"!": {"or": [NEW, {"==": [COUNTRY, "DE"]}]}}]}
    assert explained(when, cart__total=6, customer__is_new=False, geo__country="DE") == [
        (0, "/when/and", "false", {}, None),
        (1, "/when/and/0/>", "true", {"cart.total": 6}, None),
        (1, "/when/and/1/!", "false", {}, None),
        (2, "/when/and/1/!/or", "true", {}, None),
        (3, "/when/and/1/!/or/0/var", "false", {"customer.is_new": False}, None),
        (3, "/when/and/1/!/or/1/==", "true", {"geo.country": "DE"}, None),
    ]


def test_unknown_clause_names_its_missing_fact() -> None:
    when = {"and": [{">": [TOTAL, 5]}, {"<": [ITEMS, 3]}]}
    assert explained(when, cart__total=6) == [
        (0, "/when/and", "unknown", {}, "cart.items"),
        (1, "/when/and/0/>", "true", {"cart.total": 6}, None),
        (1, "/when/and/1/<", "unknown", {"cart.items": None}, "cart.items"),
    ]


def test_clause_shows_its_unusable_value() -> None:
    [clause] = explained({">": [TOTAL, 5]}, cart__total="6")
    assert clause == (0, "/when/>", "unknown", {"cart.total": "6"}, "cart.total")


def test_a_clause_on_two_facts_shows_both() -> None:
    [clause] = explained({">": [{"/": [TOTAL, ITEMS]}, 5]}, cart__total=12, cart__items=2)
    assert clause[3] == {"cart.total": 12, "cart.items": 2}


def test_an_explanation_is_plain_json() -> None:
    rule = parse_rule({"id": "r", "name": "Hide", "when": NEW, "effects": HIDE}, VOCABULARY, LISTS)
    document = explain(rule, {"customer.is_new": True}, VOCABULARY, LISTS).to_json()
    assert document == {
        "rule_id": "r", "name": "Hide", "text": "customer.is_new is yes → klarna is hidden", "verdict": "true",
        "lacked": None,
        "clauses": [{"path": "/when/var", "depth": 0, "text": "customer.is_new is yes",
                     "values": {"customer.is_new": True}, "verdict": "true", "lacked": None}],
    }  # fmt: skip


# Sets of rules


def fired(*documents: dict[str, Any], **facts: Any) -> tuple[list[str], list[tuple[str, str]]]:
    rules = parse_rules(list(documents), VOCABULARY, LISTS)
    sent = {name.replace("__", "."): value for name, value in facts.items()}
    firing = compile_rules(rules, VOCABULARY, LISTS).evaluate(sent)
    skipped = [(rules[number].id, field) for number, field in firing.skipped]
    return [rules[number].id for number in firing.fired], skipped


def document(id: str, when: Any, priority: int = 0) -> dict[str, Any]:
    return {"id": id, "priority": priority, "when": when, "effects": HIDE}


def test_rules_fire_by_priority_then_by_name() -> None:
    several = [document("b", True), document("a", True), document("z", True, 5), document("never", False, 9)]
    assert fired(*several) == (["z", "a", "b"], [])


def test_a_skipped_rule_does_not_keep_others_from_firing() -> None:
    several = [document("a", {">": [TOTAL, 5]}), document("b", NEW), document("c", {"<": [ITEMS, 5]})]
    assert fired(*several, customer__is_new=True) == (["b"], [("a", "cart.total"), ("c", "cart.items")])


def test_a_set_of_no_rules_fires_nothing() -> None:
    assert fired() == ([], [])


def test_very_many_rules_fire_as_each_does_alone() -> None:
    several = [document(f"r{number:04}", {">": [TOTAL, number]}) for number in range(600)]
    assert fired(*several, cart__total=300)[0] == [f"r{number:04}" for number in range(300)]


# What would make a rule fire


def ways(when: Any, **facts: Any) -> list[list[str]]:
    rule = parse_rule({"id": "r", "when": when, "effects": HIDE}, VOCABULARY, LISTS)
    sent = {name.replace("__", "."): value for name, value in facts.items()}
    return [[need.text for need in way] for way in changes_needed(rule, sent, VOCABULARY, LISTS)]


@pytest.mark.parametrize(("when", "facts", "text"), [
    ({"<": [ITEMS, 3]}, {"cart__items": 5}, "cart.items would have to be under 3; it is 5"),
    ({"between": [ITEMS, 3, 5]}, {"cart__items": 9}, "cart.items would have to be between 3 and 5; it is 9"),
    ({"in": [COUNTRY, ["DE", "AT"]]}, {"geo__country": "FR"}, "geo.country would have to be DE or AT; it is FR"),
    ({"!": {"in": [COUNTRY, ["DE"]]}}, {"geo__country": "DE"}, "geo.country must not be DE; it is DE"),
    ({"!": NEW}, {"customer__is_new": True}, "customer.is_new would have to be no; it is yes"),
    ({"missing": ["cart.items"]}, {"cart__items": 5}, "cart.items would have to be missing; it is 5"),
])  # fmt: skip
def test_failed_clause_names_the_required_value(when: Any, facts: dict[str, Any], text: str) -> None:
    assert ways(when, **facts) == [[text]]


def test_alternatives_are_offered_and_combined_if_needed() -> None:
    either = {"or": [{"<": [ITEMS, 3]}, NEW]}
    both = {"and": [{"<": [ITEMS, 3]}, NEW]}
    facts = {"cart__items": 5, "customer__is_new": False}
    assert sorted(map(len, ways(either, **facts))) == [1, 1]
    assert list(map(len, ways(both, **facts))) == [2]


@pytest.mark.parametrize("when", [False, {"and": [NEW, {"!": NEW}]}])
def test_a_rule_that_can_never_fire_has_no_way(when: Any) -> None:
    assert ways(when, customer__is_new=True) == []
