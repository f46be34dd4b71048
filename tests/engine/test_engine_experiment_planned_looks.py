"""Experiments with five planned looks: when a look may be read, what it reads, and what it says between looks."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandits.experiments.group_sequential import bounds
from bandits.experiments.moments import MetricEstimate
from bandits.experiments.size import Size
from benchmarks.checks.experiments import METRICS, five_looks
from engine.experiments.checks import EDITABLE_WHILE_RUNNING, editable_while_running
from engine.experiments.comparisons import VariantTotals, compare, group_interval, units_needed
from engine.experiments.looks.schedule import bound_of, last_hour, last_hour_of_look, looks_done, next_look
from engine.experiments.results import Results, results_of
from engine.model.errors import Conflict
from engine.model.experiment import LOOKS, Experiment, ExperimentStatus, Variant
from engine.model.timestamps import DAY, HOUR
from engine.store.experiments.sums import SumRow, UnitTotals
from tests.engine.test_engine_experiment_looks import CONTROL, PAYPAL, PLACEMENT, sold
from tests.shop import Shop

WINDOW = 24 * 60
BEGAN = 100 * DAY + 5 * HOUR


def experiment(**changes: object) -> Experiment:
    status = ExperimentStatus(state="running", started_at=BEGAN, phase_started_at=BEGAN)
    setup: dict[str, object] = {"id": "e", "name": "E", "variants": (CONTROL, PAYPAL), "status": status}
    setup |= {"method": "group_sequential", "maximum_days": 25}
    return Experiment(**(setup | changes))  # type: ignore[arg-type]


def days_in(days: float) -> int:
    return BEGAN + round(days * DAY)


@pytest.mark.parametrize(("days", "look"), [(0, 0), (5, 0), (5.9, 1), (10.5, 1), (11, 2), (25.9, 5), (90, 5)])
def test_look_is_made_when_its_outcomes_are_complete(days, look):
    hour = last_hour(experiment(), WINDOW, days_in(days))
    assert looks_done(experiment(), hour) == look
    assert hour == (last_hour_of_look(experiment(), look) if look else -1)


@given(st.integers(1, 200))
def test_looks_are_ends_of_days_and_follow_each_other(days):
    hours = [last_hour_of_look(experiment(maximum_days=days), look) for look in range(1, LOOKS + 1)]
    assert hours == sorted(hours)
    assert all(hour % 24 == 23 for hour in hours)


def test_next_look_is_announced_until_the_last():
    due = next_look(experiment(), WINDOW, days_in(3))
    assert due == 106 * DAY
    assert looks_done(experiment(), last_hour(experiment(), WINDOW, due)) == 1
    assert next_look(experiment(), WINDOW, days_in(40)) is None


@pytest.mark.parametrize("method", ["sequential", "fixed"])
def test_other_methods_use_all_data(method):
    document = experiment(method=method)
    assert last_hour(document, WINDOW, days_in(3)) == (days_in(2) // HOUR) - 1
    assert next_look(document, WINDOW, days_in(3)) is None


@pytest.mark.parametrize("look", range(1, LOOKS + 1))
def test_the_bound_is_that_of_the_spending(look):
    assert bound_of(look, 0.05) == bounds([0.2, 0.4, 0.6, 0.8, 1.0])[look - 1]


@given(st.floats(-0.5, 0.5), st.floats(0.01, 0.2), st.integers(1, LOOKS))
def test_interval_and_p_value_agree_at_a_look(value, error, look):
    interval = group_interval(MetricEstimate(value, error**2, 1), bound_of(look, 0.05), share=0.05)
    assert interval.low <= value <= interval.high
    if abs(interval.p_value - 0.05) > 1e-9:
        assert (interval.p_value < 0.05) == (interval.low > 0 or interval.high < 0)


def test_early_looks_are_wider_than_late_ones():
    totals = VariantTotals(("control", "paypal"), (sold(5_000, 2_500), sold(5_000, 2_600)))
    widths = []
    for look in range(1, LOOKS + 1):
        [comparison] = compare(experiment(), totals, planned_units=1e4, look=look)
        widths.append(comparison.high - comparison.low)
    assert widths == sorted(widths, reverse=True)
    [before] = compare(experiment(), totals, planned_units=1e4, look=0)
    assert (before.low, before.p_value, before.is_ready) == (None, 1.0, False)


def rows(days: int, *, bought: int = 130) -> list[SumRow]:
    """Return the sums of whole days: 500 units a day and variant, half of the control's buy."""
    return [
        SumRow(segment, (100 + day) * 24 + 23, name, sold(250, count))
        for day in range(days)
        for name, count in (("control", 125), ("paypal", bought))
        for segment in ("", "device.type=mobile")
    ]


def look_at(days: float, *, bought: int = 130) -> Results:
    return results_of(experiment(), PLACEMENT, rows(int(days), bought=bought), window_minutes=WINDOW, now=days_in(days))


def test_between_looks_nothing_changes():
    first, later = look_at(7.0, bought=200), look_at(10.0, bought=200)
    assert first.verdict == later.verdict
    assert first.comparisons == later.comparisons
    assert [each.matured for each in first.variants] == [each.matured for each in later.variants] == [1_250, 1_250]
    assert first.verdict.kind == "better"


def test_before_the_first_look_nothing_is_compared():
    early = look_at(4.0, bought=200)
    assert early.verdict.kind == "too_few"
    assert early.next_look == 106 * DAY
    assert early.history == []


def test_history_has_intervals_only_at_looks():
    history = look_at(12.0).history
    assert [point.day for point in history if point.low is not None] == [104, 109]
    assert len(history) == 10


def test_the_plan_of_looks_stays_once_customers_are_enrolled():
    assert editable_while_running(experiment()) == set(EDITABLE_WHILE_RUNNING) - {"maximum_days"}
    assert editable_while_running(experiment(method="fixed")) == set(EDITABLE_WHILE_RUNNING)


@pytest.mark.anyio
async def test_the_longest_run_cannot_change_between_looks(shop: Shop):
    variants = (Variant(id="a", name="A"), Variant(id="b", name="B", candidates_off=("sepa_debit",)))
    document = Experiment(id="five", name="Five", variants=variants, method="group_sequential")
    await shop.engine.experiments.create(shop.actor(), PLACEMENT, document)
    started = (await shop.engine.experiments.start(shop.actor(), PLACEMENT, "five")).document
    longer = msgspec.structs.replace(started, maximum_days=60)
    with pytest.raises(Conflict, match="maximum_days cannot change"):
        await shop.engine.experiments.update(shop.actor(), PLACEMENT, "five", longer, version=None)


def test_five_looks_cost_little():
    results = look_at(26.0)
    planned = units_needed_by(results)
    assert planned["fixed"] < planned["group_sequential"] < 1.1 * planned["fixed"]
    assert planned["group_sequential"] < planned["sequential"]


def units_needed_by(results: Results) -> dict[str, int]:
    """Return the planned units by method, from the same control."""
    made = {}
    for method in ("fixed", "group_sequential", "sequential"):
        document = experiment(method=method)
        look = results_of(document, PLACEMENT, rows(26), window_minutes=WINDOW, now=results.as_of)
        assert look.planned_units is not None
        made[method] = look.planned_units
    assert results.planned_units == made["group_sequential"]
    return made


@pytest.mark.parametrize("metric", METRICS)
def test_five_looks_reject_few_experiments_without_effect(metric):
    assert five_looks(METRICS[metric], 300, seed=3) <= 0.1


def test_each_method_needs_its_own_number():
    methods = ("fixed", "group_sequential", "sequential")
    assert [units_needed(Size(1, 2, 3), method) for method in methods] == [1, 2, 3]


def test_units_without_outcomes_give_no_interval_at_a_look():
    empty = [SumRow("", 100 * 24 + 23, name, UnitTotals(units=400)) for name in ("control", "paypal")]
    results = results_of(experiment(), PLACEMENT, empty, window_minutes=WINDOW, now=days_in(12))
    assert results.verdict.kind == "too_few"
