"""Looks at an experiment: sums, comparisons, sizes, verdicts, reasons to stop, without a database."""

from __future__ import annotations

import itertools
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandits.experiments.moments import MetricEstimate
from engine.experiments.comparisons import (
    VariantTotals,
    compare,
    estimate_of_past,
    estimates_of,
    guardrails,
    has_mismatch,
    mismatch_p_value,
    size_of,
)
from engine.experiments.results import MOST_SEGMENTS, results_of
from engine.experiments.supervisor import reason_to_stop
from engine.model.experiment import Experiment, ExperimentStatus, Guardrail, Variant
from engine.model.timestamps import DAY
from engine.store.experiments.sums import SumRow, UnitTotals
from tests.factories import ALWAYS

PLACEMENT = "payment_methods"
CONTROL = Variant(id="control", name="As it is")
PAYPAL = Variant(id="paypal", name="PayPal first", order=("paypal",))
OFF = Variant(id="off", name="No Klarna", candidates_off=("klarna",))
STATES = ("draft", "in_review", "approved", "running", "paused", "stopped", "concluded", "archived")
NOW = 30 * DAY


def experiment(*variants: Variant, **changes: object) -> Experiment:
    status = ExperimentStatus(state="running", started_at=0, phase_started_at=0)
    setup: dict[str, object] = {"id": "e", "name": "E", "variants": variants or (CONTROL, PAYPAL), "status": status}
    return Experiment(**(setup | changes))  # type: ignore[arg-type]


# Sums


def totals_of(*units: tuple[int, int, int]) -> UnitTotals:
    """Return the sums over units, given as (orders, revenue, past)."""
    return sum((UnitTotals.of(*unit) for unit in units), UnitTotals())


UNIT = st.tuples(st.integers(0, 20), st.integers(0, 10**9), st.integers(0, 50))


@given(st.lists(UNIT, max_size=10), st.lists(UNIT, max_size=10))
def test_sums_of_units_add_and_are_taken_back(first, second):
    both, own = totals_of(*first, *second), totals_of(*first)
    assert both.units == len(first) + len(second)
    assert both.minus(totals_of(*second))[:5] == own[:5]
    assert own + UnitTotals() == own
    assert own.minus(own) == UnitTotals()


@given(st.lists(UNIT, min_size=2, max_size=20))
def test_estimates_are_those_of_the_units(units):
    [estimate] = estimates_of("orders", [totals_of(*((orders, revenue, 0) for orders, revenue, _ in units))])
    mean = sum(orders for orders, _, _ in units) / len(units)
    spread = sum((orders - mean) ** 2 for orders, _, _ in units) / (len(units) - 1)
    assert estimate.value == pytest.approx(mean)
    assert estimate.variance == pytest.approx(spread, abs=1e-6)


def test_totals_are_not_added_to_days():
    with pytest.raises(TypeError):
        UnitTotals() + 1  # type: ignore[operator]
    assert issubclass(UnitTotals, tuple)


def test_rows_of_deleted_variants_are_ignored():
    rows = [SumRow("", 0, name, UnitTotals(units=5)) for name in ("control", "gone", "control")]
    totals = VariantTotals.of(experiment(), rows)
    assert (totals.names, totals.units) == (("control", "paypal"), 10)


def test_segments_exclude_the_total():
    rows = [SumRow(segment, 0, "control", UnitTotals(units=1)) for segment in ("", "a=1", "b=2", "a=1")]
    assert {each.segment: each.units for each in look(experiment(), *rows).segments} == {"a=1": 2, "b=2": 1}


# Comparisons


def sold(units: int, bought: int, amount: int = 0) -> UnitTotals:
    revenue = bought * amount
    return UnitTotals(units, bought, bought, bought, revenue, float(revenue * amount), float(revenue))


def totals(*each: UnitTotals) -> VariantTotals:
    return VariantTotals(("control", "paypal", "off")[: len(each)], each)


@pytest.mark.parametrize("method", ["sequential", "fixed"])
@pytest.mark.parametrize("metric", ["conversion", "orders", "revenue", "order_value"])
def test_no_difference_lies_inside_every_interval(metric, method):
    same = sold(5_000, 1_000, 500)._replace(revenue_squared=4e8)
    [comparison] = compare(experiment(primary=metric, method=method), totals(same, same), planned_units=1e4)
    assert comparison.is_ready
    assert comparison.lift == pytest.approx(0.0, abs=1e-12)
    assert comparison.low < 0 < comparison.high
    assert comparison.p_value == pytest.approx(1.0)
    assert comparison.chance_to_win == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize("method", ["sequential", "fixed"])
def test_a_large_gain_lies_above_zero(method):
    [comparison] = compare(experiment(method=method), totals(sold(5_000, 500), sold(5_000, 900)), planned_units=1e4)
    assert comparison.lift == pytest.approx(0.8)
    assert 0 < comparison.low < 0.8 < comparison.high
    assert comparison.p_value < 1e-6
    assert comparison.chance_to_win > 0.999
    assert comparison.expected_loss < 1e-6


def test_looking_at_any_time_costs_width():
    both = totals(sold(5_000, 500), sold(5_000, 550))
    [fixed], [always] = (compare(experiment(method=each), both, planned_units=1e4) for each in ("fixed", "sequential"))
    assert always.high - always.low > fixed.high - fixed.low
    assert always.p_value > fixed.p_value


def test_more_variants_widen_each_interval():
    two, three = totals(sold(5_000, 500), sold(5_000, 550)), totals(*[sold(5_000, 500)] * 2, sold(5_000, 550))
    [alone] = compare(experiment(), two, planned_units=1e4)
    among = compare(experiment(CONTROL, PAYPAL, OFF), three, planned_units=1e4)[-1]
    assert among.high - among.low > alone.high - alone.low


@pytest.mark.parametrize(
    ("control", "variant"),
    [
        (UnitTotals(), UnitTotals()),
        (sold(1, 1), sold(1, 1)),
        (sold(99, 30), sold(99, 30)),
        (sold(5_000, 0), sold(5_000, 900)),
        (sold(5_000, 900), sold(5_000, 0)),
        (sold(5_000, 5_000), sold(5_000, 5_000)),
        (sold(5_000, 19), sold(5_000, 900)),
        (sold(5_000, 900), sold(5_000, 4_990)),
    ],
)
def test_too_little_data_gives_no_verdict(control, variant):
    [comparison] = compare(experiment(), totals(control, variant), planned_units=1e4)
    assert (comparison.is_ready, comparison.low, comparison.high, comparison.p_value) == (False, None, None, 1.0)


def test_primary_metric_is_first_and_metrics_are_unique():
    document = experiment(primary="revenue", secondary=("orders", "revenue"), guardrails=(Guardrail(metric="orders"),))
    compared = compare(document, totals(sold(500, 50, 9), sold(500, 50, 9)), planned_units=1e4)
    assert [each.metric for each in compared] == ["revenue", "orders"]
    json = msgspec.json.encode(compared)
    assert b"NaN" not in json


@pytest.mark.parametrize(
    ("tolerated", "bought", "broken"), [(0.0, 800, True), (30.0, 800, False), (10.0, 600, True), (5.0, 1_200, False)]
)
def test_a_guardrail_needs_a_certain_loss(tolerated, bought, broken):
    guarded = experiment(guardrails=(Guardrail(metric="orders", tolerated_percent=tolerated),))
    [state] = guardrails(guarded, totals(sold(9_000, 1_000), sold(9_000, bought)), planned_units=1e4)
    assert (state.metric, state.variant, state.is_broken) == ("orders", "paypal", broken)


def test_a_guardrail_is_quiet_without_data():
    guarded = experiment(guardrails=(Guardrail(metric="order_value"),))
    [state] = guardrails(guarded, totals(sold(9_000, 0), sold(9_000, 0)), planned_units=0.0)
    assert not state.is_broken


@pytest.mark.parametrize(
    ("counts", "weights", "is_off"),
    [((5_000, 5_000), (1, 1), False), ((7_500, 2_500), (3, 1), False), ((5_000, 5_000), (3, 1), True),
     ((5_000, 4_500), (1, 1), True), ((10, 0), (1, 1), False)],
)  # fmt: skip
def test_units_are_held_against_the_weights(counts, weights, is_off):
    variants = [
        msgspec.structs.replace(each, weight=float(w)) for each, w in zip((CONTROL, PAYPAL), weights, strict=True)
    ]
    rows = [SumRow("customer=new", 0, v.id, UnitTotals(units=n)) for v, n in zip(variants, counts, strict=True)]
    assert has_mismatch(mismatch_p_value(experiment(*variants), rows)) == is_off


def test_without_units_no_split_is_denied():
    assert mismatch_p_value(experiment(), []) == 1.0
    assert mismatch_p_value(experiment(), [SumRow("", 0, "control", UnitTotals(units=10**6))]) == 1.0


# Size


@pytest.mark.parametrize("conversion", [0.0, 1.0, math.nan, 0.96])
def test_a_rate_without_room_has_no_size(conversion):
    assert size_of(experiment(), estimate_of_past(conversion)) is None


def test_unequal_weights_and_more_variants_need_more_units():
    metric = estimate_of_past(0.2)
    even = size_of(experiment(), metric)
    uneven = size_of(experiment(CONTROL, msgspec.structs.replace(PAYPAL, weight=0.25)), metric)
    three = size_of(experiment(CONTROL, PAYPAL, OFF), metric)
    assert even is not None
    assert uneven is not None
    assert three is not None
    assert uneven.fixed > 1.3 * even.fixed
    assert three.fixed > 1.5 * even.fixed


def test_revenue_needs_units_by_its_spread():
    narrow, wide = (size_of(experiment(primary="revenue"), MetricEstimate(100.0, v, 50)) for v in (1e4, 4e4))
    assert narrow is not None
    assert wide is not None
    assert wide.fixed == pytest.approx(4 * narrow.fixed, rel=0.01)


# Looks


def look(document: Experiment, *rows: SumRow, now: int = NOW, window: int = 60):
    return results_of(document, PLACEMENT, rows, window_minutes=window, now=now)


def both(*counts: tuple[int, int], hour: int = 0, segment: str = "") -> list[SumRow]:
    names = ("control", "paypal", "off")
    return [SumRow(segment, hour, name, sold(*count)) for name, count in zip(names, counts, strict=False)]


@pytest.mark.parametrize(("minutes", "matured"), [(59, 0), (60, 0), (119, 0), (120, 100), (10_000, 100)])
def test_units_count_after_their_outcome_window(minutes, matured):
    results = look(experiment(), *both((50, 5), (50, 5)), now=minutes * 60_000)
    assert sum(each.units for each in results.variants) == 100
    assert sum(each.matured for each in results.variants) == matured
    assert results.matured_share == matured / 100


def test_look_without_data_is_valid():
    results = look(experiment())
    assert (results.matured_share, results.units_a_day, results.planned_units) == (0.0, 0.0, None)
    assert (results.days_left, results.history, results.segments) == (None, [], [])
    assert b"NaN" not in msgspec.json.encode(results)


def test_days_left_follow_from_the_pace():
    results = look(experiment(minimum_effect_percent=10), *both((3_000, 600), (3_000, 600)), now=10 * DAY)
    assert results.units_a_day == pytest.approx(600)
    assert results.planned_units is not None
    assert results.days_left == pytest.approx((results.planned_units - 6_000) / 600)


def test_expected_shares_follow_from_the_weights():
    variants = (CONTROL, msgspec.structs.replace(PAYPAL, weight=3.0))
    assert [each.expected_share for each in look(experiment(*variants)).variants] == [0.25, 0.75]


def test_the_history_grows_day_by_day():
    rows = [row for day in (0, 1, 4) for row in both((400, 80), (400, 80), hour=day * 24 + 3)]
    history = look(experiment(), *rows).history
    assert [point.day for point in history] == [0, 1, 4]
    widths = [point.high - point.low for point in history]
    assert widths == sorted(widths, reverse=True)


def test_only_the_largest_segments_are_shown():
    rows = [row for n in range(40) for row in both((n + 1, 0), (n + 1, 0), segment=f"geo.country={n:02}")]
    segments = look(experiment(), *rows).segments
    assert len(segments) == MOST_SEGMENTS
    assert [each.units for each in segments[:3]] == [80, 78, 76]


@pytest.mark.parametrize(
    ("off", "kind", "variant"),
    [
        ((20_000, 2_000), "keep_going", "off"),
        ((20_000, 3_000), "better", "off"),
        ((20_000, 1_400), "keep_going", "paypal"),
    ],
)
def test_the_verdict_is_about_the_best_variant(off, kind, variant):
    results = look(experiment(CONTROL, PAYPAL, OFF), *both((20_000, 2_000), (20_000, 1_960), off))
    assert (results.verdict.kind, results.verdict.variant) == (kind, variant)


def test_all_variants_must_lose_before_the_verdict_is_worse():
    rows = both((20_000, 2_000), (20_000, 1_300), (20_000, 1_500))
    results = look(experiment(CONTROL, PAYPAL, OFF), *rows)
    assert (results.verdict.kind, results.verdict.variant) == ("worse", "off")


def test_a_broken_guardrail_is_the_verdict_and_stops():
    document = experiment(guardrails=(Guardrail(metric="order_value", tolerated_percent=5),), primary="conversion")
    rich, poor = (sold(9_000, 2_000, amount)._replace(revenue_squared=2_000 * amount**2 * 1.1) for amount in (900, 500))
    results = look(document, SumRow("", 0, "control", rich), SumRow("", 0, "paypal", poor))
    assert (results.verdict.kind, results.verdict.variant) == ("guardrail", "paypal")
    reason = reason_to_stop(document, results, NOW)
    assert reason == "guardrail: PayPal first loses more than 5% of order value"


@pytest.mark.parametrize("days", [1, 28, 365])
def test_an_experiment_ends_after_its_longest_time(days):
    document = experiment(maximum_days=days, minimum_days=0)
    results = look(document, now=days * DAY)
    assert reason_to_stop(document, results, days * DAY - 1) == ""
    assert f"{days} days" in reason_to_stop(document, results, days * DAY)


def test_experiment_that_never_started_does_not_end():
    document = experiment(status=ExperimentStatus(state="running"))
    assert reason_to_stop(document, look(document), NOW * 100) == ""


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), min_size=2, max_size=3))
def test_any_counts_make_a_look_without_infinite_numbers(counts):
    names = (CONTROL, PAYPAL, OFF)[: len(counts)]
    rows = both(*((units, min(units, bought)) for units, bought in counts))
    json = msgspec.json.encode(look(experiment(*names), *rows))
    assert b"NaN" not in json
    assert b"Infinity" not in json


def test_every_state_of_a_document_reads_back_the_same():
    for state, method in itertools.product(STATES, ("sequential", "fixed")):
        document = experiment(method=method, status=ExperimentStatus(state=state), audience=ALWAYS)
        assert msgspec.json.decode(msgspec.json.encode(document), type=Experiment) == document


@pytest.mark.parametrize(
    "changes",
    [
        {"minimum_effect_percent": 1e-300},
        {"variants": (msgspec.structs.replace(CONTROL, weight=1e-300), msgspec.structs.replace(PAYPAL, weight=1e6))},
    ],
)
@pytest.mark.parametrize("metric", ["conversion", "revenue"])
def test_impossible_power_has_no_sample_size(changes, metric):
    document = experiment(primary=metric, **changes)
    assert size_of(document, estimate_of_past(0.05)) is None
    assert look(document, *both((400, 40), (400, 40))).planned_units is None
