"""Check what an answer holds beside its draw: limits, slots, sentences about purchases, the key, and the fallback."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from engine.kernel import kernel
from engine.kernel.kernel import (
    answer_length,
    drawn_count,
    fall_back,
    limits_for,
    most_slots,
    randomness_key,
    shares_draws,
    value_weights,
)
from engine.kernel.plan import Plan, PlanDocument
from engine.model.facts import Facts, Past
from engine.model.placement import Contextual, Fixed, One, Policy, Ranking, Split, Subset, Thompson
from tests.factories import (
    CART_OVER_100,
    EXPIRES,
    METHODS,
    answer,
    beliefs,
    candidate,
    candidates,
    order,
    placement,
    plan,
    rule,
)

FEW = (
    candidate("ideal", countries=("NL",)),
    candidate("card", position=1),
    candidate("klarna", position=2, max_amount=5_000),
    candidate("paypal", position=3),
)


# Shapes and slots


@pytest.mark.parametrize(("shape", "slots", "length"), [
    (One(), 1, 1),
    (Subset(2), 2, 2),
    (Subset(9), 9, 6),
    (Ranking(), 1_000_000, 6),
])  # fmt: skip
def test_shape_limits_the_number_of_candidates(shape, slots, length):
    tested_placement = placement(shape=shape)
    assert most_slots(tested_placement) == slots
    assert answer_length(tested_placement, len(METHODS)) == length
    assert len(order(answer(plan(placement=tested_placement)))) == length


@pytest.mark.parametrize(("policy", "drawn"), [
    (Fixed(), 0),
    (Split(), 5),
    (Thompson(drawn=2), 2),
    (Thompson(drawn=10), 5),
    (Contextual(drawn=4), 4),
])  # fmt: skip
def test_policy_sets_the_number_of_drawn_slots(policy, drawn):
    assert drawn_count(placement(policy=policy), 5) == drawn


@pytest.mark.parametrize("kind", get_args(Policy))
def test_every_policy_ranks_all_candidates_once(kind):
    assert sorted(order(answer(plan(placement=placement(policy=kind()))))) == sorted(METHODS)


def test_a_fixed_order_is_the_merchants_own_and_certain():
    decision = answer(plan(placement=placement(policy=Fixed())))
    assert order(decision) == list(METHODS)
    assert [ranked.chance for ranked in decision.ranking] == [1.0] * 6
    assert [ranked.confidence for ranked in decision.ranking] == [1.0, 0, 0, 0, 0, 0]
    assert decision.propensity == 1.0


def test_ranks_count_from_one_and_labels_are_the_merchants():
    decision = answer(plan(placement=placement(policy=Fixed()), candidates=FEW))
    assert [(ranked.rank, ranked.label) for ranked in decision.ranking] == [
        (1, "Ideal"), (2, "Card"), (3, "Klarna"), (4, "Paypal"),
    ]  # fmt: skip


def test_without_eligible_candidates_the_answer_is_empty_and_certain():
    decision = answer(plan(rule({"exclude": list(METHODS)})))
    assert (decision.ranking, decision.propensity, decision.fallback) == ([], 1.0, False)
    assert [excluded.id for excluded in decision.excluded] == list(METHODS)


# The catalogue's limits


@pytest.mark.parametrize(("facts", "excluded"), [
    ({}, {}),
    ({"geo_country": "NL"}, {}),
    ({"geo_country": "DE"}, {"ideal": "not offered in DE"}),
    ({"cart_total": 5_000}, {}),
    ({"cart_total": 5_001}, {"klarna": "the amount is above its maximum"}),
    (
        {"geo_country": "DE", "cart_total": 9_000},
        {"ideal": "not offered in DE", "klarna": "the amount is above its maximum"},
    ),
])  # fmt: skip
def test_the_catalogue_excludes_with_a_reason(facts, excluded):
    decision = answer(plan(placement=placement(policy=Fixed()), candidates=FEW), **facts)
    assert {out.id: out.reason for out in decision.excluded} == excluded
    assert order(decision) == [method.id for method in FEW if method.id not in excluded]


def test_excluded_candidates_are_listed_in_the_merchants_order():
    tested_plan = plan(rule({"exclude": ["paypal"]}), candidates=FEW)
    decision = answer(tested_plan, geo_country="DE", cart_total=9_000)
    assert [out.id for out in decision.excluded] == ["ideal", "klarna", "paypal"]
    assert decision.excluded[-1].reason == "hidden by rule “The rule”"


def test_pin_keeps_its_slot_among_remaining_candidates():
    tested_plan = plan(
        rule({"pin": {"candidate": "paypal", "slot": 2}}), placement=placement(policy=Fixed()), candidates=FEW
    )
    decision = answer(tested_plan, geo_country="DE")
    assert order(decision) == ["card", "paypal", "klarna"]
    assert decision.ranking[1].reasons == ["placed 2. by rule “The rule”"]


def test_a_pin_beyond_the_answers_slots_is_ignored():
    tested_placement = placement(policy=Fixed(), shape=Subset(2))
    decision = answer(plan(rule({"pin": {"candidate": "ideal", "slot": 3}}), placement=tested_placement))
    assert order(decision) == ["card", "paypal"]
    assert (
        answer(plan(rule({"pin": {"candidate": "ideal", "slot": 2}}), placement=tested_placement)).ranking[1].id
        == "ideal"
    )


def test_a_rule_that_did_not_fire_limits_nothing():
    tested_plan = plan(rule({"exclude": ["card"]}, when=CART_OVER_100))
    assert "card" in order(answer(tested_plan, cart_total=10_000))
    decision = answer(tested_plan, cart_total=10_001)
    assert "card" not in order(decision)
    assert decision.rules == ["r1"]


def test_a_rule_without_its_fact_is_named_as_skipped():
    decision = answer(plan(rule({"exclude": ["card"]}, when=CART_OVER_100)))
    assert [(skipped.rule, skipped.field) for skipped in decision.skipped] == [("r1", "cart.total")]
    assert decision.rules == []


def test_values_that_rules_set_are_in_the_answer():
    tested_plan = plan(
        rule({"set": {"name": "show_cvv", "value": True}}), rule({"set": {"name": "show_cvv", "value": False}}, id="r2")
    )
    assert answer(tested_plan).values == {"show_cvv": True}


def test_limits_are_cached_for_equal_requests():
    tested_plan = plan(candidates=FEW)
    first = limits_for(tested_plan, {"geo.country": "DE"}, ())
    assert limits_for(tested_plan, {"geo.country": "DE", "cart.total": 1}, ()) is first
    assert limits_for(tested_plan, {"geo.country": "NL"}, ()) is not first
    assert limits_for(tested_plan, {"geo.country": "DE"}, ()) is first
    assert (first.eligible, limits_for(tested_plan, {}, ()).eligible) == ((1, 2, 3), (0, 1, 2, 3))


def test_cache_of_limits_is_bounded(monkeypatch):
    monkeypatch.setattr(kernel, "MOST_CACHED_LIMITS", 2)
    tested_plan = plan(candidates=FEW)
    for country in ("NL", "DE", "FR", "BE"):
        limits_for(tested_plan, {"geo.country": country}, ())
        assert len(tested_plan.limits) <= 2
    assert limits_for(tested_plan, {"geo.country": "DE"}, ()).eligible == (1, 2, 3)


# Weights, sharing and the key


def test_requests_share_draws_only_without_money_and_features():
    plain, margin = plan(), plan(placement=placement(reward="margin"))
    assert shares_draws(plain, beliefs(plain))
    assert not shares_draws(margin, beliefs(margin))


@pytest.mark.parametrize(("reward", "weights"), [("converted", []), ("revenue", []), ("margin", [[2_910, 2_990]])])
def test_only_margins_weigh_scores_without_a_boost(reward, weights):
    methods = (candidate("a", fee_percent=0.9), candidate("b", position=1, fee_fixed=10))
    tested_plan = plan(placement=placement(reward=reward, margin_percent=30.0), candidates=methods)
    values = {"cart.total": 10_000}
    assert value_weights(tested_plan, values, limits_for(tested_plan, values, ())).tolist() == weights


def test_boost_multiplies_scores_with_a_reason():
    tested_plan = plan(
        rule({"boost": {"candidates": ["card"], "factor": 2.5}}), candidates=candidates("card", "paypal")
    )
    assert value_weights(tested_plan, {}, limits_for(tested_plan, {}, (0,))).tolist() == [[2.5, 1.0]]
    reasons = {ranked.id: ranked.reasons for ranked in answer(tested_plan).ranking}
    assert reasons == {"card": ["weighted x2.5 by rule “The rule”"], "paypal": []}


@pytest.mark.parametrize(("policy", "customer", "key"), [
    (Split(), "c1", "payment_methods:c1"),
    (Split(), None, "payment_methods:dec_1"),
    (Thompson(), "c1", "dec_1"),
    (Fixed(), "c1", "dec_1"),
])  # fmt: skip
def test_only_a_split_is_drawn_by_customer(policy, customer, key):
    tested_plan = plan(placement=placement(policy=policy))
    assert randomness_key(tested_plan, Facts({}, {}, customer), "dec_1") == key


# Purchases


@pytest.mark.parametrize(("history", "sentences"), [
    ({}, {}),
    ({"card": Past(3.0, 0.0, 0)}, {}),
    ({"card": Past(1.0, 1.0, 1)}, {"card": ["chosen in 1 of this customer's last 1 purchases"]}),
    (
        {"card": Past(2.0, 2.0, 2), "klarna": Past(3.0, 3.0, 3), "ideal": Past(1.0, 0.0, 0)},
        {
            "card": ["chosen in 2 of this customer's last 5 purchases"],
            "klarna": ["chosen in 3 of this customer's last 5 purchases"],
        },
    ),
])  # fmt: skip
def test_reasons_count_the_customers_purchases(history, sentences):
    decision = answer(plan(), history=history)
    assert {ranked.id: ranked.reasons for ranked in decision.ranking if ranked.reasons} == sentences


def test_reason_of_a_rule_precedes_the_purchases():
    decision = answer(plan(rule({"boost": {"candidates": ["card"], "factor": 2}})), history={"card": Past(1.0, 1.0, 1)})
    [card] = [ranked for ranked in decision.ranking if ranked.id == "card"]
    assert card.reasons == ["weighted x2 by rule “The rule”", "chosen in 1 of this customer's last 1 purchases"]


# The fallback


def fallback(tested_plan, **values):
    facts = Facts({name.replace("_", ".", 1): value for name, value in values.items()})
    return fall_back(tested_plan, facts, "dec_9", expires_at=EXPIRES)


def test_fallback_is_the_merchants_order_and_marked():
    decision = fallback(plan(rule({"exclude": ["card"]})))
    assert order(decision) == list(METHODS)
    assert (decision.fallback, decision.propensity, decision.beliefs_version) == (True, 1.0, 0)
    assert (decision.decision_id, decision.expires_at, decision.plan_version) == ("dec_9", EXPIRES, 1)
    assert (decision.rules, decision.skipped, decision.values, decision.experiments) == ([], [], {}, [])


def test_fallback_has_confidence_only_for_the_first_candidate():
    ranking = fallback(plan(candidates=candidates("a", "b", "c"))).ranking
    assert [(ranked.rank, ranked.confidence, ranked.chance, ranked.score) for ranked in ranking] == [
        (1, 1.0, 1.0, 0.0), (2, 0.0, 1.0, 0.0), (3, 0.0, 1.0, 0.0),
    ]  # fmt: skip


def test_the_fallback_keeps_the_catalogues_limits():
    decision = fallback(plan(candidates=FEW), geo_country="DE", cart_total=6_000)
    assert order(decision) == ["card", "paypal"]
    assert [(out.id, out.reason) for out in decision.excluded] == [
        ("ideal", "not offered in DE"), ("klarna", "the amount is above its maximum"),
    ]  # fmt: skip


@pytest.mark.parametrize(("shape", "shown"), [(One(), ["card"]), (Subset(2), ["card", "klarna"])])
def test_the_fallback_keeps_the_shape(shape, shown):
    assert order(fallback(plan(placement=placement(shape=shape), candidates=FEW), geo_country="DE")) == shown


@pytest.mark.parametrize("changes", [{"goal": "minimise"}, {"reward": "margin"}])
def test_fixed_order_ignores_goal_and_reward(changes):
    methods = (candidate("dear", fee_percent=29.0), candidate("cheap", position=1))
    document = PlanDocument(
        placement=placement(policy=Fixed(), margin_percent=30.0, **changes), candidates=methods, keeps_order=True
    )
    assert order(answer(Plan(document, version=1))) == ["dear", "cheap"]
    before = msgspec.structs.replace(document, keeps_order=False)
    assert order(answer(Plan(before, version=1))) == ["cheap", "dear"], "stored decisions replay as they were"


def test_a_boost_moves_a_fixed_order_that_minimises():
    document = PlanDocument(
        placement=placement(policy=Fixed(), goal="minimise"),
        candidates=candidates("card", "paypal"),
        rules=(rule({"boost": {"candidates": ["paypal"], "factor": 3}}),),
        keeps_order=True,
    )
    assert order(answer(Plan(document, version=1), cart_total=20_000)) == ["paypal", "card"]
