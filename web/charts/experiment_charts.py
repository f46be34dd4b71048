"""Charts of experiments: the lift of each variant over time, with its interval as a band."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from web.charts.candidate_charts import LABEL_GAP, Spec, colour, colour_of, percent_axis, spec_of, spread, tip
from web.format import NOTHING, Show

DAY = 86_400_000


class VariantLift(msgspec.Struct, frozen=True, kw_only=True):
    """A variant's relative change at the end of a day in epoch days; None where it cannot be told yet."""

    label: str
    position: int
    day: int
    lift: float | None
    low: float | None
    high: float | None


def lifts(points: Sequence[VariantLift], *, show: Show, measure: str) -> Spec:
    """Chart the lift against the control by day; days without an interval are left out."""
    rows = [_row(point, show) for point in points if None not in (point.lift, point.low, point.high)]
    time_axis = {"format": "%d %b", "tickCount": {"interval": "day", "step": max(1, _days(points) // 8)}}
    x = {"field": "at", "type": "temporal", "title": None, "scale": {"type": "utc"}, "axis": time_axis}
    y = {"type": "quantitative", "title": measure, "axis": percent_axis() | {"format": "+~%"}}
    lines = {"x": x, "y": y | {"field": "lift"}, "color": colour(), "detail": {"field": "variant"}}
    band = lines | {"y": y | {"field": "low"}, "y2": {"field": "high"}}
    tooltip = [tip("variant", "Variant"), tip("day_text", "Day"), tip("lift_text", "Change"), tip("range_text", "95%")]
    dot = {"type": "point", "filled": True, "size": 45, "opacity": 1}
    zero = {
        "mark": {"type": "rule", "strokeDash": [4, 4], "opacity": 0.6, "aria": False},
        "encoding": {"y": {"datum": 0}},
    }
    return spec_of(
        rows,
        height=260,
        show=show,
        layer=[
            {"mark": {"type": "area", "opacity": 0.18}, "encoding": band},
            zero,
            {"mark": {"type": "line", "strokeWidth": 2}, "encoding": lines},
            {"mark": dot, "encoding": lines | {"tooltip": tooltip}},
            {
                "mark": {"type": "text", "align": "right", "dx": -6, "dy": -10, "fontWeight": 600, "limit": 160},
                "encoding": lines | {"y": y | {"field": "label_at"}, "text": {"field": "variant"}},
                "data": {"values": _ends(rows)},
            },
        ],
    )


def _row(point: VariantLift, show: Show) -> dict[str, Any]:
    low, high = point.low or 0.0, point.high or 0.0
    return {
        "variant": point.label,
        "colour": str(colour_of(point.position)),
        "at": point.day * DAY,
        "lift": point.lift,
        "low": low,
        "high": high,
        "day_text": show.day(point.day * DAY),
        "lift_text": NOTHING if point.lift is None else show.change(point.lift),
        "range_text": f"{show.change(low)} to {show.change(high)}",
    }


def _days(points: Sequence[VariantLift]) -> int:
    days = [point.day for point in points]
    return max(days) - min(days) + 1 if days else 1


def _ends(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Label each variant at the end of its line, so that no two labels overlap."""
    last = list({row["variant"]: row for row in sorted(rows, key=lambda row: row["at"])}.values())
    bounds = [row[name] for row in rows for name in ("low", "high")]
    gap = LABEL_GAP * (max(bounds) - min(bounds)) if bounds else 0.0
    heights = spread([row["lift"] for row in last], gap=gap, top=max(bounds, default=0.0))
    return [row | {"label_at": height} for row, height in zip(last, heights, strict=True)]
