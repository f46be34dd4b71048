"""The kernel: chances, policies, worth and history; and what holds for any plan, facts and key."""

from __future__ import annotations

from collections import Counter
from math import prod

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.facts import Past
from engine.model.placement import Fixed, One, Ranking, Split, Subset, Thompson
from tests.factories import ALWAYS, METHODS, answer, beliefs, candidate, candidates, order, placement, plan, rule

KEYS = [f"dec_{number}" for number in range(400)]


def test_the_propensity_is_the_product_of_the_chances():
    for key in KEYS[:50]:
        decision = answer(plan(), key=key)
        assert decision.propensity == prod(ranked.chance for ranked in decision.ranking)
        assert 0 < decision.propensity < 1


def test_undrawn_slots_follow_the_means():
    two = plan(placement=placement(policy=Thompson(drawn=2)))
    learned = beliefs(two, card=(900, 90), paypal=(900, 180), klarna=(900, 270), ideal=(900, 360))
    for key in KEYS[:50]:
        ranking = answer(two, beliefs=learned, key=key).ranking
        assert [ranked.chance < 1 for ranked in ranking[:2]] == [True, True]
        rest = [ranked.score for ranked in ranking[2:]]
        assert rest == sorted(rest, reverse=True)
        assert {ranked.chance for ranked in ranking[2:]} == {1.0}


def test_frequency_of_first_slots_equals_their_chance():
    learned = beliefs(plan(), card=(200, 60), paypal=(200, 55))
    firsts = Counter(order(answer(plan(), beliefs=learned, key=key))[0] for key in KEYS)
    for ranked in answer(plan(), beliefs=learned).ranking:
        spread = 4 * (len(KEYS) * ranked.confidence * (1 - ranked.confidence)) ** 0.5 + 1
        assert abs(firsts[ranked.id] - len(KEYS) * ranked.confidence) < spread


def test_the_floor_leaves_every_candidate_a_chance():
    sure = plan(placement=placement(policy=Thompson(floor=0.06)))
    learned = beliefs(sure, **dict.fromkeys(METHODS, (5000, 1000)) | {"ideal": (5_000, 2_000)})
    confidence = {ranked.id: ranked.confidence for ranked in answer(sure, beliefs=learned).ranking}
    assert confidence["ideal"] == pytest.approx(0.95)
    assert min(confidence.values()) == max(value for value in confidence.values() if value < 0.9) == pytest.approx(0.01)


def test_a_split_is_sticky_and_keeps_its_shares():
    halves = plan(placement=placement(shape=One(), policy=Split({"a": 3, "b": 1})), candidates=candidates("a", "b"))
    answers = {number: answer(halves, customer=f"c{number}").ranking[0] for number in range(400)}
    again = {number: answer(halves, customer=f"c{number}", key="dec_9").ranking[0] for number in range(400)}
    assert answers == again
    share = Counter(ranked.id for ranked in answers.values())["a"] / 400
    assert 0.68 < share < 0.82
    assert {(ranked.id, ranked.chance) for ranked in answers.values()} == {("a", 0.75), ("b", 0.25)}


def test_splits_of_two_placements_are_independent():
    first, second = (
        plan(placement=placement(key=key, shape=One(), policy=Split()), candidates=candidates("a", "b"))
        for key in ("first", "second")
    )
    customers = [f"c{number}" for number in range(400)]
    same = sum(order(answer(first, customer=name)) == order(answer(second, customer=name)) for name in customers)
    assert 150 < same < 250


def test_a_split_without_a_customer_is_drawn_by_the_decision():
    halves = plan(placement=placement(shape=One(), policy=Split()), candidates=candidates("a", "b"))
    assert {order(answer(halves, key=key))[0] for key in KEYS[:50]} == {"a", "b"}


def test_a_weight_of_zero_is_drawn_last():
    split = plan(placement=placement(shape=One(), policy=Split({"a": 0})), candidates=candidates("a", "b"))
    assert {order(answer(split, key=key))[0] for key in KEYS} == {"b"}


def test_split_ignores_beliefs():
    halves = plan(placement=placement(shape=One(), policy=Split()), candidates=candidates("a", "b"))
    learned = beliefs(halves, a=(1_000, 999), b=(1_000, 1))
    assert [order(answer(halves, beliefs=learned, key=key)) for key in KEYS] == [
        order(answer(halves, key=key)) for key in KEYS
    ]


def test_margin_prefers_the_cheaper_of_two_equally_good_methods():
    methods = (candidate("dear", fee_percent=20.0), candidate("cheap", fee_fixed=10))
    for reward, low, high in (("converted", 0.4, 0.6), ("margin", 0.99, 1.0)):
        both = plan(placement=placement(reward=reward, margin_percent=30.0), candidates=methods)
        learned = beliefs(both, dear=(4_000, 1_600), cheap=(4_000, 1_600))
        chance = {ranked.id: ranked.confidence for ranked in answer(both, beliefs=learned, cart_total=10_000).ranking}
        assert low < chance["cheap"] <= high


def test_margin_uses_the_typical_amount_without_a_valid_cart():
    methods = (candidate("percent", fee_percent=3.0), candidate("fixed", fee_fixed=100))
    cart = plan(placement=placement(reward="margin", typical_amount=10_000), candidates=methods)
    learned = beliefs(cart, percent=(900, 300), fixed=(900, 300))
    typical = confidences(answer(cart, beliefs=learned, cart_total=10_000))
    assert confidences(answer(cart, beliefs=learned)) == typical
    for senseless in (-10_000, "10", 10**40, 10**400, True):
        assert confidences(answer(cart, beliefs=learned, cart_total=senseless)) == typical


def confidences(decision):
    return {ranked.id: ranked.confidence for ranked in decision.ranking}


def test_a_boost_helps_a_method_that_loses_money():
    methods = (candidate("a", fee_percent=50.0), candidate("b", fee_percent=50.0))
    tested_placement = placement(reward="margin", margin_percent=10.0)
    losing = answer(
        plan(rule({"boost": {"candidates": ["a"], "factor": 5}}), placement=tested_placement, candidates=methods)
    )
    assert confidences(losing)["a"] > 0.7


def test_customer_history_changes_the_order_with_a_reason():
    history = {"klarna": Past(6.0, 6.0, 7), "card": Past(6.0, 0.0, 2)}
    learned = beliefs(plan(), **dict.fromkeys(METHODS, (500, 100)))
    decision = answer(plan(), beliefs=learned, history=history)
    assert confidences(decision)["klarna"] > 0.9
    reasons = {ranked.id: ranked.reasons for ranked in decision.ranking}
    assert reasons["klarna"] == ["chosen in 7 of this customer's last 9 purchases"]
    assert reasons["paypal"] == []


def test_policy_without_history_ignores_customers():
    alike = plan(placement=placement(policy=Thompson(history=False)))
    decision = answer(alike, history={"klarna": Past(9.0, 9.0, 9)})
    assert confidences(decision) == confidences(answer(alike))


def test_answer_has_versions_and_expiry():
    decision = answer(plan(), beliefs=beliefs(plan(), version=812))
    assert (decision.plan_version, decision.beliefs_version) == (1, 812)
    assert decision.expires_at == "2026-11-21T10:00:00.000Z"


FACTS = st.fixed_dictionaries(
    {},
    optional={
        "cart.total": st.one_of(st.integers(-10, 200_000), st.text(max_size=3)),
        "geo.country": st.sampled_from(["DE", "NL", "US", 7, None]),
        "device.type": st.sampled_from(["mobile", "desktop", "fridge"]),
    },
)
EFFECTS = st.one_of(
    st.lists(st.sampled_from(METHODS), min_size=1, max_size=4, unique=True).map(lambda ids: {"exclude": ids}),
    st.lists(st.sampled_from(METHODS), min_size=2, max_size=6, unique=True).map(lambda ids: {"require": ids}),
    st.builds(lambda id, slot: {"pin": {"candidate": id, "slot": slot}}, st.sampled_from(METHODS), st.integers(1, 9)),
    st.builds(
        lambda id, by: {"boost": {"candidates": [id], "factor": by}}, st.sampled_from(METHODS), st.floats(0.01, 100)
    ),
)
CONDITIONS = st.sampled_from(
    [
        ALWAYS,
        {">": [{"var": "cart.total"}, 5_000]},
        {"!=": [{"var": "geo.country"}, "DE"]},
        {"var": "customer.returning"},
    ]
)
RULES = st.lists(st.tuples(CONDITIONS, EFFECTS, st.integers(0, 3)), max_size=5)
SHAPES = st.one_of(st.just(Ranking()), st.just(One()), st.builds(Subset, st.integers(1, 8)))
POLICIES = st.one_of(
    st.just(Fixed()),
    st.builds(Split, st.dictionaries(st.sampled_from(METHODS), st.floats(0, 10), max_size=6)),
    st.builds(Thompson, st.floats(0, 0.5), st.integers(1, 8), st.booleans()),
)
HISTORIES = st.dictionaries(
    st.sampled_from(METHODS), st.tuples(st.floats(0, 20), st.floats(0, 1), st.integers(0, 9)), max_size=3
)


@settings(max_examples=300, deadline=None)
@given(FACTS, RULES, SHAPES, POLICIES, st.sampled_from(["converted", "margin"]), HISTORIES, st.text(max_size=9))
def test_any_answer_is_lawful(facts, rules, shape, policy, reward, past, key):
    documents = [
        rule(effect, id=f"r{number}", when=when, priority=priority)
        for number, (when, effect, priority) in enumerate(rules)
    ]
    fees = tuple(candidate(id, position=n, fee_fixed=100 * n, fee_percent=2.0 * n) for n, id in enumerate(METHODS))
    item = plan(*documents, placement=placement(shape=shape, policy=policy, reward=reward), candidates=fees)
    history = {name: Past(trials, trials * rate, count) for name, (trials, rate, count) in past.items()}
    keywords = {name.replace(".", "_", 1): value for name, value in facts.items()}
    decision = answer(item, history=history, customer="c", key=key, **keywords)
    out = [each.id for each in decision.excluded]
    eligible = set(METHODS) - set(out)
    most = {One: 1, Subset: getattr(shape, "limit", 0), Ranking: len(METHODS)}[type(shape)]
    assert len(order(decision)) == len(set(order(decision))) == min(len(eligible), most)
    assert set(order(decision)) <= eligible
    assert [ranked.rank for ranked in decision.ranking] == list(range(1, len(decision.ranking) + 1))
    assert all(0 < ranked.chance <= 1 and 0 <= ranked.confidence <= 1 for ranked in decision.ranking)
    assert decision.propensity == pytest.approx(prod(ranked.chance for ranked in decision.ranking))
    for effect in [each for number in decision.rules for each in documents[int(number[1:])].effects]:
        assert eligible.isdisjoint(effect.get("exclude", ()))
        assert eligible <= set(effect.get("require", METHODS))
    again = answer(item, beliefs=beliefs(item), history=history, customer="c", key=key, **keywords)
    assert msgspec.json.encode(again) == msgspec.json.encode(decision)


def test_minimising_puts_the_least_successful_candidate_first():
    tested_placement = placement(goal="minimise", policy=Thompson(floor=0.0))
    item = plan(placement=tested_placement)
    learned = beliefs(item, **dict.fromkeys(METHODS, (1_000, 500)) | {"klarna": (1_000, 100)})
    assert answer(item, beliefs=learned).ranking[0].id == "klarna"


def test_boost_helps_if_the_goal_is_to_minimise():
    tested_placement = placement(goal="minimise", policy=Thompson(floor=0.0))
    item = plan(rule({"boost": {"candidates": ["ideal"], "factor": 50}}), placement=tested_placement)
    learned = beliefs(item, **dict.fromkeys(METHODS, (1_000, 500)))
    assert answer(item, beliefs=learned).ranking[0].id == "ideal"
