"""Charts of the overview: a metric by day beside what it is compared with, and how long customers take to pay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from web.charts.candidate_charts import ChartEvent, Spec, colour, event_marks, spec_of, tip
from web.format import Show

LINE, BESIDE = "1", "others"


class MetricPoint(msgspec.Struct, frozen=True, kw_only=True):
    """A metric at a time (epoch milliseconds) as a chart scales it, and in words; `beside` is of the time before."""

    moment: int
    value: float
    text: str
    beside: float | None = None
    beside_text: str = ""


class LevelLine(msgspec.Struct, frozen=True, kw_only=True):
    """A value that holds for the whole time, with its name."""

    value: float
    name: str


class TimeBar(msgspec.Struct, frozen=True, kw_only=True):
    """Of all purchases, the share that took between two times, given in words."""

    name: str
    share: float
    text: str


def metric_course(
    points: Sequence[MetricPoint],
    *,
    show: Show,
    format: str,
    is_hourly: bool,
    level: LevelLine | None = None,
    events: Sequence[ChartEvent] = (),
) -> Spec:
    """Chart a metric over time, with the time before as a grey line, or a level as a dashed one."""
    rows = [
        {"at": show.wall_clock(point.moment), "value": point.value, "beside": point.beside, "colour": LINE,
         "beside_colour": BESIDE, "value_text": point.text, "beside_text": point.beside_text,
         "at_text": show.moment(point.moment) if is_hourly else show.day(point.moment)}
        for point in points
    ]  # fmt: skip
    x: dict[str, Any] = {"field": "at", "type": "temporal", "title": show.timezone, "scale": {"type": "utc"}}
    x["axis"] = {
        "format": "%H:%M" if is_hourly else "%d %b",
        "tickCount": 6,
        "labelFlush": False,
        "labelOverlap": "greedy",
        "labelSeparation": 8,
    }
    y = {"type": "quantitative", "title": None, "axis": {"format": format, "tickCount": 5}, "scale": {"zero": False}}
    has_beside = any(point.beside is not None for point in points)
    tooltip = [tip("at_text", "Time"), tip("value_text", "Value")]
    tooltip += [tip("beside_text", "The time before")] if has_beside else []
    line = {"x": x, "y": y | {"field": "value"}, "color": colour()}
    beside = {"x": x, "y": y | {"field": "beside"}, "color": colour() | {"field": "beside_colour"}}
    layer: list[Spec] = []
    if has_beside:
        layer.append({"mark": {"type": "line", "strokeWidth": 2, "strokeDash": [2, 3]}, "encoding": beside})
    layer += _level(level, y)
    layer += [
        {"mark": {"type": "line", "strokeWidth": 2}, "encoding": line},
        {"mark": {"type": "point", "filled": True, "size": 30, "opacity": 1}, "encoding": line},
        {"mark": {"type": "point", "size": 160, "opacity": 0}, "encoding": line | {"tooltip": tooltip}},
        *event_marks(events, x, show=show),
    ]
    return spec_of(rows, height=240, show=show, layer=layer)


def times_to_pay(bars: Sequence[TimeBar], *, show: Show) -> Spec:
    """Chart how long customers took from what was shown to their purchase."""
    rows = [{"name": bar.name, "share": bar.share, "text": bar.text, "colour": LINE} for bar in bars]
    x = {
        "field": "name",
        "type": "ordinal",
        "title": None,
        "sort": None,
        "axis": {"labelAngle": 0, "labelOverlap": True},
    }
    y = {"field": "share", "type": "quantitative", "title": None, "axis": {"format": "~%", "tickCount": 4}}
    tooltip = [tip("name", "Time"), tip("text", "Purchases")]
    bar = {
        "mark": {"type": "bar", "cornerRadiusEnd": 3},
        "encoding": {"x": x, "y": y, "color": colour(), "tooltip": tooltip},
    }
    return spec_of(rows, height=200, show=show, layer=[bar])


def _level(level: LevelLine | None, y: Spec) -> list[Spec]:
    if level is None:
        return []
    data = {"values": [{"level": level.value, "name": level.name}]}
    height = {"y": y | {"field": "level"}}
    label = {"type": "text", "align": "left", "baseline": "bottom", "dy": -4, "dx": 4, "fontSize": 12}
    return [
        {"mark": {"type": "rule", "strokeDash": [5, 4]}, "data": data, "encoding": height},
        {"mark": label, "data": data, "encoding": height | {"x": {"value": 0}, "text": {"field": "name"}}},
    ]
