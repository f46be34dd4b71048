"""Charts of learning: posterior distributions, rates by day, and the delay of outcomes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

import bandits
from web.charts.candidate_charts import (
    END_LABEL,
    MOST_LINES,
    ArmShare,
    Spec,
    colour,
    colour_name,
    colour_of,
    end_labels,
    percent_axis,
    spec_of,
    tip,
    top_of,
)
from web.format import Show

MINUTE, HOUR = 60_000, 3_600_000
UNITS = (("seconds", 1_000, 2 * MINUTE), ("minutes", MINUTE, 2 * HOUR), ("hours", HOUR, 48 * HOUR))
"""Units of time, each with the longest time shown in it."""
NEARLY_ALL, REACH = 0.99, 1.5
STEPS = 80
REACHED = 0.9995
"""The share of a hill that is drawn."""
LOWEST = 0.002
DAY = 86_400_000


class ArmCurve(msgspec.Struct, frozen=True, kw_only=True):
    """One candidate's Beta distribution: `a` and `b` are its parameters."""

    label: str
    colour: int
    a: float
    b: float


class ArmDay(msgspec.Struct, frozen=True, kw_only=True):
    """One candidate's rate, 0 to 1, on a day in epoch days; `forgotten` where a jump made it old.

    `colour` is the candidate's number, None for several candidates together.
    """

    label: str
    colour: int | None
    day: int
    rate: float
    trials: int
    forgotten: bool


def densities(arms: Sequence[ArmCurve], *, show: Show, measure: str) -> Spec:
    """Chart the posterior density of each candidate's rate, a row each."""
    ranked = sorted(arms, key=lambda arm: -arm.a / (arm.a + arm.b))
    rows = [row for index, arm in enumerate(ranked) for row in _hill(arm, index, show)]
    # As one expression with the labels as its data: an axis of names would leave the hills no room to overlap.
    names = f"{json.dumps([arm.label for arm in ranked])}[datum.value]"
    axis = {"values": list(range(len(ranked))), "labelExpr": names, "labelLimit": 140, "grid": True}
    scale = {"domain": [len(ranked) - 0.9, -1.0], "nice": False, "zero": False}
    x = {"field": "rate", "type": "quantitative", "title": measure, "axis": percent_axis()}
    y = {"field": "top", "type": "quantitative", "title": None, "axis": axis, "scale": scale}
    hill = {"x": x, "y": y, "color": colour(), "detail": {"field": "candidate"}}
    tooltip = [tip("candidate", "Candidate"), tip("mean_text", measure), tip("range_text", "95% interval")]
    return spec_of(
        rows,
        height=max(120, 26 * (len(ranked) + 1)),
        show=show,
        layer=[
            {"mark": {"type": "area", "opacity": 0.25}, "encoding": hill | {"y2": {"field": "foot"}}},
            {"mark": {"type": "line", "strokeWidth": 2}, "encoding": hill},
            {"mark": {"type": "point", "size": 120, "opacity": 0}, "encoding": hill | {"tooltip": tooltip}},
        ],
    )


def history(days: Sequence[ArmDay], *, show: Show, measure: str) -> Spec:
    """Chart each candidate's rate by day; days before a jump are thin."""
    rows = [
        {
            "candidate": day.label,
            "colour": colour_name(day.colour),
            "at": day.day * DAY,
            "rate": day.rate,
            "counts": "forgotten" if day.forgotten else "counts",
            "rate_text": f"{show.percent(day.rate)} of {show.count(day.trials, 'try', 'tries')}",
            "day_text": show.day(day.day * DAY),
        }
        for day in days
    ]
    x = {"field": "at", "type": "temporal", "title": None, "scale": {"type": "utc"}, "axis": {"format": "%d %b"}}
    scale = {"domain": [0, top_of(day.rate for day in days)], "nice": False}
    y = {"field": "rate", "type": "quantitative", "title": measure, "axis": percent_axis(), "scale": scale}
    thin = {"condition": {"test": "datum.counts === 'forgotten'", "value": 0.3}, "value": 1}
    lines = {"x": x, "y": y, "color": colour(), "detail": [{"field": "candidate"}, {"field": "counts"}]}
    tooltip = [tip("candidate", "Candidate"), tip("day_text", "Day"), tip("rate_text", measure), tip("counts", "Now")]
    return spec_of(
        rows,
        height=260,
        show=show,
        layer=[
            {"mark": {"type": "line", "strokeWidth": 2}, "encoding": lines | {"opacity": thin}},
            {
                "mark": {"type": "point", "filled": True, "size": 45},
                "encoding": lines | {"opacity": thin, "tooltip": tooltip},
            },
            {
                "mark": END_LABEL,
                "encoding": {"x": x, "color": colour(), "y": y | {"field": "label_at"}, "text": {"field": "candidate"}},
                "data": {"values": _top_labels(days)},
            },
        ],
    )


def pooled(days: Sequence[ArmDay], *, most: int = MOST_LINES) -> list[ArmDay]:
    """Return the days of the candidates with most tries; those of the others are added up by day to a grey line."""
    tries: Counter[str] = Counter()
    for day in days:
        tries[day.label] += day.trials
    if len(tries) <= most:
        return list(days)
    largest = {label for label, _ in tries.most_common(most - 1)}
    sums: dict[int, list[float]] = {}
    for day in days:
        if day.label not in largest:
            cell = sums.setdefault(day.day, [0.0, 0.0])
            cell[0] += day.trials
            cell[1] += day.trials * day.rate
    label = f"{len(tries) - len(largest)} others"
    others = [
        ArmDay(label=label, colour=None, day=day, rate=won / trials, trials=round(trials), forgotten=False)
        for day, (trials, won) in sorted(sums.items())
    ]
    return [*(day for day in days if day.label in largest), *others]


def arrivals(points: Sequence[tuple[int, float]], *, show: Show) -> Spec:
    """Chart the share of outcomes that arrived within a time, up to where nearly all have arrived."""
    points = _until_nearly_all(points)
    unit, unit_ms = _unit(points[-1][0] if points else 0)
    rows: list[dict[str, Any]] = [
        {"after": delay / unit_ms, "share": share, "share_text": show.percent(share),
         "after_text": f"{show.number(delay / unit_ms, digits=1)} {unit}", "colour": "1"}
        for delay, share in points
    ]  # fmt: skip
    x = {"field": "after", "type": "quantitative", "title": f"{unit} after the answer"}
    y = {"field": "share", "type": "quantitative", "title": None, "axis": percent_axis(), "scale": {"domain": [0, 1]}}
    tooltip = [tip("after_text", "Within"), tip("share_text", "Arrived")]
    line = {"x": x, "y": y, "color": colour()}
    return spec_of(
        rows,
        height=220,
        show=show,
        layer=[
            {"mark": {"type": "area", "opacity": 0.15, "line": {"strokeWidth": 2}}, "encoding": line},
            {"mark": {"type": "point", "size": 140, "opacity": 0}, "encoding": line | {"tooltip": tooltip}},
        ],
    )


def _until_nearly_all(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Cut the long flat end, which would squeeze the rest."""
    end = REACH * next((delay for delay, share in points if share >= NEARLY_ALL), points[-1][0] if points else 0)
    shown = [point for point in points if point[0] <= end]
    return [*shown, (round(end), shown[-1][1])] if len(shown) < len(points) else shown


def _unit(longest: int) -> tuple[str, int]:
    return next(((name, ms) for name, ms, most in UNITS if longest <= most), ("days", DAY))


def _top_labels(days: Sequence[ArmDay]) -> list[dict[str, Any]]:
    """Label each candidate at the end of its line."""
    ends = {day.label: day for day in sorted(days, key=lambda day: day.day)}
    lines = [ArmShare(label=day.label, colour=day.colour, points=[(day.day * DAY, day.rate)]) for day in ends.values()]
    return end_labels(lines, top_of(day.rate for day in days), clock=int)


def _hill(arm: ArmCurve, row: int, show: Show) -> list[dict[str, Any]]:
    left, right = _interval(arm, REACHED)
    rates = np.linspace(max(left, 1e-6), min(right, 1 - 1e-6), STEPS)
    heights = (arm.a - 1) * np.log(rates) + (arm.b - 1) * np.log1p(-rates)
    # Of equal height, so that a sure candidate's hill does not dwarf the others'.
    heights = np.exp(heights - heights.max())
    shown = heights > LOWEST
    low, high = _interval(arm, 0.95)
    texts = {"mean_text": show.percent(arm.a / (arm.a + arm.b)), "range_text": show.interval(low, high)}
    return [
        {"candidate": arm.label, "colour": str(colour_of(arm.colour)), "rate": rate, "top": row - 0.9 * height,
         "foot": row, **texts}
        for rate, height in zip(rates[shown].tolist(), heights[shown].tolist(), strict=True)
    ]  # fmt: skip


def _interval(arm: ArmCurve, level: float) -> tuple[float, float]:
    return bandits.interval(bandits.Evidence(), level, bandits.Prior(arm.a / (arm.a + arm.b), arm.a + arm.b))
