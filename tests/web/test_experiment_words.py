"""Sentences about an experiment's numbers, and the chart of its lift."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.experiments.comparisons import GuardrailState
from engine.experiments.results import Results, results_of
from engine.model.documents.metric import MetricName
from engine.model.experiment import Experiment, ExperimentStatus, Guardrail, MetricCap, Variant
from engine.store.experiments.sums import SumRow, UnitTotals
from web.charts.experiment_charts import VariantLift, VariantValue, lifts, values
from web.experiments.caps_words import caps_words
from web.experiments.experiment_words import no_interval, start_text, summary, too_much, value_text
from web.experiments.results_csv import csv_rows
from web.experiments.results_view import Look, view_of
from web.format import Show, viewer_locale

NOW = 1_795_262_400_000
HOUR = NOW // 3_600_000
SHOW = Show(locale=viewer_locale("en-US"), timezone="Europe/Berlin", now=NOW)
RUNNING = ExperimentStatus(state="running", started_at=NOW - 9 * 86_400_000, phase_started_at=NOW - 9 * 86_400_000)


def experiment(**changes: Any) -> Experiment:
    setup: dict[str, Any] = {
        "id": "paypal",
        "name": "PayPal first",
        "variants": (Variant(id="a", name="As it is"), Variant(id="b", name="PayPal", order=("paypal",))),
        "status": RUNNING,
    }
    return Experiment(**(setup | changes))


def look(document: Experiment, *counts: tuple[int, int]) -> Results:
    """Return the results of (units, buyers) by variant, spread over four days; everybody pays 50."""
    rows = []
    for day in range(4):
        for variant, (units, buyers) in zip(document.variants, counts, strict=True):
            totals = UnitTotals()
            share, bought = units // 4, buyers // 4
            paid = UnitTotals(share, bought, bought, bought, bought * 5_000, bought * 5_000.0**2, bought * 5_000.0)
            for segment in ("", "device.type=mobile"):
                rows.append(SumRow(segment, HOUR - 24 * (day + 2), variant.id, totals + paid))
    return results_of(document, "payment_methods", rows, window_minutes=60, now=NOW)


@pytest.mark.parametrize(
    ("counts", "short", "sentence"),
    [
        (((4_000, 2_000), (4_000, 2_400)), "PayPal is better", "PayPal is better: +"),
        (((4_000, 2_400), (4_000, 2_000)), "Control is better", "PayPal is worse: -"),
        (((4_000, 2_000), (4_000, 2_040)), "Keep going", "Keep going: about"),
        (((40, 20), (40, 20)), "Too few yet", "Keep going"),
        (((8_000, 4_000), (6_000, 3_000)), "Split does not hold", "The split does not hold: 8,000 to 6,000 customers"),
        (((400_000, 200_000), (400_000, 200_000)), "No difference", "No difference above 5.0%"),
        (((0, 0), (0, 0)), "Too few yet", "Keep going"),
    ],
)
def test_verdict_is_a_sentence(counts: tuple[tuple[int, int], ...], short: str, sentence: str) -> None:
    document = experiment()
    words = summary(document, look(document, *counts), SHOW)
    assert words.short == short
    assert words.sentence.startswith(sentence)
    assert words.detail


def test_the_best_of_several_worse_variants_is_named() -> None:
    others = (Variant(id=name, name=name.title(), order=(name,)) for name in ("paypal", "klarna"))
    document = experiment(variants=(Variant(id="a", name="As it is"), *others))
    words = summary(document, look(document, (4_000, 2_400), (4_000, 2_000), (4_000, 1_600)), SHOW)
    assert words.sentence.startswith("All others are worse than “As it is”; the best of them, Paypal: -")


def test_broken_guardrail_comes_before_the_metric() -> None:
    document = experiment(guardrails=(Guardrail(metric="revenue", tolerated_percent=5.0),))
    words = summary(document, look(document, (40_000, 20_000), (40_000, 14_000)), SHOW)
    assert words.sentence == "PayPal loses more than 5% revenue"


def test_concluded_experiment_names_its_winner() -> None:
    status = ExperimentStatus(state="concluded", winner="b", started_at=1, phase_started_at=1, ended_at=NOW)
    document = experiment(status=status)
    results = look(document, (4_000, 2_000), (4_000, 2_400))
    assert summary(document, results, SHOW).sentence == "Concluded: “PayPal” is in force."


def test_fixed_method_waits_for_the_planned_number() -> None:
    document = experiment(method="fixed")
    words = summary(document, look(document, (400, 200), (400, 280)), SHOW)
    assert words.short == "Keep going"
    assert "read once" in words.detail


def test_figures_have_units_and_intervals() -> None:
    document = experiment(secondary=("orders", "revenue", "order_value"))
    results = look(document, (4_000, 2_000), (4_000, 2_400))
    view = view_of(Look(document, results, SHOW, "EUR", {"paypal": "PayPal"}))
    control, variant = view.variants
    assert (control.units, control.value, control.lift) == ("4,000", "50.0%", "–")
    assert (variant.value, variant.changes) == ("60.0%", ["First: PayPal"])
    assert variant.lift.startswith("+")
    by_metric = {row.metric: row.value for row in view.metrics}
    assert by_metric == {"Conversion": "60.0%", "Purchases": "0.600", "Revenue": "€30.00", "Order value": "€50.00"}
    assert view.segments[0].name == "Device: mobile"
    assert any("every look" in text for text in view.assumed)


def test_table_to_download_has_a_row_for_each_metric() -> None:
    document = experiment(secondary=("revenue",))
    head, *rows = csv_rows(document, look(document, (4_000, 2_000), (4_000, 2_400)))
    assert [row[0] for row in rows] == ["conversion", "revenue"]
    assert dict(zip(head, rows[0], strict=True))["value"] == pytest.approx(0.6)


def test_chart_leaves_out_days_without_an_interval() -> None:
    early = VariantLift(label="B", position=1, day=20_000, lift=0.5, low=None, high=None)
    late = VariantLift(label="B", position=1, day=20_001, lift=0.1, low=-0.1, high=0.3)
    spec = lifts([early, late], show=SHOW, measure="Change")
    assert [row["range_text"] for row in spec["data"]["values"]] == ["-10.0% to +30.0%"]
    assert json.dumps(lifts([], show=SHOW, measure="Change"))


@pytest.mark.parametrize(
    ("changes", "counts", "short", "detail"),
    [
        ({}, ((40, 20), (40, 20)), "Too few yet", "Each variant needs 100 customers and 20 purchases"),
        ({}, ((4_000, 4_000), (4_000, 4_000)), "No interval yet", "Nearly all customers bought"),
        ({"primary": "order_value"}, ((4_000, 400), (4_000, 400)), "No interval yet", "In a variant all purchases had"),
    ],
)
def test_missing_interval_explains_why(
    changes: dict[str, Any], counts: tuple[tuple[int, int], ...], short: str, detail: str
) -> None:
    document = experiment(**changes)
    results = look(document, *counts)
    words = summary(document, results, SHOW)
    assert (words.short, results.verdict.kind) == (short, "too_few")
    assert words.detail.startswith(detail)
    assert view_of(Look(document, results, SHOW, "EUR", {})).no_interval.startswith(detail)


def test_more_variants_than_colours_are_distinguished() -> None:
    points = [
        VariantLift(label=f"V{number}", position=number, day=day, lift=0.0, low=-0.1, high=0.1)
        for day in (0, 1)
        for number in range(1, 10)
    ]
    layers = lifts(points, show=SHOW, measure="Change")["layer"]
    assert layers[2]["encoding"]["strokeDash"]["field"] == "dashed"
    rows = lifts(points, show=SHOW, measure="Change")["data"]["values"]
    assert len({(row["colour"], row["dashed"]) for row in rows}) == 9


def test_past_planned_start_is_shown() -> None:
    draft = ExperimentStatus(state="draft")
    past, later = (experiment(status=draft, starts_at=f"{year}-01-01T00:00:00Z") for year in (2001, 2100))
    assert start_text(past, SHOW).endswith("which is over: start it by hand, or plan a later start")
    assert start_text(later, SHOW).endswith("by itself once it is approved or scheduled")


def test_labels_of_equal_lines_do_not_overlap() -> None:
    points = [
        VariantValue(label=label, position=position, day=day, value=50.0, text="50")
        for day in (0, 1)
        for position, label in enumerate(("As it is", "PayPal"))
    ]
    names = values(points, show=SHOW, measure="Order value", is_share=False)["layer"][-1]["data"]["values"]
    assert abs(names[0]["label_at"] - names[1]["label_at"]) > 0.05


# Units, directions and caps


def test_values_have_their_units() -> None:
    values = {metric: value_text(metric, 41_240.0, SHOW, "EUR") for metric in ("margin", "checkout_time", "revenue")}
    assert values == {"margin": "€412.40", "checkout_time": "41.2 seconds", "revenue": "€412.40"}
    assert value_text("declined", 0.05, SHOW, "EUR") == "5.0%"
    document = experiment(primary="margin", secondary=("checkout_time", "declined"))
    _, *rows = csv_rows(document, look(document, (4_000, 2_000), (4_000, 2_400)))
    assert {row[0]: row[-1] for row in rows} == {
        "margin": "minor units",
        "checkout_time": "milliseconds",
        "declined": "share",
    }


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (8_400, "Revenue: the largest 0.1% of purchases are capped at €412.00, by 8,400 purchases in the 28 days"),
        (640, "Revenue: purchases are capped at €412.00, the largest of 640 purchases in the 28 days before the start"),
    ],
)
def test_cap_names_its_source(values: int, text: str) -> None:
    caps = (MetricCap("revenue", 41_200, values), MetricCap("margin", 9_000, values))
    status = ExperimentStatus(caps=caps, measured=("conversion", "revenue"))
    document = experiment(secondary=("revenue",), status=status)
    [words] = caps_words(document, SHOW, "EUR")
    assert words.startswith(text)
    assert [words] == list(view_of(Look(document, look(document, (4, 2), (4, 2)), SHOW, "EUR", {})).caps)


def test_without_enough_purchases_nothing_is_capped() -> None:
    document = experiment(secondary=("revenue",), status=ExperimentStatus(measured=("conversion", "revenue")))
    assert caps_words(document, SHOW, "EUR")[0].startswith("No amount is capped")
    assert caps_words(experiment(), SHOW, "EUR") == []


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        ("checkout_time", "raises checkout time by more than 5%"),
        ("margin", "loses more than 5% margin"),
    ],
)
def test_guardrail_names_the_harmful_direction(metric: MetricName, text: str) -> None:
    assert too_much(GuardrailState(metric, "paypal", 5.0, True)) == text


def test_reason_of_a_missing_interval_depends_on_the_metric() -> None:
    document = experiment(primary="declined")
    results = look(document, (4_000, 2_000), (4_000, 2_400))
    assert "20 declined payments" in no_interval(document, results)
