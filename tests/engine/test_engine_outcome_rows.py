"""Check what identifies an outcome, what a repetition must say again, and the largest amounts by currency."""

from __future__ import annotations

import msgspec
import pytest

from engine.kernel.scenario_check import nested, unknown_facts
from engine.model.outcome import LARGEST_AMOUNT, MOST_OUTCOMES, SMALL_UNITS, SOURCES, largest_amount
from engine.model.placement import Split
from engine.statistics.evidence import examination_weight, pending_step
from rules.language.codes import CURRENCIES
from tests.engine.memory_log import outcome
from tests.factories import METHODS, answer, candidates, order, placement, plan, rule

ROW = outcome(amount=500, currency="EUR")


@pytest.mark.parametrize(("changes", "same"), [
    ({"event_id": "other"}, False), ({"merchant_id": 2}, False), ({"space": "dec_1"}, False), ({"amount": 700}, True),
    ({"type": "shown"}, True), ({"occurred_at": 1}, True), ({"source": "browser"}, True),
])  # fmt: skip
def test_an_event_is_identified_by_merchant_space_and_id(changes, same):
    assert (msgspec.structs.replace(ROW, **changes).key == ROW.key) == same


@pytest.mark.parametrize(("changes", "same"), [
    ({"amount": 700}, False), ({"currency": "USD"}, False), ({"candidate": "paypal"}, False),
    ({"type": "shown"}, False), ({"decision_id": "dec_2"}, False), ({"customer": "x"}, False),
    ({"occurred_at": 1}, True), ({"recorded_at": 1}, True),
    ({"key_id": "k"}, True), ({"learns": False}, True),
])  # fmt: skip
def test_repeated_report_may_differ_only_in_time(changes, same):
    assert (msgspec.structs.replace(ROW, **changes).content == ROW.content) == same


@pytest.mark.parametrize(("currency", "largest"), [
    ("EUR", 10**9), ("JPY", 10**9), (None, 10**9), ("IDR", 10**11), ("VND", 10**11), ("KRW", 10**11),
])  # fmt: skip
def test_currencies_of_small_units_have_larger_amounts(currency, largest):
    assert largest_amount(currency) == largest


def test_limits_of_outcomes_are_as_documented():
    assert (LARGEST_AMOUNT, MOST_OUTCOMES, SOURCES) == (10**9, 50, ("server", "browser"))
    assert SMALL_UNITS <= CURRENCIES


# Contexts of scenarios


@pytest.mark.parametrize(("values", "context"), [
    ({}, {}),
    ({"cart.total": 1}, {"cart": {"total": 1}}),
    ({"cart.total": 1, "cart.currency": "EUR"}, {"cart": {"total": 1, "currency": "EUR"}}),
    ({"a.b.c": 1, "a.b.d": 2, "a.e": 3}, {"a": {"b": {"c": 1, "d": 2}, "e": 3}}),
])  # fmt: skip
def test_facts_are_nested_as_in_a_request(values, context):
    assert nested(values) == context
    assert list(unknown_facts(context, frozenset(values))) == []


@pytest.mark.parametrize(("context", "unknown"), [
    ({"cart": {"totl": 1}}, ["cart.totl"]), ({"x": 1, "y": {"z": 2}}, ["x", "y.z"]), ({"cart": {}}, []),
    ({"cart": {"total": {"amount": 1}}}, []),
])  # fmt: skip
def test_facts_that_are_not_declared_are_named(context, unknown):
    assert list(unknown_facts(context, frozenset({"cart.total"}))) == unknown


# Steps and slots of evidence


@pytest.mark.parametrize(("window", "step"), [(1, 1), (60, 1), (119, 1), (120, 2), (1_440, 24), (43_200, 720)])
def test_a_window_has_at_most_about_sixty_steps(window, step):
    assert pending_step(window) == step
    assert window / step < 120


@pytest.mark.parametrize(("examination", "slot", "weight"), [
    ((), 5, 1.0), ((1.0, 0.5), 0, 1.0), ((1.0, 0.5), 1, 1.0), ((1.0, 0.5), 2, 0.5), ((1.0, 0.5), 9, 0.5),
])  # fmt: skip
def test_slot_beyond_the_last_weight_uses_the_last_weight(examination, slot, weight):
    assert examination_weight(examination, slot) == weight


# Splits


def test_changed_weight_moves_the_fewest_customers():
    def firsts(weights):
        tested_plan = plan(placement=placement(policy=Split(weights)), candidates=candidates("a", "b"))
        return [order(answer(tested_plan, customer=f"c{number}"))[0] for number in range(600)]

    before, after = firsts({"a": 1.0, "b": 1.0}), firsts({"a": 2.0, "b": 1.0})
    moved = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert set(moved) == {("b", "a")}
    assert 0.1 < len(moved) / 600 < 0.24


def test_hidden_candidate_moves_only_its_customers():
    split = placement(policy=Split())
    whole, less = plan(placement=split), plan(rule({"exclude": ["klarna"]}), placement=split)
    for number in range(200):
        before, after = (order(answer(tested_plan, customer=f"c{number}"))[0] for tested_plan in (whole, less))
        assert after == before or before == "klarna"
    assert set(METHODS) > {order(answer(less, customer=f"c{number}"))[0] for number in range(200)}
