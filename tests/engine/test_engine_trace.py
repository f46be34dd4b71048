"""Check what is explained of a decision: each rule with its clauses, what it lacked, and the chances of every slot."""

from __future__ import annotations

import pytest

from engine.kernel.kernel import decide
from engine.kernel.trace import chances_by_slot, trace
from engine.model.facts import Facts, Past, derive
from engine.model.placement import Fixed, One, Split, Thompson
from rules import Wording
from tests.factories import ALWAYS, CART_OVER_100, EXPIRES, METHODS, beliefs, candidates, placement, plan, rule

HIDE = {"exclude": ["klarna"]}
PIN = {"pin": {"candidate": "paypal", "slot": 2}}
WORDING = Wording(currency="EUR")


def decided(tested_plan, *, history=None, customer=None, key="dec_1", **facts):
    values = {name.replace("_", ".", 1): value for name, value in facts.items()}
    inputs = Facts(values, history or {}, customer)
    return inputs, decide(tested_plan, beliefs(tested_plan), inputs, key, expires_at=EXPIRES)


def traced(tested_plan, **facts):
    inputs, decision = decided(tested_plan, **facts)
    return trace(tested_plan, inputs, decision, WORDING)


def verdicts(tested_plan, **facts):
    return {each.id: (each.verdict, each.missing) for each in traced(tested_plan, **facts).rules}


# Rules


@pytest.mark.parametrize(("facts", "verdict", "missing"), [
    ({"cart_total": 10_001}, "fired", None),
    ({"cart_total": 10_000}, "not met", None),
    ({}, "skipped", "cart.total"),
    ({"cart_total": "much"}, "skipped", "cart.total"),
])  # fmt: skip
def test_a_rule_fired_was_not_met_or_lacked_a_fact(facts, verdict, missing):
    assert verdicts(plan(rule(HIDE, when=CART_OVER_100)), **facts) == {"r1": (verdict, missing)}


def test_rule_is_described_with_the_merchants_labels():
    [each] = traced(plan(rule(HIDE, when=CART_OVER_100, name="No instalments"), currency="EUR")).rules
    assert each.name == "No instalments"
    assert each.sentence == "Cart total is over EUR 100.00 → Klarna is hidden"
    assert each.effects == [HIDE]


def test_each_clause_has_its_values():
    when = {"and": [CART_OVER_100, {"==": [{"var": "geo.country"}, "DE"]}]}
    [each] = traced(plan(rule(HIDE, when=when)), cart_total=20_000, geo_country="FR").rules
    clauses = each.clauses["clauses"]
    assert [clause["verdict"] for clause in clauses] == ["false", "true", "false"]
    assert [clause["values"] for clause in clauses] == [{}, {"cart.total": 20_000}, {"geo.country": "FR"}]


def test_rules_are_sorted_by_priority():
    tested_plan = plan(rule(HIDE, id="low"), rule(PIN, id="high", priority=5), rule(HIDE, id="mid", priority=1))
    assert [each.id for each in traced(tested_plan).rules] == ["high", "mid", "low"]


def test_facts_history_and_bucket_are_those_of_the_decision():
    tested_plan = plan(placement=placement(buckets=("geo.country", "device.type")))
    history = {"card": Past(1.0, 1.0, 1)}
    inputs, decision = decided(tested_plan, history=history, geo_country="DE")
    explained = trace(tested_plan, inputs, decision, WORDING)
    assert explained.facts == {"geo.country": "DE"}
    assert explained.history == history
    assert explained.bucket == "DE|-"


# Chances


def chances(tested_plan, **facts):
    inputs, decision = decided(tested_plan, **facts)
    return chances_by_slot(tested_plan, beliefs(tested_plan), inputs, decision), decision


def test_each_drawn_slot_has_chances_that_add_up():
    slots, decision = chances(plan())
    assert len(slots) == 3
    for slot, ranked in zip(slots, decision.ranking, strict=False):
        assert sum(slot.values()) == pytest.approx(1.0)
        assert slot[ranked.id] == ranked.chance


def test_a_candidate_above_has_no_chance_below():
    slots, decision = chances(plan())
    assert decision.ranking[0].id not in slots[1]
    assert set(slots[2]) == set(METHODS) - {ranked.id for ranked in decision.ranking[:2]}


def test_a_pinned_slot_was_not_drawn():
    slots, decision = chances(plan(rule(PIN)))
    assert decision.ranking[1].id == "paypal"
    assert slots[1] == {}
    assert "paypal" not in slots[0]


def test_a_hidden_candidate_has_no_chance():
    slots, _ = chances(plan(rule(HIDE)))
    assert all("klarna" not in slot for slot in slots)


def test_a_fixed_order_has_no_drawn_slots():
    assert chances(plan(placement=placement(policy=Fixed())))[0] == []


def test_an_empty_answer_has_no_slots():
    assert chances(plan(rule({"exclude": list(METHODS)})))[0] == []


@pytest.mark.parametrize(("policy", "slots"), [(Thompson(drawn=1), 1), (Thompson(drawn=5), 5), (Split(), 6)])
def test_all_drawn_slots_are_explained(policy, slots):
    assert len(chances(plan(placement=placement(policy=policy)))[0]) == slots


def test_a_split_explains_its_shares():
    halves = plan(placement=placement(shape=One(), policy=Split({"a": 3, "b": 1})), candidates=candidates("a", "b"))
    [slot], _ = chances(halves, customer="c1")
    assert slot == {"a": 0.75, "b": 0.25}


# Facts of the engine


def test_the_time_and_the_purchases_are_facts():
    values = {"cart.total": 5}
    derive(values, {"card": Past(2.0, 1.5, 2), "klarna": Past(3.0, 1.6, 1)}, now="2026-11-27T18:30:00Z")
    assert values == {
        "cart.total": 5,
        "time.now": "2026-11-27T18:30:00Z",
        "history.purchases": 3,
        "history.favourite": "klarna",
    }


def test_without_purchases_there_is_no_favourite():
    values = {}
    derive(values, {"card": Past(2.0, 0.0, 0)}, now="2026-11-27T18:30:00Z")
    assert values == {"time.now": "2026-11-27T18:30:00Z", "history.purchases": 0}
    new = {}
    derive(new, {}, now="2026-11-27T18:30:00Z")
    assert new == {"time.now": "2026-11-27T18:30:00Z"}


def test_later_name_of_two_equal_favourites_is_used():
    values = {}
    derive(values, {"a": Past(1.0, 1.0, 1), "b": Past(1.0, 1.0, 1)}, now="")
    assert values["history.favourite"] == "b"


def test_a_rule_that_always_holds_reads_nothing():
    [each] = traced(plan(rule(HIDE, when=ALWAYS))).rules
    assert each.verdict == "fired"
    assert each.clauses["clauses"][0]["values"] == {}
