"""Check what a customer is shown by the whole kernel: policies, shapes, rules and goals together, in tables."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.facts import Past
from engine.model.placement import Fixed, One, Ranking, Split, Subset, Thompson
from tests.factories import METHODS, answer, beliefs, candidate, candidates, order, placement, plan, rule

KEYS = [f"dec_{number}" for number in range(300)]
FIXED = placement(policy=Fixed())


def pin(name, slot):
    return {"pin": {"candidate": name, "slot": slot}}


def boost(factor, *names):
    return {"boost": {"candidates": list(names), "factor": factor}}


# Fixed orders


@pytest.mark.parametrize(("effects", "shown"), [
    ([], ["card", "paypal", "klarna", "ideal", "sepa_debit", "apple_pay"]),
    ([{"exclude": ["card", "ideal"]}], ["paypal", "klarna", "sepa_debit", "apple_pay"]),
    ([{"require": ["ideal", "card"]}], ["card", "ideal"]),
    ([pin("apple_pay", 1)], ["apple_pay", "card", "paypal", "klarna", "ideal", "sepa_debit"]),
    ([pin("apple_pay", 3), pin("ideal", 1)], ["ideal", "card", "apple_pay", "paypal", "klarna", "sepa_debit"]),
    ([pin("card", 6)], ["paypal", "klarna", "ideal", "sepa_debit", "apple_pay", "card"]),
    ([{"exclude": ["paypal"]}, pin("paypal", 1)], ["card", "klarna", "ideal", "sepa_debit", "apple_pay"]),
    ([{"require": ["card", "ideal"]}, pin("ideal", 1)], ["ideal", "card"]),
    ([boost(10, "apple_pay")], ["apple_pay", "card", "paypal", "klarna", "ideal", "sepa_debit"]),
    ([boost(0.1, "card")], ["paypal", "klarna", "ideal", "sepa_debit", "apple_pay", "card"]),
    ([boost(10, "apple_pay"), pin("apple_pay", 2)], ["card", "apple_pay", "paypal", "klarna", "ideal", "sepa_debit"]),
])  # fmt: skip
def test_effects_move_the_merchants_order(effects, shown):
    documents = [rule(*effects)] if effects else []
    assert order(answer(plan(*documents, placement=FIXED))) == shown


@pytest.mark.parametrize(("shape", "shown"), [
    (One(), ["klarna"]), (Subset(2), ["klarna", "card"]), (Subset(10), ["klarna", "card", "paypal", "ideal"]),
    (Ranking(), ["klarna", "card", "paypal", "ideal"]),
])  # fmt: skip
def test_a_shape_cuts_the_order_after_the_pins(shape, shown):
    tested_plan = plan(rule(pin("klarna", 1)), placement=placement(policy=Fixed(), shape=shape),
              candidates=candidates("card", "paypal", "klarna", "ideal"))  # fmt: skip
    assert order(answer(tested_plan)) == shown


def test_rule_with_the_higher_priority_pins_first():
    tested_plan = plan(rule(pin("ideal", 1), id="low"), rule(pin("klarna", 1), id="high", priority=1), placement=FIXED)
    assert order(answer(tested_plan))[0] == "klarna"
    assert answer(tested_plan).rules == ["high", "low"]


# Learning orders


def firsts(tested_plan, learned=None, **facts):
    return Counter(order(answer(tested_plan, beliefs=learned, key=key, **facts))[0] for key in KEYS)


def test_a_clear_winner_is_nearly_always_first():
    tested_plan = plan(placement=placement(policy=Thompson(floor=0.0)))
    learned = beliefs(tested_plan, **dict.fromkeys(METHODS, (2_000, 200)) | {"ideal": (2_000, 800)})
    assert firsts(tested_plan, learned)["ideal"] == len(KEYS)


def test_without_evidence_every_candidate_is_tried():
    assert set(firsts(plan())) == set(METHODS)


def test_a_new_candidate_among_old_ones_is_tried():
    tested_plan = plan()
    learned = beliefs(tested_plan, **{name: (500, 100) for name in METHODS if name != "ideal"})
    assert firsts(tested_plan, learned)["ideal"] > len(KEYS) / 6


@pytest.mark.parametrize("floor", [0.05, 0.3])
def test_floor_keeps_a_minimum_chance(floor):
    tested_plan = plan(placement=placement(policy=Thompson(floor=floor)), candidates=candidates("good", "bad"))
    learned = beliefs(tested_plan, good=(5_000, 2_500), bad=(5_000, 500))
    chances = {ranked.id: ranked.confidence for ranked in answer(tested_plan, beliefs=learned).ranking}
    assert chances["bad"] == pytest.approx(floor / 2, abs=1e-6)


def test_favourite_is_first_only_for_its_customer():
    tested_plan = plan()
    learned = beliefs(tested_plan, **dict.fromkeys(METHODS, (500, 100)))
    fan = {"sepa_debit": Past(8.0, 8.0, 8)}
    mine = Counter(order(answer(tested_plan, beliefs=learned, history=fan, key=key))[0] for key in KEYS)
    assert mine["sepa_debit"] > 0.8 * len(KEYS)
    assert firsts(tested_plan, learned)["sepa_debit"] < 0.4 * len(KEYS)


def test_unused_candidate_moves_down_for_its_customer():
    tested_plan = plan(candidates=candidates("card", "paypal"))
    learned = beliefs(tested_plan, card=(500, 100), paypal=(500, 100))
    tired = {"card": Past(9.0, 0.0, 0)}
    mine = Counter(order(answer(tested_plan, beliefs=learned, history=tired, key=key))[0] for key in KEYS)
    assert mine["paypal"] > 0.65 * len(KEYS)


def test_a_boost_helps_more_the_closer_the_race():
    def share(card, paypal):
        tested_plan = plan(rule(boost(1.2, "paypal")), candidates=candidates("card", "paypal"))
        learned = beliefs(tested_plan, card=(1_000, card), paypal=(1_000, paypal))
        return firsts(tested_plan, learned)["paypal"] / len(KEYS)

    assert share(300, 300) > 0.95
    assert share(300, 150) < 0.05


def test_pinned_slot_is_certain_and_others_are_drawn():
    decisions = [answer(plan(rule(pin("ideal", 2))), key=key) for key in KEYS[:60]]
    assert {order(decision)[1] for decision in decisions} == {"ideal"}
    assert {decision.ranking[1].chance for decision in decisions} == {1.0}
    assert len({order(decision)[0] for decision in decisions}) > 2


# Splits


@pytest.mark.parametrize(("weights", "shares"), [
    ({}, {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}), ({"a": 2, "b": 1, "c": 1}, {"a": 0.5, "b": 0.25, "c": 0.25}),
    ({"a": 0}, {"b": 0.5, "c": 0.5}), ({"a": 1, "b": 0, "c": 0}, {"a": 1.0}),
])  # fmt: skip
def test_a_split_gives_each_its_share(weights, shares):
    tested_plan = plan(placement=placement(shape=One(), policy=Split(weights)), candidates=candidates("a", "b", "c"))
    counts = Counter(order(answer(tested_plan, customer=f"c{number}"))[0] for number in range(900))
    assert {name: count / 900 for name, count in counts.items()} == pytest.approx(shares, abs=0.06)
    for ranked in answer(tested_plan, customer="c1").ranking:
        assert ranked.chance == pytest.approx(shares[ranked.id])


def test_share_of_a_hidden_variant_goes_to_the_others():
    split = placement(shape=One(), policy=Split({"a": 2, "b": 1, "c": 1}))
    tested_plan = plan(rule({"exclude": ["a"]}), placement=split, candidates=candidates("a", "b", "c"))
    [ranked] = answer(tested_plan, customer="c1").ranking
    assert ranked.chance == pytest.approx(0.5)


# Whatever is asked


@given(st.lists(st.sampled_from(METHODS), min_size=1, unique=True), st.text(max_size=12))
def test_only_eligible_candidates_are_shown(allowed, key):
    decision = answer(plan(rule({"require": allowed})), key=key)
    assert set(order(decision)) == set(allowed)
    assert {excluded.id for excluded in decision.excluded} == set(METHODS) - set(allowed)


@given(st.permutations(METHODS), st.text(max_size=12))
def test_pins_of_all_candidates_make_the_order_certain(chosen_order, key):
    pins = [pin(name, slot) for slot, name in enumerate(chosen_order, start=1)]
    decision = answer(plan(rule(*pins)), key=key)
    assert order(decision) == list(chosen_order)
    assert decision.propensity == 1.0


@given(st.integers(0, 10**12), st.sampled_from(["EUR", "JPY", None]))
def test_limits_of_the_catalogue_hold_for_any_cart(total, currency):
    limited = (candidate("low", max_amount=10_000), candidate("high", position=1, min_amount=5_000),
               candidate("any", position=2))  # fmt: skip
    facts = {"cart_total": total} | ({"cart_currency": currency} if currency else {})
    shown = order(answer(plan(placement=FIXED, candidates=limited, currency="EUR"), **facts))
    counts = currency in ("EUR", None)
    assert ("low" in shown) == (not counts or total <= 10_000)
    assert ("high" in shown) == (not counts or total >= 5_000)
    assert "any" in shown
