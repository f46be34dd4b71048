"""The charts of the overview: a line beside what it is compared with, levels, events, and times to pay."""

from __future__ import annotations

from typing import Any

import vl_convert

from engine.metrics.dashboard import Dashboard
from engine.model.timestamps import DAY
from engine.statistics.metric_totals import MetricTotals
from web.charts.candidate_charts import ChartEvent
from web.charts.candidate_names import CandidateNames
from web.charts.metric_charts import LevelLine, MetricPoint, TimeBar, metric_course, times_to_pay
from web.format import Show, viewer_locale
from web.overview.breakdown import breakdown_of

SHOW = Show(locale=viewer_locale("en"), timezone="Europe/Berlin", now=20_030 * DAY)
NAMES = CandidateNames({"card": "Card", "paypal": "PayPal"}, {"card": 0, "paypal": 1})


class Frame:
    """Enough of a frame for words."""

    show = SHOW
    base = "/admin/live"

    class merchant:
        currency = "EUR"


FRAME: Any = Frame()


def point(day: int, value: float, beside: float | None = None) -> MetricPoint:
    return MetricPoint(moment=(20_000 + day) * DAY, value=value, text=f"{value:.0%}", beside=beside, beside_text="x")


def course(*points: MetricPoint, **changes: Any) -> dict[str, Any]:
    return metric_course(points, **({"show": SHOW, "format": "~%", "is_hourly": False} | changes))


def marks(spec: dict[str, Any]) -> list[str]:
    return [layer["mark"]["type"] for layer in spec["layer"]]


def drawn(spec: dict[str, Any]) -> str:
    """Draw a chart as a file, as reports do."""
    return str(vl_convert.vegalite_to_svg(spec | {"width": 600}))


def test_metric_over_time_is_one_line():
    spec = course(point(1, 0.5), point(2, 0.6))
    assert marks(spec) == ["line", "point", "point"]
    assert [row["value_text"] for row in spec["data"]["values"]] == ["50%", "60%"]
    assert "<svg" in drawn(spec)


def test_previous_period_is_a_second_line_with_a_label():
    spec = course(point(1, 0.5, 0.4), point(2, 0.6, 0.5))
    assert marks(spec)[0] == "line"
    assert spec["layer"][0]["mark"]["strokeDash"]
    tooltip = spec["layer"][-1]["encoding"]["tooltip"]
    assert [each["title"] for each in tooltip] == ["Time", "Value", "The time before"]
    assert "<svg" in drawn(spec)


def test_the_holdback_is_a_level_with_its_name():
    spec = course(point(1, 0.5), point(2, 0.6), level=LevelLine(value=0.45, name="Holdback 45.0%"))
    assert marks(spec)[:2] == ["rule", "text"]
    assert "Holdback 45.0%" in drawn(spec)


def test_events_are_marked():
    event = ChartEvent(moment=20_001 * DAY, mark="v4", text="Version 4")
    assert "v4" in drawn(course(point(1, 0.5), point(2, 0.6), events=[event]))


def test_hours_have_times_and_days_have_dates():
    assert course(point(1, 0.5), is_hourly=True)["layer"][0]["encoding"]["x"]["axis"]["format"] == "%H:%M"
    assert course(point(1, 0.5))["layer"][0]["encoding"]["x"]["axis"]["format"] == "%d %b"


def test_times_to_pay_keep_their_order():
    bars = [TimeBar(name=name, share=share, text="") for name, share in (("19 s", 0.2), ("27 s", 0.5), ("38 s", 0.3))]
    spec = times_to_pay(bars, show=SHOW)
    assert spec["layer"][0]["encoding"]["x"]["sort"] is None
    text = drawn(spec)
    assert text.index("19 s") < text.index("27 s") < text.index("38 s")


# Parts


def dashboard(**parts: Any) -> Dashboard:
    usual: Any = {name: {} for name in ("device", "country", "visit", "candidate", "currency", "delay")}
    totals = MetricTotals(decisions=1_000, shown=900, selected=700, converted=600, redeemed=2, cost=1_050)
    return Dashboard(totals, MetricTotals(), {}, {}, [], [], usual | parts)


def test_methods_are_shares_of_purchases_and_first_slots():
    candidates = {
        "card": MetricTotals(decisions=700, converted=200),
        "paypal": MetricTotals(decisions=300, converted=400),
    }
    view = breakdown_of(FRAME, dashboard(candidate=candidates), NAMES)
    assert view.methods_title == "67% of purchases are by PayPal"
    assert not any(row.is_deleted for row in view.methods)
    deleted = {"giropay": MetricTotals(decisions=10, converted=4)}
    [giropay] = breakdown_of(FRAME, dashboard(candidate=deleted), NAMES).methods
    assert giropay.is_deleted, "a candidate that is deleted has no page to link to"
    assert [(row.label, round(row.share, 2), row.first_share) for row in view.methods] == [
        ("PayPal", 0.67, 0.3), ("Card", 0.33, 0.7),
    ]  # fmt: skip


def test_the_step_with_the_largest_loss_is_named():
    view = breakdown_of(FRAME, dashboard(), NAMES)
    assert view.funnel_title == "20% of checkouts end between “shown” and “selected”"
    assert [step.share for step in view.funnel] == [1.0, 0.9, 0.7, 0.6]
    assert view.offers == "2 offers redeemed, which took €10.50 off."


def test_segment_with_the_lowest_rate_is_named_if_large_enough():
    devices = {
        "mobile": MetricTotals(decisions=600, converted=300),
        "desktop": MetricTotals(decisions=400, converted=300),
    }
    few = {"NL": MetricTotals(decisions=20, converted=1)}
    view = breakdown_of(FRAME, dashboard(device=devices, country=few), NAMES)
    assert view.segments_title == "Fewest purchases: Mobile, 50.0% of checkouts"
    assert [(row.name, row.conversion) for row in view.segments] == [
        ("Mobile", 0.5), ("Desktop", 0.75), ("Netherlands", None),
    ]  # fmt: skip


def test_an_empty_dashboard_has_words_for_each_part():
    view = breakdown_of(FRAME, dashboard()._replace(totals=MetricTotals()), NAMES)
    assert (view.methods_title, view.funnel_title, view.segments_title) == (
        "No purchases yet",
        "No outcomes yet",
        "Customers",
    )
    assert view.times is None
    assert (view.methods, view.funnel, view.segments, view.offers) == ([], [], [], "")
