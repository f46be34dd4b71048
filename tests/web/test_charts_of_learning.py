"""Check what charts show of learning: ranks, intervals, units of time, ends of lines, and odd or empty data."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.charts.candidate_charts import (
    ArmEstimate,
    ArmShare,
    Move,
    colour_of,
    estimates,
    moves,
    shares,
    spread,
    top_of,
)
from web.charts.learning_charts import ArmCurve, ArmDay, arrivals, densities, history
from web.charts.usage_charts import fired_by_day
from web.format import Show, viewer_locale

SHOW = Show(locale=viewer_locale("en-US"), timezone="Europe/Berlin", now=1_795_262_400_000)
GERMAN = Show(locale=viewer_locale("de"), timezone="Europe/Berlin", now=1_795_262_400_000)
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
ODD = "شراء <b>“a” & 'b'</b> 🎉" + "x" * 200


def rows(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return list(spec["data"]["values"])


def all_specs(label: str) -> list[dict[str, Any]]:
    """Return every chart with one candidate of that label."""
    return [
        estimates([ArmEstimate(label=label, colour=0, mean=0.3, low=0.2, high=0.4)], show=SHOW, measure="Rate"),
        shares([ArmShare(label=label, colour=0, points=[(0, 0.5)])], show=SHOW),
        moves([Move(label=label, position=0, before=0.1, after=0.2)], show=SHOW, measure="Rate"),
        densities([ArmCurve(label=label, colour=0, a=3, b=7)], show=SHOW, measure="Rate"),
        history(
            [ArmDay(label=label, colour=0, day=20_000, rate=0.3, trials=10, forgotten=False)],
            show=SHOW,
            measure="Rate",
        ),
    ]


EMPTY = [
    estimates([], show=SHOW, measure="Rate"),
    shares([], show=SHOW),
    moves([], show=SHOW, measure="Rate"),
    densities([], show=SHOW, measure="Rate"),
    history([], show=SHOW, measure="Rate"),
    arrivals([], show=SHOW),
    fired_by_day([], show=SHOW),
]


@pytest.mark.parametrize(
    "spec", EMPTY, ids=["estimates", "shares", "moves", "densities", "history", "arrivals", "fired"]
)
def test_chart_without_data_is_valid(spec: dict[str, Any]) -> None:
    assert rows(spec) == []
    assert spec["height"] > 0
    assert json.loads(json.dumps(spec, allow_nan=False)) == spec


@pytest.mark.parametrize("index", range(5))
def test_label_is_unchanged_in_the_data(index: int) -> None:
    spec = all_specs(ODD)[index]
    assert {row["candidate"] for row in rows(spec)} == {ODD}
    assert json.loads(json.dumps(spec, allow_nan=False)) == spec


@pytest.mark.parametrize("index", range(5))
def test_every_chart_formats_figures_for_the_viewer(index: int) -> None:
    assert all_specs("Card")[index]["usermeta"]["numbers"]["decimal"] == "."
    assert estimates([], show=GERMAN, measure="Rate")["usermeta"]["numbers"] == {
        "decimal": ",", "thousands": ".", "grouping": [3], "currency": ["", ""],
    }  # fmt: skip


@pytest.mark.parametrize(("position", "colour"), [(0, 1), (7, 8), (8, 1), (17, 2)])
def test_a_colour_follows_from_the_position(position: int, colour: int) -> None:
    assert colour_of(position) == colour


# Estimates and moves


def test_estimates_follow_the_placements_order() -> None:
    arms = [ArmEstimate(label=name, colour=n, mean=0.1, low=0, high=0.2) for n, name in enumerate("cab")]
    spec = estimates(arms, show=SHOW, measure="Rate")
    assert [row["candidate"] for row in rows(spec)] == ["c", "a", "b"]
    assert spec["height"] == 3 * estimates(arms[:1], show=SHOW, measure="Rate")["height"]
    assert spec["layer"][0]["encoding"]["y"]["sort"] is None


def test_moved_share_has_both_values() -> None:
    [row] = rows(moves([Move(label="Card", position=1, before=0.1, after=0.25)], show=SHOW, measure="First"))
    assert (row["before_text"], row["after_text"], row["colour"]) == ("10.0%", "25.0%", "2")


# Shares


@pytest.mark.parametrize(("values", "top"), [
    ([], 1.0), ([0.0], 0.0), ([0.05], 0.1), ([0.1], 0.1), ([0.11], 0.2), ([0.31, 0.05], 0.4), ([1.0], 1.0),
    ([1.2], 1.0),
])  # fmt: skip
def test_the_axis_ends_at_the_next_tenth(values: list[float], top: float) -> None:
    assert top_of(values) == pytest.approx(top)


@given(st.lists(st.floats(0, 1), max_size=10), st.floats(0.01, 0.05))
def test_labels_are_spread_in_order_and_apart(values: list[float], gap: float) -> None:
    placed = spread(values, gap=gap)
    order = sorted(range(len(values)), key=lambda index: values[index])
    heights = [placed[index] for index in order]
    assert all(above - below >= gap - 1e-9 for below, above in pairwise(heights))
    assert all(height <= 1 for height in heights)


@given(st.lists(st.floats(0, 0.9), max_size=5, unique=True))
def test_distant_labels_are_not_moved(values: list[float]) -> None:
    gap = min((above - below for below, above in pairwise(sorted(values))), default=0.01)
    assert spread(values, gap=gap / 2) == values


def test_few_moments_are_drawn_as_dots_and_many_as_a_line() -> None:
    def dots(count: int) -> int:
        points = [(number * MINUTE, 0.5) for number in range(count)]
        return int(shares([ArmShare(label="Card", colour=0, points=points)], show=SHOW)["layer"][1]["mark"]["opacity"])

    assert (dots(1), dots(11), dots(12)) == (1, 1, 0)


def test_a_candidate_without_a_point_has_no_label() -> None:
    arms = [ArmShare(label="Card", colour=0, points=[(0, 0.5)]), ArmShare(label="New", colour=1, points=[])]
    labels = shares(arms, show=SHOW)["layer"][-1]["data"]["values"]
    assert [label["candidate"] for label in labels] == ["Card"]


def test_times_are_in_the_merchants_timezone() -> None:
    [row] = rows(shares([ArmShare(label="Card", colour=0, points=[(SHOW.now, 0.5)])], show=SHOW))
    assert row["at"] - SHOW.now == HOUR
    assert row["share_text"] == "50.0%"


# Densities


def test_densities_are_ordered_by_mean() -> None:
    arms = [
        ArmCurve(label=name, colour=n, a=a, b=10) for n, (name, a) in enumerate([("low", 1), ("high", 9), ("mid", 5)])
    ]
    spec = densities(arms, show=SHOW, measure="Rate")
    assert json.loads(spec["layer"][0]["encoding"]["y"]["axis"]["labelExpr"].removesuffix("[datum.value]")) == [
        "high", "mid", "low",
    ]  # fmt: skip
    feet = {row["candidate"]: row["foot"] for row in rows(spec)}
    assert feet == {"high": 0, "mid": 1, "low": 2}


@pytest.mark.parametrize(("a", "b"), [(1, 1), (0.5, 0.5), (2, 8), (1e5, 9e5), (1, 1e6), (30, 0.7)])
def test_densities_have_a_baseline_and_the_same_height(a: float, b: float) -> None:
    hill = rows(densities([ArmCurve(label="Card", colour=0, a=a, b=b)], show=SHOW, measure="Rate"))
    assert len(hill) >= 1
    assert min(row["top"] for row in hill) == pytest.approx(-0.9)
    assert all(0 < row["rate"] < 1 and row["top"] <= row["foot"] for row in hill)
    assert [row["rate"] for row in hill] == sorted(row["rate"] for row in hill)


def test_density_tooltip_has_mean_and_interval() -> None:
    row = rows(densities([ArmCurve(label="Card", colour=0, a=30, b=70)], show=SHOW, measure="Rate"))[0]
    assert row["mean_text"] == "30.0%"
    assert row["range_text"] == "21.5% to 39.3%"


# Days


def day(number: int, rate: float, *, label: str = "Card", forgotten: bool = False, trials: int = 10) -> ArmDay:
    return ArmDay(label=label, colour=0, day=number, rate=rate, trials=trials, forgotten=forgotten)


@pytest.mark.parametrize(("trials", "text"), [(1, "30.0% of 1 try"), (1_200, "30.0% of 1,200 tries")])
def test_day_tooltip_has_rate_and_trials(trials: int, text: str) -> None:
    [row] = rows(history([day(20_000, 0.3, trials=trials)], show=SHOW, measure="Rate"))
    assert (row["rate_text"], row["day_text"], row["at"]) == (text, "Oct 4, 2024", 20_000 * DAY)


def test_days_before_a_jump_are_marked_as_forgotten() -> None:
    spec = history([day(1, 0.3, forgotten=True), day(2, 0.1)], show=SHOW, measure="Rate")
    assert [row["counts"] for row in rows(spec)] == ["forgotten", "counts"]


def test_all_lines_are_labelled_behind_the_last_day() -> None:
    spec = history([day(3, 0.1), day(2, 0.3), day(1, 0.2, label="New")], show=SHOW, measure="Rate")
    labels = spec["layer"][-1]["data"]["values"]
    assert {(label["candidate"], label["at"]) for label in labels} == {("Card", 3 * DAY), ("New", 3 * DAY)}


# Arrivals


@pytest.mark.parametrize(("longest", "unit"), [
    (30 * SECOND, "seconds"), (2 * MINUTE, "seconds"), (2 * MINUTE + 1, "minutes"), (2 * HOUR, "minutes"),
    (2 * HOUR + 1, "hours"), (48 * HOUR, "hours"), (48 * HOUR + 1, "days"), (30 * DAY, "days"),
])  # fmt: skip
def test_delays_have_a_suitable_unit(longest: int, unit: str) -> None:
    spec = arrivals([(longest // 2, 0.4), (longest, 0.9)], show=SHOW)
    assert spec["layer"][0]["encoding"]["x"]["title"] == f"{unit} after the answer"
    assert rows(spec)[-1]["after_text"].endswith(f" {unit}")


def test_long_flat_end_of_arrivals_is_cut() -> None:
    points = [(SECOND * second, min(1.0, second / 10)) for second in range(0, 10_000, 5)]
    shown = rows(arrivals(points, show=SHOW))
    assert shown[-1]["after"] == 15
    assert shown[-1]["share"] == 1.0


def test_arrivals_that_are_still_rising_are_shown_whole() -> None:
    points = [(MINUTE * minute, minute / 200) for minute in range(100)]
    assert len(rows(arrivals(points, show=SHOW))) == 100


# Firing


def test_a_rules_days_are_bars_with_their_counts() -> None:
    shown = rows(fired_by_day([(20_000, 0), (20_001, 1), (20_002, 1_234)], show=SHOW))
    assert [row["times_text"] for row in shown] == ["0 times", "1 time", "1,234 times"]
    assert [row["day_text"] for row in shown] == ["Oct 4, 2024", "Oct 5, 2024", "Oct 6, 2024"]
