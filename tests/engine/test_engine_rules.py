"""Rules bound, bandits choose: what merchants' rules and the catalogue do to an answer."""

from __future__ import annotations

import pytest

from engine.model.placement import Fixed, ListDocument, One, Subset
from tests.factories import CART_OVER_100, METHODS, answer, candidate, candidates, order, placement, plan, rule

FIXED = placement(policy=Fixed())
KEYS = [f"dec_{number}" for number in range(60)]


def excluded(decision):
    return {excluded_candidate.id: excluded_candidate.reason for excluded_candidate in decision.excluded}


def test_a_method_that_a_rule_hides_never_appears():
    hidden = plan(rule({"exclude": ["klarna"]}, name="No instalments", when=CART_OVER_100))
    answers = [answer(hidden, key=key, cart_total=10_001) for key in KEYS]
    assert all("klarna" not in order(item) for item in answers)
    assert all(excluded(item) == {"klarna": "hidden by rule “No instalments”"} for item in answers)


def test_same_rule_does_not_fire_on_a_smaller_cart():
    hidden = plan(rule({"exclude": ["klarna"]}, when=CART_OVER_100))
    assert sorted(order(answer(hidden, cart_total=10_000))) == sorted(METHODS)


def test_rule_without_its_fact_does_not_fire_and_names_the_fact():
    cheap = plan(rule({"exclude": ["klarna"]}, id="small", when={"<": [{"var": "cart.total"}, 5_000]}))
    decision = answer(cheap)
    assert "klarna" in order(decision)
    assert [(item.rule, item.field) for item in decision.skipped] == [("small", "cart.total")]
    assert decision.rules == []


def test_a_fact_of_the_wrong_type_counts_as_missing():
    cheap = plan(rule({"exclude": ["klarna"]}, id="small", when={"<": [{"var": "cart.total"}, 5_000]}))
    decision = answer(cheap, cart_total="12.00")
    assert "klarna" in order(decision)
    assert [item.field for item in decision.skipped] == ["cart.total"]


def test_required_group_excludes_all_others_with_a_reason():
    decision = answer(plan(rule({"require": ["card", "paypal"]}, name="Only cards")))
    assert sorted(order(decision)) == ["card", "paypal"]
    assert set(excluded(decision).values()) == {"not among those that rule “Only cards” allows"}


def test_two_requirements_allow_their_intersection():
    both = plan(rule({"require": ["card", "paypal"]}, id="a"), rule({"require": ["paypal", "ideal"]}, id="b"))
    assert order(answer(both)) == ["paypal"]


def test_excluding_all_candidates_gives_an_empty_certain_answer():
    decision = answer(plan(rule({"exclude": list(METHODS)})))
    assert decision.ranking == []
    assert decision.propensity == 1.0
    assert len(decision.excluded) == len(METHODS)
    assert decision.fallback is False


def test_pin_is_independent_of_draws():
    pinned = plan(rule({"pin": {"candidate": "sepa_debit", "slot": 2}}, name="Second, please"))
    answers = [answer(pinned, key=key) for key in KEYS]
    assert {order(item)[1] for item in answers} == {"sepa_debit"}
    assert {item.ranking[1].chance for item in answers} == {1.0}
    assert answers[0].ranking[1].reasons == ["placed 2. by rule “Second, please”"]
    assert len({order(item)[0] for item in answers}) > 1


def test_rule_with_the_higher_priority_pins_a_contested_slot():
    rules = [
        rule({"pin": {"candidate": "ideal", "slot": 1}}, id="low", priority=1),
        rule({"pin": {"candidate": "klarna", "slot": 1}}, id="high", priority=2),
    ]
    assert order(answer(plan(*rules)))[0] == "klarna"
    assert order(answer(plan(*reversed(rules))))[0] == "klarna"


def test_pin_of_an_ineligible_method_passes_the_slot_to_the_next_pin():
    rules = [
        rule({"pin": {"candidate": "ideal", "slot": 1}}, id="high", priority=2),
        rule({"pin": {"candidate": "klarna", "slot": 1}}, id="low", priority=1),
    ]
    methods = (candidate("ideal", countries=("NL",)), candidate("klarna"), candidate("card"))
    decisions = [answer(plan(*rules, candidates=methods), key=key, geo_country="DE") for key in KEYS]
    assert {order(decision)[0] for decision in decisions} == {"klarna"}


def test_pin_beyond_the_end_of_a_subset_has_no_effect():
    few = plan(rule({"pin": {"candidate": "ideal", "slot": 5}}), placement=placement(shape=Subset(2)))
    answers = [answer(few, key=key) for key in KEYS]
    assert {len(item.ranking) for item in answers} == {2}
    assert not any(ranked.reasons for item in answers for ranked in item.ranking)


def test_pin_beyond_the_end_of_a_ranking_moves_to_the_last_slot():
    last = plan(rule({"pin": {"candidate": "card", "slot": 50}}))
    assert {order(answer(last, key=key))[-1] for key in KEYS} == {"card"}


def test_boost_raises_the_chance_of_a_method_with_a_reason():
    plain, boosted = plan(), plan(rule({"boost": {"candidates": ["ideal"], "factor": 3}}, name="Push iDEAL"))
    assert answer(boosted).ranking
    chance = {name: first_chance(name, "ideal") for name in (plain, boosted)}
    assert chance[boosted] > 2 * chance[plain]
    reasons = {ranked.id: ranked.reasons for ranked in answer(boosted).ranking}
    assert reasons["ideal"] == ["weighted x3 by rule “Push iDEAL”"]
    assert reasons["card"] == []


def first_chance(tested_plan, candidate):
    return next(ranked.confidence for ranked in answer(tested_plan).ranking if ranked.id == candidate)


def test_boosts_of_several_rules_multiply():
    twice = plan(
        rule({"boost": {"candidates": ["ideal"], "factor": 2}}, id="a"),
        rule({"boost": {"candidates": ["ideal"], "factor": 3}}, id="b"),
    )
    six = plan(rule({"boost": {"candidates": ["ideal"], "factor": 6}}, id="a"))
    assert first_chance(twice, "ideal") == first_chance(six, "ideal")


def test_values_are_set_by_the_rule_with_the_higher_priority():
    rules = (
        rule({"set": {"name": "show_cvv", "value": True}}, id="low", priority=0),
        rule({"set": {"name": "show_cvv", "value": False}}, id="high", priority=9),
        rule({"set": {"name": "note", "value": "hello"}}, id="other"),
    )
    decision = answer(plan(*rules))
    assert decision.values == {"show_cvv": False, "note": "hello"}
    assert decision.rules == ["high", "low", "other"]


def test_a_rule_reads_a_merchants_list():
    vip = ListDocument(name="vip", values=("gold", "silver"))
    hidden = plan(rule({"exclude": ["card"]}, when={"in_list": [{"var": "customer.segment"}, "vip"]}), lists=(vip,))
    assert "card" not in order(answer(hidden, customer_segment="gold"))
    assert "card" in order(answer(hidden, customer_segment="tin"))


@pytest.mark.parametrize(
    ("limits", "facts", "reason"),
    [
        ({"countries": ("NL", "BE")}, {"geo_country": "DE"}, "not offered in DE"),
        ({"currencies": ("EUR",)}, {"cart_currency": "GBP"}, "not offered in GBP"),
        ({"devices": ("mobile",)}, {"device_type": "desktop"}, "not offered on desktop"),
        ({"min_amount": 1_000}, {"cart_total": 999}, "the amount is below its minimum"),
        ({"max_amount": 1_000}, {"cart_total": 1_001}, "the amount is above its maximum"),
        ({"max_amount": 0}, {"cart_total": 1}, "the amount is above its maximum"),
    ],
)
def test_method_is_offered_only_within_its_limits(limits, facts, reason):
    limited = plan(candidates=(candidate("card"), candidate("klarna", **limits)))
    decision = answer(limited, **facts)
    assert order(decision) == ["card"]
    assert excluded(decision) == {"klarna": reason}


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"geo_country": None, "cart_currency": 3, "device_type": ["desktop"], "cart_total": "2"},
        {"geo_country": "NL", "cart_currency": "EUR", "device_type": "mobile", "cart_total": 1_000},
    ],
)
def test_missing_invalid_and_boundary_facts_exclude_no_candidate(facts):
    limits = {
        "countries": ("NL",),
        "currencies": ("EUR",),
        "devices": ("mobile",),
        "min_amount": 1000,
        "max_amount": 1000,
    }
    assert order(answer(plan(candidates=(candidate("klarna", **limits),)), **facts)) == ["klarna"]


@pytest.mark.parametrize(
    ("limit", "currency", "total", "is_offered"),
    [
        (5_000, "EUR", 5_001, False),
        (5_000, None, 5_001, False),
        (5_000, "JPY", 62_000, True),
        ({"EUR": 5_000, "GBP": 4_300}, "GBP", 4_301, False),
        ({"EUR": 5_000, "GBP": 4_300}, None, 4_301, True),
        ({"EUR": 5_000, "GBP": 4_300}, "JPY", 62_000, True),
    ],
)
def test_limit_applies_only_to_its_currency(limit, currency, total, is_offered):
    limited = plan(candidates=(candidate("card"), candidate("klarna", max_amount=limit)), currency="EUR")
    facts = {"cart_total": total} | ({"cart_currency": currency} if currency else {})
    assert ("klarna" in order(answer(limited, **facts))) is is_offered


def test_a_rule_skips_carts_of_another_currency_and_names_the_amount():
    large = plan(rule({"exclude": ["klarna"]}, when=CART_OVER_100), currency="EUR")
    decision = answer(large, cart_total=62_000, cart_currency="JPY")
    assert [(skipped.rule, skipped.field) for skipped in decision.skipped] == [("r1", "cart.total")]
    assert answer(large, cart_total=62_000, cart_currency="EUR").rules == ["r1"]


def test_an_old_plan_without_a_currency_compares_plain_numbers():
    large = plan(rule({"exclude": ["klarna"]}, when=CART_OVER_100))
    assert answer(large, cart_total=62_000, cart_currency="JPY").rules == ["r1"]


def test_disabled_method_is_not_in_the_answer():
    off = plan(candidates=(candidate("card"), candidate("ideal", enabled=False)))
    decision = answer(off)
    assert order(decision) == ["card"]
    assert decision.excluded == []


def test_disabled_rule_has_no_effect():
    assert "card" in order(answer(plan(rule({"exclude": ["card"]}, enabled=False))))


def test_the_fixed_policy_keeps_the_merchants_own_order():
    listed = (candidate("b", position=2), candidate("a", position=2), candidate("z", position=1))
    assert {tuple(order(answer(plan(placement=FIXED, candidates=listed), key=key))) for key in KEYS} == {
        ("z", "a", "b")
    }


def test_rules_move_a_fixed_order():
    moved = plan(
        rule({"pin": {"candidate": "ideal", "slot": 1}}, {"boost": {"candidates": ["klarna"], "factor": 100}}),
        placement=FIXED,
    )
    assert order(answer(moved))[:3] == ["ideal", "klarna", "card"]


def test_shapes_answer_with_one_some_or_all_candidates():
    lengths = {
        shape: len(answer(plan(placement=placement(shape=shape))).ranking) for shape in (One(), Subset(4), Subset(50))
    }
    assert lengths == {One(): 1, Subset(4): 4, Subset(50): 6}
    assert len(answer(plan()).ranking) == 6


def test_placement_without_candidates_has_an_empty_answer():
    decision = answer(plan(candidates=candidates("x")[:0]))
    assert (decision.ranking, decision.excluded, decision.propensity) == ([], [], 1.0)
