"""Check the catalogue's limits, the effects of rules on candidates, and what a success is worth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.kernel import eligibility as eligibility_module
from engine.kernel.bounds import apply_effects
from engine.kernel.eligibility import Eligibility, currencies_of, limit_in
from engine.kernel.value import LARGEST_AMOUNT, boost_weights, margin, margin_weights
from engine.model.placement import Candidate
from rules import parse_rules
from tests.factories import ALWAYS, candidate, candidates, placement, plan, rule

# Limits of the catalogue


def reasons(*several, own="EUR", **values):
    facts = {name.replace("_", ".", 1): value for name, value in values.items()}
    return Eligibility(several, own).exclusions(facts)


DUTCH = candidate("ideal", countries=("NL", "BE"), currencies=("EUR",), devices=("mobile",))


@pytest.mark.parametrize(("facts", "reason"), [
    ({}, None),
    ({"geo_country": "NL", "cart_currency": "EUR", "device_type": "mobile"}, None),
    ({"geo_country": "DE"}, "not offered in DE"),
    ({"cart_currency": "USD"}, "not offered in USD"),
    ({"device_type": "desktop"}, "not offered on desktop"),
    ({"geo_country": "DE", "cart_currency": "USD", "device_type": "desktop"}, "not offered in DE"),
    ({"geo_country": ""}, None),
    ({"geo_country": 7}, None),
    ({"geo_country": ["DE"]}, None),
    ({"geo_country": "D" * 100}, "not offered in " + "D" * 64),
])  # fmt: skip
def test_candidate_is_excluded_outside_its_countries(facts, reason):
    assert reasons(DUTCH, **facts) == ({0: reason} if reason else {})


@pytest.mark.parametrize(("minimum", "maximum", "total", "reason"), [
    (1_000, None, 999, "the amount is below its minimum"),
    (1_000, None, 1_000, None),
    (None, 1_000, 1_000, None),
    (None, 1_000, 1_001, "the amount is above its maximum"),
    (None, 0, 1, "the amount is above its maximum"),
    (None, 0, 0, None),
    (500, 1_000, 700, None),
    (1_000, None, -5, "the amount is below its minimum"),
    (1_000, None, 999.0, None),
    (1_000, None, "999", None),
    (1_000, None, True, None),
    (1_000, None, None, None),
])  # fmt: skip
def test_candidate_is_excluded_outside_its_amounts(minimum, maximum, total, reason):
    limited = candidate("klarna", min_amount=minimum, max_amount=maximum)
    assert reasons(limited, cart_total=total) == ({0: reason} if reason else {})


@pytest.mark.parametrize(("currency", "total", "reason"), [
    ("EUR", 999, "the amount is below its minimum"),
    ("EUR", 1_000, None),
    ("GBP", 899, "the amount is below its minimum"),
    ("GBP", 900, None),
    ("JPY", 1, None),
    (None, 999, "the amount is below its minimum"),
    ("nonsense", 999, "the amount is below its minimum"),
])  # fmt: skip
def test_amounts_by_currency_limit_carts_in_that_currency(currency, total, reason):
    limited = candidate("klarna", min_amount={"EUR": 1_000, "GBP": 900})
    assert reasons(limited, cart_total=total, cart_currency=currency) == ({0: reason} if reason else {})


@pytest.mark.parametrize(("own", "currency", "limited"), [
    ("EUR", "EUR", True), ("EUR", None, True), ("EUR", "USD", False), (None, "USD", True), (None, None, True),
])  # fmt: skip
def test_single_amount_is_in_the_merchants_currency(own, currency, limited):
    klarna = candidate("klarna", max_amount=1_000)
    assert bool(reasons(klarna, own=own, cart_total=2_000, cart_currency=currency)) == limited


def test_country_reason_precedes_the_amount_reason():
    limited = candidate("ideal", countries=("NL",), max_amount=1_000)
    assert reasons(limited, geo_country="DE", cart_total=2_000) == {0: "not offered in DE"}


def test_reasons_do_not_carry_over_to_the_next_request():
    both = Eligibility((candidate("klarna", max_amount=1_000), DUTCH), "EUR")
    assert both.exclusions({"cart.total": 2_000, "geo.country": "DE"}) == {
        0: "the amount is above its maximum", 1: "not offered in DE",
    }  # fmt: skip
    assert both.exclusions({"cart.total": 1_000, "geo.country": "DE"}) == {1: "not offered in DE"}


def test_very_many_countries_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(eligibility_module, "MOST_CACHED", 3)
    limited = Eligibility((DUTCH,), "EUR")
    for number in range(20):
        assert limited.exclusions({"geo.country": f"X{number}"}) == {0: f"not offered in X{number}"}
        assert len(limited._cache) <= 3


@pytest.mark.parametrize(("limit", "currency", "own", "amount"), [
    (None, "EUR", "EUR", None), (500, "EUR", "EUR", 500), (500, "USD", "EUR", None), (500, None, "EUR", 500),
    (500, "USD", None, 500), ({"EUR": 5}, "EUR", None, 5), ({"EUR": 5}, None, "EUR", 5),
    ({"EUR": 5}, "USD", "EUR", None),
    ({"EUR": 5}, None, None, None), (0, "EUR", "EUR", 0),
])  # fmt: skip
def test_a_limit_is_looked_up_by_currency(limit, currency, own, amount):
    assert limit_in(limit, currency, own) == amount


@pytest.mark.parametrize(("minimum", "maximum", "currencies"), [
    (None, None, [None]), (5, 10, [None]), ({"USD": 5, "EUR": 4}, 10, ["EUR", "USD"]), (None, {"JPY": 1}, ["JPY"]),
])  # fmt: skip
def test_limits_depend_on_the_currency(minimum, maximum, currencies):
    assert currencies_of(candidate("x", min_amount=minimum, max_amount=maximum)) == currencies


# Effects of rules

INDEX = {"card": 0, "paypal": 1, "klarna": 2, "ideal": 3}


def bounds(*rules, excluded=None, slots=10):
    """Apply rules in their order; each is a list of effects, or a single one."""
    documents = [
        {"id": f"r{number}", "name": f"R{number}", "when": ALWAYS, "priority": -number,
         "effects": effects if isinstance(effects, list) else [effects]}
        for number, effects in enumerate(rules, start=1)
    ]  # fmt: skip
    fired = parse_rules(documents, plan().vocabulary, {})
    return apply_effects(tuple(fired), INDEX, dict(excluded or {}), slots=slots)


def pin(name, slot):
    return {"pin": {"candidate": name, "slot": slot}}


def boost(factor, *names):
    return {"boost": {"candidates": list(names), "factor": factor}}


def test_a_hidden_candidate_keeps_its_first_reason():
    made = bounds({"exclude": ["card"]}, {"exclude": ["card", "paypal"]}, excluded={1: "not offered in DE"})
    assert made.excluded == {0: "hidden by rule “R1”", 1: "not offered in DE"}


def test_required_candidates_exclude_all_others():
    made = bounds({"require": ["card", "ideal"]}, {"require": ["card"]})
    assert made.excluded == {
        1: "not among those that rule “R1” allows",
        2: "not among those that rule “R1” allows",
        3: "not among those that rule “R2” allows",
    }


@pytest.mark.parametrize(("rules", "slots", "pins"), [
    ([pin("card", 2)], 10, {1: 0}),
    ([pin("card", 2), pin("paypal", 2)], 10, {1: 0}),
    ([pin("card", 2), pin("card", 1)], 10, {1: 0}),
    ([pin("card", 1), pin("paypal", 2)], 10, {0: 0, 1: 1}),
    ([pin("card", 3)], 3, {2: 0}),
    ([pin("card", 4)], 3, {}),
    ([pin("bitcoin", 1)], 10, {}),
    ([pin("card", 1), {"exclude": ["card"]}], 10, {}),
    ([pin("card", 1), {"exclude": ["card"]}, pin("paypal", 1)], 10, {0: 1}),
    ([[pin("card", 1), pin("klarna", 2)]], 10, {0: 0, 1: 2}),
])  # fmt: skip
def test_the_first_rule_that_claims_a_slot_keeps_it(rules, slots, pins):
    assert bounds(*rules, slots=slots).pins == pins


def test_boosts_of_several_rules_multiply():
    made = bounds(boost(2, "card", "bitcoin"), boost(0.5, "card", "paypal"))
    assert made.boosts == {0: 1.0, 1: 0.5}
    assert made.reasons == {0: ["weighted x2 by rule “R1”", "weighted x0.5 by rule “R2”"],
                            1: ["weighted x0.5 by rule “R2”"]}  # fmt: skip


def test_the_first_value_of_a_name_is_set():
    made = bounds({"set": {"name": "cvv", "value": True}}, [{"set": {"name": "cvv", "value": False}},
                                                             {"set": {"name": "text", "value": "Hi"}}])  # fmt: skip
    assert made.values == {"cvv": True, "text": "Hi"}


def test_only_rules_that_move_the_order_are_named():
    made = bounds({"exclude": ["card"]}, pin("paypal", 1), boost(2, "klarna"), {"set": {"name": "x", "value": 1}})
    assert made.order_rules == ["r2", "r3"]


# What a success is worth


@pytest.mark.parametrize(("fees", "total", "typical", "kept"), [
    ({}, 10_000, None, 3_000.0),
    ({"fee_percent": 2.5}, 10_000, None, 2_750.0),
    ({"fee_fixed": 35}, 10_000, None, 2_965.0),
    ({"fee_percent": 50.0}, 10_000, None, -2_000.0),
    ({}, None, None, 1_500.0),
    ({}, None, 8_000.0, 2_400.0),
    ({}, -1, 8_000.0, 2_400.0),
    ({}, LARGEST_AMOUNT + 1, 8_000.0, 2_400.0),
    ({}, 0, 8_000.0, 0.0),
    ({"fee_fixed": 35}, 0, 8_000.0, -35.0),
    ({}, 10_000.0, 8_000.0, 2_400.0),
])  # fmt: skip
def test_the_margin_is_the_cart_less_cost_and_fee(fees, total, typical, kept):
    tested_plan = plan(
        placement=placement(margin_percent=30.0, typical_amount=5_000), candidates=(candidate("card", **fees),)
    )
    assert margin(tested_plan.placement, tested_plan.candidates[0], {"cart.total": total}, typical) == pytest.approx(
        kept
    )


@pytest.mark.parametrize(("goal", "factor", "weights"), [
    ("maximise", 2, [[2.0, 1.0]]), ("minimise", 2, [[-0.5, -1.0]]), ("maximise", 0.5, [[0.5, 1.0]]),
])  # fmt: skip
def test_a_boost_helps_whether_more_or_less_is_better(goal, factor, weights):
    tested_plan = plan(placement=placement(goal=goal), candidates=candidates("card", "paypal"))
    made = apply_effects(
        tuple(parse_rules([_document(boost(factor, "card"))], tested_plan.vocabulary, {})),
        tested_plan.index,
        {},
        slots=2,
    )
    assert boost_weights(tested_plan, made, (0, 1)).tolist() == weights


def test_without_boosts_all_weigh_the_same_unless_less_is_better():
    for goal, weights in (("maximise", []), ("minimise", [[-1.0, -1.0]])):
        tested_plan = plan(placement=placement(goal=goal), candidates=candidates("card", "paypal"))
        assert boost_weights(tested_plan, apply_effects((), tested_plan.index, {}, slots=2), (0, 1)).tolist() == weights


def test_a_boost_of_a_loss_makes_it_smaller():
    methods = (candidate("loses", fee_percent=50.0), candidate("earns", position=1))
    tested_plan = plan(placement=placement(reward="margin", margin_percent=30.0), candidates=methods)
    rules = tuple(parse_rules([_document(boost(4, "loses", "earns"))], tested_plan.vocabulary, {}))
    made = apply_effects(rules, tested_plan.index, {}, slots=2)
    assert margin_weights(tested_plan, {"cart.total": 1_000}, made, (0, 1), None).tolist() == [[-50.0, 1_200.0]]


def _document(effect):
    document = rule(effect)
    return {"id": document.id, "name": document.name, "when": document.when, "effects": list(document.effects)}


# Many totals


limited_amounts = (
    st.none() | st.integers(0, 50) | st.dictionaries(st.sampled_from(["EUR", "USD"]), st.integers(0, 50), min_size=1)
)


@given(
    st.lists(st.tuples(limited_amounts, limited_amounts), max_size=6),
    st.lists(st.tuples(st.integers(-5, 60), st.sampled_from([None, "EUR", "USD", "GBP"])), max_size=20),
)
def test_cached_limits_exclude_the_same_candidates(limits, carts):
    all_candidates = tuple(
        Candidate(id=f"c{number}", label="-", min_amount=least, max_amount=most)
        for number, (least, most) in enumerate(limits)
    )
    eligibility = Eligibility(all_candidates, "EUR")
    for total, currency in carts:
        values = {"cart.total": total, "cart.currency": currency} if currency else {"cart.total": total}
        excluded = set()
        for number, (least, most) in enumerate(limits):
            low, high = limit_in(least, currency, "EUR"), limit_in(most, currency, "EUR")
            is_limited = low or high is not None
            if is_limited and (total < (low or 0) or (high is not None and total > high)):
                excluded.add(number)
        assert set(eligibility.exclusions(values)) == excluded
