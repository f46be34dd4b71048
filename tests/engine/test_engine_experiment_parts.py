"""The pure parts of experiments: overlays, layers, comparisons of sums, and reasons to stop."""

from __future__ import annotations

import msgspec
import pytest

from engine.experiments.checks import changed_fields, free_offset
from engine.experiments.comparisons import VariantTotals, compare, estimates_of, guardrails, mismatch_p_value, size_of
from engine.experiments.results import results_of
from engine.experiments.supervisor import reason_to_stop
from engine.kernel.experiments.evaluated import IN_FORCE
from engine.kernel.experiments.overlay import held_back, overlaid
from engine.kernel.experiments.plans import ExperimentPlans
from engine.kernel.experiments.units import unit_of
from engine.kernel.plan import Plan, PlanDocument
from engine.model.errors import Invalid
from engine.model.experiment import Experiment, ExperimentStatus, Guardrail, Variant
from engine.model.facts import Facts
from engine.model.placement import Fixed, Thompson
from engine.model.timestamps import DAY
from engine.store.experiments.sums import SumRow, UnitTotals
from tests.factories import ALWAYS, candidates, placement, rule

CONTROL = Variant(id="control", name="As it is")
PAYPAL = Variant(id="paypal", name="PayPal first", order=("paypal",))


def experiment(id: str = "e", *variants: Variant, **changes: object) -> Experiment:
    status = ExperimentStatus(state="running", started_at=0, phase_started_at=0)
    setup: dict[str, object] = {"id": id, "name": id, "variants": variants or (CONTROL, PAYPAL), "status": status}
    return Experiment(**(setup | changes))  # type: ignore[arg-type]


def document(*experiments: Experiment, **changes: object) -> PlanDocument:
    return PlanDocument(
        placement=placement(policy=Thompson()),
        candidates=candidates("card", "paypal", "klarna"),
        rules=(
            rule({"exclude": ["klarna"]}, id="no-klarna"),
            rule({"boost": {"candidates": ["card"], "factor": 2}}, id="card-up"),
        ),
        experiments=experiments,
        **changes,  # type: ignore[arg-type]
    )


def sums(**conversions: tuple[int, int]) -> list[SumRow]:
    """Rows of everybody by variant, as (units, converted)."""
    return [
        SumRow("", 0, variant, UnitTotals(units=units, converted=bought, orders=bought, orders_squared=bought))
        for variant, (units, bought) in conversions.items()
    ]


# Overlays


def test_variant_changes_only_named_fields():
    changed = overlaid(document(), [(experiment(), Variant(id="v", name="V", rules_off=("no-klarna",)))])
    assert [each.id for each in changed.rules] == ["card-up"]
    assert (changed.candidates, changed.placement) == (document().candidates, document().placement)


def test_a_variant_orders_hides_and_sets():
    variant = Variant(id="v", name="V", order=("klarna",), candidates_off=("card",), policy=Fixed(), values={"x": 1})
    plan = Plan(overlaid(document(), [(experiment(), variant)]), version=1)
    assert plan.ids == ("klarna", "paypal")
    assert plan.placement.policy == Fixed()
    assert plan.rules[-1].name == "Experiment e, V"


def test_rule_of_a_variant_replaces_the_rule_with_its_id():
    other = rule({"exclude": ["paypal"]}, id="no-klarna", when=ALWAYS)
    changed = overlaid(document(), [(experiment(), Variant(id="v", name="V", rules=(other,)))])
    assert {each.id: each.effects for each in changed.rules}["no-klarna"] == ({"exclude": ["paypal"]},)


def test_held_back_customers_keep_rules_that_hide():
    plain = held_back(document())
    assert [each.id for each in plain.rules] == ["no-klarna"]
    assert plain.placement.policy == Fixed()


def test_variants_add_within_a_layer_and_multiply_across_layers():
    same = [
        experiment(str(number), CONTROL, PAYPAL, Variant(id="c", name="C", candidates_off=("card",)))
        for number in range(3)
    ]
    assert len(ExperimentPlans(Plan(document(*same), version=1)).plans) == 1 + 3 * 2
    apart = [msgspec.structs.replace(each, layer=each.id) for each in same]
    assert len(ExperimentPlans(Plan(document(*apart), version=1)).plans) == 3**3
    many = [experiment(str(number), layer=str(number)) for number in range(7)]
    with pytest.raises(Invalid, match="too many experiments run in layers of their own"):
        ExperimentPlans(Plan(document(*many), version=1))


def test_a_stopped_experiment_gives_the_control_to_all():
    stopped = ExperimentStatus(state="stopped", started_at=0)
    control = Variant(id="control", name="Fixed", policy=Fixed())
    plans = ExperimentPlans(Plan(document(experiment("e", control, PAYPAL, status=stopped)), version=1))
    picks = [plans.pick(Facts({}, {}, str(number)), "dec") for number in range(30)]
    assert {pick.key.variants for pick in picks} == {(("e", "control"),)}
    assert all(pick.assignments == () for pick in picks)


def test_requests_outside_the_share_get_the_active_plan():
    plans = ExperimentPlans(Plan(document(experiment(share=0.2)), version=1))
    picks = [plans.pick(Facts({}, {}, str(number)), "dec") for number in range(500)]
    assert 60 < sum(bool(pick.assignments) for pick in picks) < 140
    assert all(pick.key.variants == IN_FORCE for pick in picks if not pick.assignments)


@pytest.mark.parametrize(
    ("unit", "facts", "expected"),
    [
        ("customer", Facts({}, {}, "hash"), "hash"),
        ("customer", Facts({}), None),
        ("decision", Facts({}), "dec_1"),
        ("device", Facts({}), None),
        ("device", Facts({"device.id": 7}), None),
    ],
)
def test_unit_comes_from_the_request(unit, facts, expected):
    assert unit_of(unit, facts, "dec_1") == expected


def test_a_device_is_kept_as_a_hash():
    assert len(unit_of("device", Facts({"device.id": "phone of anna"}), "dec_1") or "") == 32


# Layers


def test_a_part_of_the_layer_is_free_again_after_an_end():
    def experiment_at(id: str, offset: float, state: str = "running") -> Experiment:
        return experiment(id, share=0.4, status=ExperimentStatus(state=state, offset=offset))  # type: ignore[arg-type]

    new = experiment("new", share=0.4)
    assert free_offset(new, [experiment_at("a", 0.0)]) == 0.4
    assert free_offset(new, [experiment_at("a", 0.0), experiment_at("b", 0.4)]) is None
    assert free_offset(new, [experiment_at("a", 0.0, "concluded"), experiment_at("b", 0.4)]) == 0.0
    assert (
        free_offset(msgspec.structs.replace(new, layer="other"), [experiment_at("a", 0.0), experiment_at("b", 0.4)])
        == 0.0
    )


def test_changed_fields_leave_the_status_out():
    before = experiment()
    after = msgspec.structs.replace(before, share=0.5, status=ExperimentStatus())
    assert changed_fields(before, after) == {"share"}


# Comparisons


def test_a_covariate_narrows_the_interval():
    plain = UnitTotals(units=4_000, converted=2_000, orders=2_000, orders_squared=2_000)
    with_history = plain._replace(past=2_000, past_squared=2_000, past_converted=1_800, past_orders=1_800)
    widths = []
    for each in (plain, with_history):
        [comparison] = compare(experiment(), VariantTotals(("control", "paypal"), (each, each)), planned_units=8_000)
        assert comparison.low is not None
        assert comparison.high is not None
        widths.append(comparison.high - comparison.low)
    assert widths[1] < 0.75 * widths[0]


def test_order_values_are_compared_per_order():
    few = UnitTotals(1_000, 200, 200, 200, 200_000, 2.2e8, 200_000.0)
    more = few._replace(revenue=300_000, revenue_squared=4.9e8, orders_revenue=300_000.0)
    totals = VariantTotals(("control", "paypal"), (few, more))
    [comparison] = compare(experiment(primary="order_value"), totals, planned_units=2_000)
    assert (comparison.control_value, comparison.value) == (1_000.0, 1_500.0)
    assert comparison.lift == pytest.approx(0.5)


def test_guardrail_breaks_only_beyond_its_tolerance():
    guarded = experiment(guardrails=(Guardrail(metric="conversion", tolerated_percent=20),))
    for bought, broken in ((500, True), (900, False)):
        rows = sums(control=(5_000, 1_000), paypal=(5_000, bought))
        [state] = guardrails(guarded, VariantTotals.of(guarded, rows), planned_units=10_000)
        assert state.is_broken == broken


def test_a_loss_inside_a_segment_denies_the_split():
    def rows(mobile: int) -> list[SumRow]:
        return [
            SumRow(segment, 0, variant, UnitTotals(units=units))
            for segment, variant, units in (
                ("device.type=desktop", "control", 40_000),
                ("device.type=desktop", "paypal", 40_000),
                ("device.type=mobile", "control", 10_000),
                ("device.type=mobile", "paypal", mobile),
            )
        ]

    assert mismatch_p_value(experiment(), rows(9_960)) > 0.05
    assert mismatch_p_value(experiment(), rows(9_000)) < 1e-4


def test_the_size_grows_with_variants_and_smaller_effects():
    totals = VariantTotals.of(experiment(), sums(control=(1_000, 300), paypal=(1_000, 300)))
    metric = estimates_of("conversion", totals.by_variant)[0]
    large, small = (size_of(experiment(minimum_effect_percent=effect), metric) for effect in (10, 5))
    assert large is not None
    assert small is not None
    assert 3.5 < small.fixed / large.fixed < 4.5
    assert large.fixed < large.sequential < 2 * large.fixed
    assert size_of(experiment(minimum_effect_percent=300), metric) is None


# Reasons to stop


def test_the_longest_time_ends_an_experiment():
    document = experiment(maximum_days=14)
    for days, reason in ((13, ""), (14, "it ran for 14 days, the planned maximum")):
        now = days * DAY
        results = results_of(document, "p", sums(control=(10, 1), paypal=(10, 1)), window_minutes=60, now=now)
        assert reason_to_stop(document, results, now) == reason


def test_sample_ratio_mismatch_has_priority():
    document = experiment()
    rows = [
        SumRow("customer=new", 0, name, UnitTotals(units=units))
        for name, units in (("control", 9_000), ("paypal", 5_000))
    ]
    results = results_of(document, "p", rows, window_minutes=60, now=DAY)
    assert results.verdict.kind == "mismatch"
    assert "shares of the split" in reason_to_stop(document, results, DAY)


@pytest.mark.parametrize(
    ("paypal", "kind"), [((20_000, 2_600), "better"), ((20_000, 1_500), "worse"), ((20_000, 2_010), "keep_going")]
)
def test_the_verdict_follows_from_the_interval(paypal: tuple[int, int], kind: str):
    results = results_of(experiment(), "p", sums(control=(20_000, 2_000), paypal=paypal), window_minutes=60, now=DAY)
    assert results.verdict.kind == kind
    assert results.history[-1].day == 0


def test_no_difference_is_concluded_within_the_effect_of_interest():
    rows = sums(control=(400_000, 200_000), paypal=(400_000, 200_100))
    results = results_of(experiment(minimum_effect_percent=5), "p", rows, window_minutes=60, now=DAY)
    assert results.verdict.kind == "no_difference"


def test_fixed_horizon_has_no_verdict_before_its_end():
    document = experiment(method="fixed", minimum_effect_percent=1)
    results = results_of(document, "p", sums(control=(2_000, 200), paypal=(2_000, 300)), window_minutes=60, now=DAY)
    assert results.verdict.kind == "keep_going"
    assert results.planned_units is not None
    assert results.planned_units > 4_000


def test_the_days_left_count_the_minimum_time():
    rows = sums(control=(2_000, 200), paypal=(2_000, 205))
    results = results_of(experiment(minimum_days=7), "p", rows, window_minutes=60, now=2 * DAY)
    assert results.days_left is not None
    assert results.days_left >= 5
