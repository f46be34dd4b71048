"""Test that compiled rules, the explanation and the standard agree, and that missing facts never fire a rule."""

import gc
import json
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

from benchmarks.checks.rules import (
    disagreements_with_explanations,
    disagreements_with_qubit,
    disagreements_with_the_standard,
)
from rules import Field, Rule, RuleError, Vocabulary, compile_rules, explain, parse_rule, parse_rules
from rules.compiled.pieces import MOST_RULES, make_piece
from rules.language.functions import percent
from tests.rules import rule_cases
from tests.rules.rule_cases import LISTS, VOCABULARY

SPECS = Path(__file__).parents[1] / "specs"
OPERATORS = json.loads((SPECS / "rules_operators.json").read_text())["cases"]
BUCKETS = json.loads((SPECS / "rules_percent_bucket.json").read_text())["cases"]


def rules_of(*conditions: object) -> tuple[Rule, ...]:
    documents = [
        {"id": f"r{index:05}", "when": when, "effects": [{"exclude": ["klarna"]}]}
        for index, when in enumerate(conditions)
    ]
    return parse_rules(documents, VOCABULARY, LISTS)


@pytest.mark.parametrize("case", OPERATORS, ids=[case["about"] for case in OPERATORS])
def test_operator(case: dict[str, object]) -> None:
    (rule,) = rules = rules_of(case["when"])
    facts: dict[str, object] = case["facts"]  # type: ignore[assignment]
    explanation = explain(rule, facts, VOCABULARY, LISTS)
    assert (explanation.verdict, explanation.lacked) == (case["verdict"], case.get("lacked"))
    firing = compile_rules(rules, VOCABULARY, LISTS).evaluate(facts)
    assert bool(firing.fired) == (case["verdict"] == "true")
    assert firing.skipped == (((0, case["lacked"]),) if "lacked" in case else ())


@pytest.mark.parametrize("case", BUCKETS)
def test_percent_buckets_are_pinned(case: dict[str, object]) -> None:
    assert percent(str(case["value"]), str(case["salt"])) == case["bucket"]


def test_percent_buckets_are_even() -> None:
    inside = sum(percent(f"c_{number}", "even") < 10 for number in range(20_000))
    assert abs(inside - 2_000) < 200  # 4.7 standard deviations


def test_compiled_rules_and_explanations_agree_on_generated_rules_and_facts() -> None:
    assert disagreements_with_explanations(3_000, seed=1) == []


def test_with_all_facts_rules_follow_the_standard() -> None:
    assert disagreements_with_the_standard(3_000, seed=1) == []


def test_json_logic_qubit_agrees_on_well_typed_comparisons() -> None:
    assert disagreements_with_qubit(500, seed=1) == []


def test_a_missing_fact_never_fires_a_rule() -> None:
    compiled = compile_rules(rules_of({"<": [{"var": "cart.total"}, 5000]}), VOCABULARY, LISTS)
    assert compiled.evaluate({"cart.total": 4999}).fired == (0,)
    assert compiled.evaluate({}).fired == ()
    assert compiled.evaluate({}).skipped == ((0, "cart.total"),)


def test_compiled_rules_name_the_facts_that_they_read() -> None:
    rules = rules_of({"missing": ["cart.total"]}, {"==": [{"var": "geo.country"}, "DE"]})
    assert compile_rules(rules, VOCABULARY, LISTS).fields == {"cart.total", "geo.country"}


def test_compiled_rules_use_the_lists_given_to_them() -> None:
    rules = rules_of({"in_list": [{"var": "customer.id"}, "blocked"]})
    changed = {**LISTS, "blocked": frozenset({"c9"})}
    assert compile_rules(rules, VOCABULARY, LISTS).evaluate({"customer.id": "c1"}).fired == (0,)
    assert compile_rules(rules, VOCABULARY, changed).evaluate({"customer.id": "c1"}).fired == ()


def test_rule_with_a_deleted_field_is_not_compiled() -> None:
    rules = rules_of({"<": [{"var": "cart.total"}, 5000]})
    with pytest.raises(RuleError, match=r"cart\.total is not a declared fact any more"):
        compile_rules(rules, Vocabulary([]), LISTS)


def test_a_rule_whose_field_changed_its_type_is_not_compiled() -> None:
    rules = rules_of({"<": [{"var": "cart.total"}, 5000]})
    with pytest.raises(RuleError, match=r"cart\.total is a string now"):
        compile_rules(rules, Vocabulary([Field("cart.total", "string")]), LISTS)


def test_five_thousand_rules_fire_in_their_order() -> None:
    rules = rules_of(*({"<=": [number, {"var": "cart.items"}]} for number in range(5_000)))
    compiled = compile_rules(rules, VOCABULARY, LISTS)
    assert compiled.evaluate({"cart.items": 4_321}).fired == tuple(range(4_322))
    assert len(compiled.evaluate({}).skipped) == 5_000


def test_reused_rule_set_agrees_with_a_fresh_one() -> None:
    random, compiled = Random(4), None
    documents = {number: rule_cases.rule(random, number) for number in range(120)}
    for step in range(6):
        changed = random.sample(range(120), 4)
        documents |= {number: rule_cases.rule(random, number) for number in changed if number % 2}
        documents |= {number: documents[number] | {"priority": step} for number in changed if number in documents}
        documents.pop(random.randrange(120), None)
        previous = compiled.rules if compiled else ()
        rules = parse_rules(list(documents.values()), VOCABULARY, LISTS, previous=previous)
        compiled = compile_rules(rules, VOCABULARY, LISTS, previous=compiled)
        fresh = compile_rules(parse_rules(list(documents.values()), VOCABULARY, LISTS), VOCABULARY, LISTS)
        for number in range(6):
            facts = rule_cases.facts(random, spoilt=number % 2 == 0)
            assert compiled.evaluate(facts) == fresh.evaluate(facts)
        # Once a step: an explanation words every condition, which takes far longer than to evaluate them all.
        assert rule_cases.compiled_verdicts(compiled, facts) == rule_cases.explained_verdicts(rules, facts)


def test_changing_one_rule_compiles_only_its_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    random, compiled_rules = Random(5), list[Rule]()
    documents = [rule_cases.rule(random, number) for number in range(1_000)]
    whole = parse_rules(documents, VOCABULARY, LISTS)
    before = compile_rules(whole, VOCABULARY, LISTS)
    documents[500] = documents[500] | {"when": {"==": [{"var": "geo.country"}, "US"]}}
    monkeypatch.setattr(
        "rules.language.parse.parse_rule",
        lambda *given: compiled_rules.append(parse_rule(*given)) or compiled_rules[-1],
    )
    monkeypatch.setattr(
        "rules.compiled.compile.make_piece",
        lambda part, *given: compiled_rules.extend(part) or make_piece(part, *given),
    )
    rules = parse_rules(documents, VOCABULARY, LISTS, previous=whole)
    assert [rule.id for rule in compiled_rules] == [documents[500]["id"]]
    compile_rules(rules, VOCABULARY, LISTS, previous=before)
    assert 1 < len(compiled_rules) <= 1 + MOST_RULES
    del documents[250]
    compiled_rules.clear()
    compile_rules(parse_rules(documents, VOCABULARY, LISTS, previous=rules), VOCABULARY, LISTS, previous=before)
    assert 0 < len(compiled_rules) < 500


def test_a_replaced_set_is_freed_without_garbage_collection() -> None:
    rules = rules_of(*({"<": [{"var": "cart.total"}, number]} for number in range(200)))
    changed = rules_of(*({"<": [{"var": "cart.total"}, number or 7]} for number in range(200)))
    gc.disable()
    try:
        before = compile_rules(rules, VOCABULARY, LISTS)
        after = compile_rules((changed[0], *rules[1:]), VOCABULARY, LISTS, previous=before)
        held = weakref.ref(before._run), weakref.ref(before._pieces[0].fire), weakref.ref(before._pieces[-1].fire)
        del before
        assert [reference() is None for reference in held] == [True, True, False]
        assert after.evaluate({"cart.total": 6}).fired == (0, *range(7, 200))
    finally:
        gc.enable()


def test_a_changed_list_is_not_reused() -> None:
    rules = rules_of({"in_list": [{"var": "customer.id"}, "blocked"]})
    before, changed = compile_rules(rules, VOCABULARY, LISTS), {**LISTS, "blocked": frozenset({"c9"})}
    after = compile_rules(rules, VOCABULARY, changed, previous=before)
    assert before.evaluate({"customer.id": "c1"}).fired == (0,)
    assert after.evaluate({"customer.id": "c1"}).fired == ()
    assert after.evaluate({"customer.id": "c9"}).fired == (0,)


def test_no_rules_never_fire() -> None:
    assert compile_rules((), VOCABULARY, LISTS).evaluate({"cart.total": 1}).fired == ()


@pytest.mark.parametrize("position", [0, 1, 2])
def test_nested_alternatives_compile_to_proportional_code(position: int) -> None:
    when: object = {"==": [{"var": "geo.country"}, "DE"]}
    for _ in range(30):
        parts: list[object] = [{"var": "customer.is_new"}, {"var": "customer.is_new"}, True]
        parts[position] = when
        when = {"if": parts}
    (rule,) = rules_of(when)
    assert compile_rules((rule,), VOCABULARY, LISTS).evaluate({}).skipped == (
        (0, explain(rule, {}, VOCABULARY, LISTS).lacked),
    )


def test_literals_of_merchants_never_become_source() -> None:
    evil = "'); import os; os.abort(); ('"
    rules = rules_of({"==": [{"var": "customer.id"}, evil]})
    assert compile_rules(rules, VOCABULARY, LISTS).evaluate({"customer.id": evil}).fired == (0,)


def test_an_explanation_shows_every_clause_and_its_values() -> None:
    document = {
        "id": "r1",
        "name": "No Klarna for large carts",
        "when": {"and": [{">": [{"var": "cart.total"}, 5000]}, {"in": [{"var": "geo.country"}, ["DE", "AT"]]}]},
        "effects": [{"exclude": ["klarna"]}],
    }
    rule = parse_rule(document, VOCABULARY, LISTS)
    explanation = explain(rule, {"geo.country": "AT"}, VOCABULARY, LISTS).to_json()
    assert json.loads(json.dumps(explanation)) == {
        "rule_id": "r1",
        "name": "No Klarna for large carts",
        "text": "cart.total is over EUR 50.00 and geo.country is DE or AT → klarna is hidden",
        "verdict": "unknown",
        "lacked": "cart.total",
        "clauses": [
            {
                "path": "/when/and",
                "depth": 0,
                "text": "cart.total is over EUR 50.00 and geo.country is DE or AT",
                "values": {},
                "verdict": "unknown",
                "lacked": "cart.total",
            },
            {
                "path": "/when/and/0/>",
                "depth": 1,
                "text": "cart.total is over EUR 50.00",
                "values": {"cart.total": None},
                "verdict": "unknown",
                "lacked": "cart.total",
            },
            {
                "path": "/when/and/1/in",
                "depth": 1,
                "text": "geo.country is DE or AT",
                "values": {"geo.country": "AT"},
                "verdict": "true",
                "lacked": None,
            },
        ],
    }


def test_compile_time_of_nested_rules_is_proportional() -> None:
    when: object = {"<": [{"var": "cart.items"}, 3]}
    for level in range(30):
        others = [{"!=": [{"var": "customer.id"}, f"c{level}{number}"]} for number in range(5)]
        when = {("and", "or")[level % 2]: [*others, when]}
    rules = rules_of(*[when] * 20)
    begun = time.process_time()
    compiled = compile_rules(rules, VOCABULARY, LISTS)
    assert time.process_time() - begun < 3
    assert {field for _, field in compiled.evaluate({"cart.items": 5}).skipped} == {"customer.id"}


def test_threads_compile_at_the_same_time():
    """CPython 3.11 fails where two threads build syntax trees at once, unless they take turns."""
    vocabulary = Vocabulary([Field(name=f"a.f{number}", type="integer") for number in range(40)], currency="EUR")
    documents = [
        {"id": f"r{number}", "when": {">": [{"var": f"a.f{number}"}, number]}, "effects": [{"exclude": ["card"]}]}
        for number in range(40)
    ]
    parsed = parse_rules(documents, vocabulary, {})
    with ThreadPoolExecutor(8) as pool:
        compiled = list(pool.map(lambda _: compile_rules(parsed, vocabulary, {}), range(48)))
    assert {parsed[number].id for each in compiled for number in each.evaluate({"a.f3": 4}).fired} == {"r3"}
