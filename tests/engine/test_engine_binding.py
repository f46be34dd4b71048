"""Binding parts of a plan: two plans with the same binding draw a request from the same chances."""

from __future__ import annotations

import msgspec
import pytest

from engine.kernel.kernel import bounds_for
from engine.kernel.plan import Plan, PlanDocument
from engine.model.placement import Candidate, Fixed, Placement, Split, Thompson
from engine.model.standard_vocabulary import STANDARD
from engine.previews.estimation.binding import binding
from tests.factories import rule

METHODS = tuple(
    Candidate(id=id, label=id.title(), position=position) for position, id in enumerate(("card", "paypal", "klarna"))
)
FACTS = {"geo.country": "DE", "cart.total": 5_000, "cart.currency": "EUR"}


def document(*, candidates=METHODS, rules=(), **placement):
    usual = {"key": "payment_methods", "name": "Payment methods", "policy": Thompson()}
    settings = Placement(**usual | placement)
    return PlanDocument(placement=settings, candidates=candidates, rules=rules, fields=STANDARD, currency="EUR")


def bound(source, facts=FACTS):
    plan = Plan(source, version=1)
    fired = tuple(plan.rules[number] for number in plan.compiled.evaluate(facts).fired)
    return binding(plan, bounds_for(plan, facts, fired))


def changed(id, **changes):
    return tuple(msgspec.structs.replace(each, **changes) if each.id == id else each for each in METHODS)


@pytest.mark.parametrize(
    "candidates",
    [
        changed("card", label="Credit card", type="card"),
        changed("card", position=9),
        changed("card", fee_percent=3.0),
        changed("card", min_amount=5_000),
        changed("card", countries=("DE", "FR")),
        (*METHODS, Candidate(id="ideal", label="iDEAL", countries=("NL",))),
        (*METHODS, Candidate(id="off", label="Off", enabled=False)),
    ],
    ids=["label", "order", "fee", "limit that is met", "country", "not offered here", "off"],
)
def test_bookkeeping_binds_no_learned_answer(candidates):
    assert bound(document()) == bound(document(candidates=candidates))


@pytest.mark.parametrize(
    "candidates",
    [
        changed("card", min_amount=5_001),
        changed("card", countries=("NL",)),
        changed("card", enabled=False),
        (*METHODS, Candidate(id="ideal", label="iDEAL")),
    ],
    ids=["limit", "country", "off", "new"],
)
def test_eligibility_is_binding_in_every_answer(candidates):
    for policy in (Thompson(), Fixed(), Split()):
        assert bound(document(policy=policy)) != bound(document(policy=policy, candidates=candidates))


def test_the_order_binds_a_fixed_order():
    reordered = changed("card", position=9)
    assert bound(document(policy=Fixed())) != bound(document(policy=Fixed(), candidates=reordered))
    assert bound(document(policy=Split())) == bound(document(policy=Split(), candidates=reordered))


def test_fees_are_binding_if_the_margin_is_learned():
    dear = changed("card", fee_percent=3.0)
    assert bound(document(reward="margin")) != bound(document(reward="margin", candidates=dear))
    assert bound(document(reward="margin")) != bound(document(reward="margin", margin_percent=10.0))
    assert bound(document()) == bound(document(margin_percent=10.0))


@pytest.mark.parametrize(
    "effect",
    [
        {"exclude": ["klarna"]},
        {"pin": {"candidate": "klarna", "slot": 1}},
        {"boost": {"candidates": ["klarna"], "factor": 1.5}},
        {"set": {"name": "cvv", "value": True}},
    ],
    ids=["exclude", "pin", "boost", "set"],
)
def test_effects_are_binding_only_if_the_rule_fires(effect):
    in_germany = rule(effect, id="draft", when={"==": [{"var": "geo.country"}, "DE"]})
    assert bound(document()) != bound(document(rules=(in_germany,)))
    abroad = {**FACTS, "geo.country": "NL"}
    assert bound(document(), abroad) == bound(document(rules=(in_germany,)), abroad)


def test_effects_on_ineligible_candidates_are_not_binding():
    boost = rule({"boost": {"candidates": ["klarna"], "factor": 1.5}}, id="draft", when=True)
    pin = rule({"pin": {"candidate": "klarna", "slot": 1}}, id="draft", when=True)
    hide = rule({"exclude": ["klarna"]}, id="draft", when=True)
    dutch = changed("klarna", countries=("NL",))
    for item in (boost, pin, hide):
        assert bound(document(candidates=dutch)) == bound(document(candidates=dutch, rules=(item,)))


def test_settings_that_enter_chances_bind():
    for changes in (
        {"policy": Thompson(floor=0.05)},
        {"policy": Thompson(drawn=1)},
        {"policy": Fixed()},
        {"goal": "minimise"},
        {"reward": "selected"},
    ):
        assert bound(document()) != bound(document(**changes))
    for changes in ({"window_minutes": 5}, {"half_life_days": 7.0}, {"name": "Methods"}):
        assert bound(document()) == bound(document(**changes))


def test_shares_are_binding_for_eligible_candidates():
    weights = {"card": 1.0, "paypal": 2.0, "klarna": 3.0}
    even = document(policy=Split(weights))
    assert bound(even) != bound(document(policy=Split({**weights, "card": 2.0})))
    assert bound(even) == bound(document(policy=Split({**weights, "ideal": 5.0})))
