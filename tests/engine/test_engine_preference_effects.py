"""Preferred and refused candidates in the pure parts of a decision."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from engine.decisions.usage_counter import uses_of
from engine.intake.context import Intake
from engine.kernel.bounds import apply_effects, preferred_of
from engine.kernel.kernel import decide, fall_back, limits_for
from engine.learning.active import Active
from engine.model.decision import Decision, Skipped
from engine.model.documents.consent import (
    AssumedPurpose,
    ConsentPolicy,
    purposes_of,
    refused_purposes,
)
from engine.model.documents.preferences import (
    NO_PREFERENCES,
    PreferenceChange,
    PreferenceDefaults,
    Preferences,
    given_fields,
    inherited,
    merged,
    preferred_methods,
    refused_methods,
)
from engine.model.facts import PREFERRED, REFUSED, Facts
from engine.model.placement import FieldDocument, Fixed, One, Split, Subset, Thompson
from engine.model.timestamps import DAY
from engine.store.rollups import FieldCell, RuleCell
from tests import factories
from tests.factories import EXPIRES, METHODS

KLARNA_THEN_IDEAL = (("klarna", "default"), ("ideal", "favorite"))


def preferences(**methods: Any) -> dict[str, Any]:
    names = {"preferred": PREFERRED, "refused": REFUSED}
    return {names[name]: value for name, value in methods.items()}


def order(plan: Any, values: dict[str, Any], key: str = "k") -> list[str]:
    active = Active(plan)
    answer = decide(active.plan, active.flat, Facts(values), key, expires_at=EXPIRES)
    return [ranked.id for ranked in answer.ranking]


# Slots


def test_preferred_candidates_take_the_first_slots_in_order():
    index = {name: number for number, name in enumerate(METHODS)}
    made = apply_effects((), index, {}, slots=10, preferred=KLARNA_THEN_IDEAL)
    assert made.pins == {0: index["klarna"], 1: index["ideal"]}
    assert made.reasons == {index["klarna"]: ["default"], index["ideal"]: ["favorite"]}


@pytest.mark.parametrize("slots", [1, 2, 6])
def test_preferred_candidates_are_limited_by_slots(slots: int):
    index = {name: number for number, name in enumerate(METHODS)}
    made = apply_effects((), index, {}, slots=slots, preferred=KLARNA_THEN_IDEAL)
    assert len(made.pins) == min(slots, 2)


def test_excluded_or_unknown_preferences_are_skipped():
    index = {name: number for number, name in enumerate(METHODS)}
    methods = (("bitcoin", "default"), *KLARNA_THEN_IDEAL)
    made = apply_effects((), index, {index["klarna"]: "not offered"}, slots=6, preferred=methods)
    assert made.pins == {0: index["ideal"]}


def test_preferred_candidates_skip_pinned_slots():
    pinned = factories.rule({"pin": {"candidate": "card", "slot": 1}})
    plan = factories.plan(pinned)
    limits = limits_for(plan, preferences(preferred=dict(KLARNA_THEN_IDEAL)), (0,))
    assert {slot: plan.ids[number] for slot, number in limits.bounds.pins.items()} == {
        0: "card",
        1: "klarna",
        2: "ideal",
    }


def test_pinned_preference_keeps_the_slot_of_the_rule():
    plan = factories.plan(factories.rule({"pin": {"candidate": "klarna", "slot": 4}}))
    bounds = limits_for(plan, preferences(preferred=dict(KLARNA_THEN_IDEAL)), (0,)).bounds
    assert {slot: plan.ids[number] for slot, number in bounds.pins.items()} == {3: "klarna", 0: "ideal"}
    assert "default" in bounds.reasons[plan.index["klarna"]]


def test_limits_are_cached_by_preferences():
    plan = factories.plan()
    first = limits_for(plan, preferences(preferred={"paypal": "default"}), ())
    second = limits_for(plan, preferences(preferred={"klarna": "default"}), ())
    assert first.bounds.pins != second.bounds.pins
    assert limits_for(plan, {}, ()).bounds.pins == {}


@pytest.mark.parametrize("value", [None, "klarna", ["klarna"], 5, {}])
def test_fact_of_another_type_is_no_preference(value: Any):
    assert preferred_of({PREFERRED: value}) == ()
    assert order(factories.plan(placement=factories.placement(policy=Fixed())), {PREFERRED: value, REFUSED: value}) == [
        *METHODS
    ]


@pytest.mark.parametrize(("shape", "length"), [(One(), 1), (Subset(limit=2), 2)])
@pytest.mark.parametrize("policy", [Fixed(), Split(), Thompson()])
def test_every_policy_and_shape_follows_preferences(shape: Any, length: int, policy: Any):
    plan = factories.plan(placement=factories.placement(shape=shape, policy=policy))
    for number in range(10):
        answer = order(plan, preferences(preferred={"ideal": "default"}, refused={"card": "no"}), f"key {number}")
        assert (answer[0], len(answer)) == ("ideal", length)
        assert "card" not in answer


def test_all_methods_refused_leave_an_empty_answer():
    assert order(factories.plan(), preferences(refused=dict.fromkeys(METHODS, "no"))) == []


def test_fallback_excludes_refused_methods():
    plan = factories.plan()
    answer = fall_back(plan, Facts(preferences(refused={"card": "no"})), "k", expires_at=EXPIRES)
    assert "card" not in [ranked.id for ranked in answer.ranking]
    assert [(excluded.id, excluded.reason) for excluded in answer.excluded] == [("card", "no")]


# Preferences


def test_a_default_that_is_also_a_favorite_is_named_once():
    reasons = preferred_methods(Preferences(default_method="card", favorites=("paypal", "card")))
    assert list(reasons.items()) == [("card", "your default method"), ("paypal", "one of your favorites")]
    assert preferred_methods(NO_PREFERENCES) == refused_methods(NO_PREFERENCES) == {}


@pytest.mark.parametrize(("field", "value"), [
    ("default_method", "card"), ("favorites", ("card",)), ("excluded", ("card",)), ("language", "de"),
    ("currency", "EUR"), ("theme", "dark"), ("notifications", {"email": True}), ("personalization_enabled", False),
    ("cross_merchant_consent", True), ("categories", {"size": 5}),
])  # fmt: skip
def test_each_field_is_set_kept_and_removed(field: str, value: Any):
    change = PreferenceChange(**{field: value})
    assert given_fields(change) == {field: value}
    after = merged(NO_PREFERENCES, change)
    assert getattr(after, field) == value
    assert merged(after, PreferenceChange()) == after
    assert merged(after, PreferenceChange(**{field: None})) == NO_PREFERENCES


def test_false_and_zero_of_a_customer_are_no_gaps_to_fill():
    own = Preferences(notifications={"email": False}, categories={"count": 0})
    defaults = PreferenceDefaults(notifications={"email": True}, categories={"count": 3})
    assert inherited(own, defaults) == (own, [])


# Purposes


def test_facts_are_listed_by_purpose():
    fields = (
        FieldDocument(name="customer.age", type="integer", purpose="analytics"),
        FieldDocument(name="customer.plan", type="string"),
        FieldDocument(name="cart.note", type="string", purpose="study"),
    )
    intake = Intake(fields)
    assert intake.names_for({"analytics", "study"}) == ["customer.age", "cart.note"]
    assert intake.names_for(set()) == []


def test_necessary_purposes_cannot_be_refused():
    assert purposes_of(["checkout", "engine", "analytics", "b", "a"]) == [
        "personalization",
        "analytics",
        "cross_merchant",
        "a",
        "b",
    ]


@pytest.mark.parametrize(("consents", "allowed", "refused"), [
    ({}, True, False), ({}, False, True), ({"analytics": True}, False, False), ({"analytics": False}, True, True),
])  # fmt: skip
def test_stated_consent_has_priority_over_the_default(consents: dict[str, bool], allowed: bool, refused: bool):
    policy = ConsentPolicy(purposes={"analytics": AssumedPurpose(allowed=allowed)})
    assert ("analytics" in refused_purposes(consents, policy)) == refused


# Counts of uses


def test_usage_of_logged_decisions_has_a_sign():
    decision = Decision(
        "dec_1", "payment_methods", 1, 0, [], [], {}, ["r1"], [Skipped("r2", "cart.total")], [], 1.0, False, EXPIRES
    )
    rules, fields = uses_of([(7, decision, ["geo.country"], 3 * DAY), (7, decision, ["geo.country"], 3 * DAY)], sign=-1)
    assert rules == Counter(
        {
            RuleCell(7, "payment_methods", "r1", 3, ""): -2,
            RuleCell(7, "payment_methods", "r2", 3, "cart.total"): -2,
        }
    )
    assert fields == Counter({FieldCell(7, "", 3): -2, FieldCell(7, "geo.country", 3): -2})
