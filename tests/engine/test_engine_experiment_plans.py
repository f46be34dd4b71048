"""Assignment of units, changes of variants, and the deciding plan, without a database."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.kernel.experiments.assignment import choose, is_within, uniform
from engine.kernel.experiments.overlay import held_back, overlaid
from engine.kernel.experiments.plans import HELD_BACK, ExperimentPlans, variant_of, with_assignments
from engine.kernel.plan import Plan, PlanDocument
from engine.model.experiment import Assignment, Experiment, ExperimentStatus, Variant
from engine.model.facts import Facts
from engine.model.placement import Fixed, Holdback, Split, Thompson
from engine.model.standard_vocabulary import STANDARD
from tests.factories import answer, candidates, placement, plan, rule

CONTROL = Variant(id="control", name="As it is")
PAYPAL = Variant(id="paypal", name="PayPal first", order=("paypal",))
OFF = Variant(id="off", name="No Klarna", candidates_off=("klarna",))


def experiment(*variants: Variant, **changes: object) -> Experiment:
    status = ExperimentStatus(state="running", started_at=0, phase_started_at=0)
    setup: dict[str, object] = {"id": "e", "name": "E", "variants": variants or (CONTROL, PAYPAL), "status": status}
    return Experiment(**(setup | changes))  # type: ignore[arg-type]


# Assignment


@given(st.text(max_size=20), st.text(max_size=20))
def test_uniform_number_is_in_range_and_stable(salt, unit):
    assert 0 < uniform(salt, unit) < 1
    assert uniform(salt, unit) == uniform(salt, unit)


@given(st.lists(st.floats(0.1, 100), min_size=2, max_size=6), st.text(max_size=10))
def test_a_variant_that_gains_weight_keeps_its_units(weights, unit):
    ids = [f"v{number}" for number in range(len(weights))]
    before = choose("e", unit, ids, weights)
    heavier = [weight * 3 if number == before else weight for number, weight in enumerate(weights)]
    assert choose("e", unit, ids, heavier) == before


@pytest.mark.parametrize(("weights", "expected"), [((1, 1), 0.5), ((1, 3), 0.75), ((9, 1), 0.1), ((2, 1), 1 / 3)])
def test_units_are_split_by_the_weights(weights, expected):
    picks = [choose("salt", str(number), ("a", "b"), weights) for number in range(4_000)]
    assert sum(picks) / 4_000 == pytest.approx(expected, abs=0.03)


def test_parts_of_a_layer_cover_each_unit_once():
    for unit in map(str, range(300)):
        assert sum(is_within("main", unit, number / 5, 1 / 5) for number in range(5)) == 1


def test_two_experiments_split_independently():
    first, second = (experiment(id=id) for id in ("a", "b"))
    both = sum(variant_of(first, unit) == variant_of(second, unit) == PAYPAL for unit in map(str, range(2_000)))
    assert both / 2_000 == pytest.approx(0.25, abs=0.04)


# Overlays


def document(*experiments: Experiment, **changes: object) -> PlanDocument:
    rules = (
        rule({"exclude": ["klarna"]}, {"boost": {"candidates": ["card"], "factor": 2}}, id="mixed"),
        rule({"pin": {"candidate": "card", "slot": 1}}, id="pin"),
        rule({"set": {"name": "x", "value": 1}}, id="set"),
    )
    setup = placement(policy=Thompson(), **changes)
    return PlanDocument(placement=setup, candidates=candidates("card", "paypal", "klarna"), rules=rules,
                        fields=STANDARD, experiments=experiments)  # fmt: skip


def test_holdback_ignores_boosts_and_pins():
    effects = {each.id: each.effects for each in held_back(document()).rules}
    assert effects == {"mixed": ({"exclude": ["klarna"]},), "set": ({"set": {"name": "x", "value": 1}},)}


@pytest.mark.parametrize(
    ("order", "ids"),
    [
        ((), ("card", "paypal", "klarna")),
        (("klarna",), ("klarna", "card", "paypal")),
        (("klarna", "paypal"), ("klarna", "paypal", "card")),
        (("paypal", "klarna", "card"), ("paypal", "klarna", "card")),
    ],
)
def test_candidates_without_a_named_position_keep_their_order(order, ids):
    changed = overlaid(document(), [(experiment(), Variant(id="v", name="V", order=order))])
    assert Plan(changed, version=1).ids == ids


def test_the_last_of_several_policies_counts():
    chosen = [
        (experiment(id=str(n)), Variant(id="v", name="V", policy=each)) for n, each in enumerate((Fixed(), Split()))
    ]
    assert overlaid(document(), chosen).placement.policy == Split()


def test_rule_disabled_in_a_variant_is_not_added():
    off = rule({"exclude": ["card"]}, id="new", enabled=False)
    changed = overlaid(document(), [(experiment(), Variant(id="v", name="V", rules=(off,)))])
    assert "new" not in {each.id for each in changed.rules}


@pytest.mark.parametrize("length", [1, 64, 120])
def test_long_names_of_variants_still_make_a_rule(length):
    long = experiment(id="e" * min(64, length), name="E" * length)
    variant = Variant(id="v" * min(64, length), name="V" * length, values={"x": 1, "a": "b"})
    added = overlaid(document(), [(long, variant)]).rules[-1]
    assert len(added.id) <= 64
    assert len(added.name) <= 120
    assert [effect["set"]["name"] for effect in added.effects] == ["a", "x"]


def test_a_rule_beats_the_value_that_a_variant_sets():
    variant = Variant(id="v", name="V", values={"x": 2, "y": 3})
    values = answer(Plan(overlaid(document(), [(experiment(), variant)]), version=1)).values
    assert values == {"x": 1, "y": 3}


# Picking a plan


def pick(tested_plan: PlanDocument, customer: str | None, **facts: object):
    values = {name.replace("_", ".", 1): value for name, value in facts.items()}
    return ExperimentPlans(Plan(tested_plan, version=1)).pick(Facts(values, {}, customer), "dec_1")


def test_customer_outside_the_audience_gets_the_active_plan():
    tested_plan = document(experiment(CONTROL, OFF, audience={">": [{"var": "cart.total"}, 10_000]}))
    assert pick(tested_plan, "anna", cart_total=9_000).assignments == ()
    assert pick(tested_plan, "anna").assignments == ()
    assert [each.experiment for each in pick(tested_plan, "anna", cart_total=11_000).assignments] == ["e"]


def test_audiences_are_distinguished():
    tested_plan = document(
        experiment(CONTROL, OFF, id="a", layer="a", audience={"==": [{"var": "geo.country"}, "DE"]}),
        experiment(CONTROL, OFF, id="b", layer="b"),
        experiment(CONTROL, OFF, id="c", layer="c", audience={"==": [{"var": "geo.country"}, "AT"]}),
    )
    for country, ids in (("DE", ["a", "b"]), ("AT", ["b", "c"]), ("FR", ["b"])):
        assert [each.experiment for each in pick(tested_plan, "anna", geo_country=country).assignments] == ids


def test_variant_that_hides_a_hidden_candidate_makes_no_difference():
    [hidden] = pick(document(experiment(CONTROL, OFF)), "anna").assignments
    assert not hidden.differs
    [ordered] = pick(document(experiment(CONTROL, Variant(id="b", name="B", values={"y": 1}))), "anna").assignments
    assert ordered.differs


def test_a_holdback_comes_before_all_experiments():
    tested_plan = document(experiment(), holdback=Holdback(share=0.3))
    plans = ExperimentPlans(Plan(tested_plan, version=1))
    picks = {str(n): plans.pick(Facts({}, {}, str(n)), "dec") for n in range(400)}
    held = {name for name, each in picks.items() if each.key.variants == HELD_BACK}
    assert 80 < len(held) < 160
    for name, each in picks.items():
        names = [assignment.experiment for assignment in each.assignments]
        assert names == (["holdback"] if name in held else ["holdback", "e"])


def test_guests_are_never_held_back():
    tested_plan = document(holdback=Holdback(share=0.9))
    plans = ExperimentPlans(Plan(tested_plan, version=1))
    assert plans.pick(Facts({}, {}, None), "dec").assignments == ()
    assert not plans.is_empty
    assert ExperimentPlans(Plan(document(), version=1)).is_empty


def test_an_answer_names_its_variant_and_whether_it_counts():
    decision = answer(plan())
    assert with_assignments(decision, ()) is decision
    named = with_assignments(decision, [Assignment("e", "b", 2, "hash", False)]).experiments
    assert named == [{"id": "e", "variant": "b", "phase": "2", "counted": "no"}]
