"""Charts of a budget: what is left over time with a forecast, and what is spent each day."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from engine.offers.burn_down import BurnDown, DayOfSpending
from web.charts.candidate_charts import Spec, colour, spec_of, tip
from web.format import Show

DAY = 86_400_000
DAYS = 30
DAYS_AXIS = {"format": "%d %b", "tickCount": 6, "grid": False}


class BudgetMeasure(NamedTuple):
    """The unit of a budget: `text` of a value, `scale` of one unit of the axis, and the unit's name."""

    text: Callable[[int], str]
    scale: int
    unit: str


def burn_down_chart(course: BurnDown, measure: BudgetMeasure, *, show: Show) -> Spec:
    """Chart what was left as a line, and the forecast as a dashed one."""
    rows = [_row(moment, left, "Left", measure, show) for moment, left in course.points]
    forecast: list[dict[str, Any]] = []
    if course.used_up_at is not None:
        ends = (course.points[-1], (course.used_up_at, 0))
        forecast = [_row(moment, rest, "At this pace", measure, show) for moment, rest in ends]
    x = {"field": "at", "type": "temporal", "title": None, "axis": DAYS_AXIS, "scale": {"type": "utc"}}
    tooltip = [tip("day_text", "Time"), tip("series", "What"), tip("value_text", "Left")]
    lines = {"x": x, "y": _y(measure) | {"scale": {"zero": True}}, "color": colour()}
    dots = {"mark": {"type": "point", "filled": True, "size": 120, "opacity": 0}}
    dots |= {"encoding": lines | {"tooltip": tooltip}}
    dashed = {"mark": {"type": "line", "strokeWidth": 2, "strokeDash": [5, 4]}, "encoding": lines}
    line = {"mark": {"type": "line", "strokeWidth": 2, "interpolate": "step-before"}, "encoding": lines}
    ahead = {"data": {"values": forecast}}
    # A layer without marks is an image without a name.
    layers = [line, dots, *([dashed | ahead, dots | ahead] if forecast else [])]
    return spec_of(rows, height=220, show=show, layer=layers)


def spent_by_day(
    days: Mapping[int, DayOfSpending], measure: BudgetMeasure, *, last: int, cap: int | None, show: Show
) -> Spec:
    """Chart a bar of what was spent on each of the days up to `last`, and a line at the cap of a day."""
    rows = [
        {
            "at": day * DAY,
            "value": max(0, spent) / measure.scale,
            "day_text": show.day(day * DAY),
            "value_text": measure.text(spent),
            "colour": "1",
        }
        for day in range(last - DAYS + 1, last + 1)
        for spent in (days[day].spent if day in days else 0,)
    ]
    x = {"field": "at", "type": "temporal", "timeUnit": "utcyearmonthdate", "title": None, "axis": DAYS_AXIS}
    tooltip = [tip("day_text", "Day"), tip("value_text", "Spent")]
    bars = {"x": x, "y": _y(measure), "color": colour(), "tooltip": tooltip}
    layer: list[Any] = [{"mark": {"type": "bar"}, "encoding": bars}]
    if cap is not None:
        at_cap = {"y": {"datum": cap / measure.scale}, "color": colour()}
        rule = {"mark": {"type": "rule", "strokeDash": [5, 4], "strokeWidth": 2}, "encoding": at_cap}
        layer.append(rule | {"data": {"values": [{"colour": "2"}]}})
    return spec_of(rows, height=220, show=show, layer=layer)


def _y(measure: BudgetMeasure) -> dict[str, Any]:
    return {"field": "value", "type": "quantitative", "title": measure.unit, "axis": {"tickCount": 4}}


def _row(moment: int, value: int, series: str, measure: BudgetMeasure, show: Show) -> dict[str, Any]:
    return {
        "at": show.wall_clock(moment),
        "value": value / measure.scale,
        "series": series,
        "day_text": show.moment(moment),
        "value_text": measure.text(value),
        "colour": "1",
    }
