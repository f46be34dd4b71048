"""Charts of experiments: the lift of each variant over time, with its interval as a band, and the metric itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from web.charts.candidate_charts import (
    COLOURS,
    END_LABEL,
    LABEL_GAP,
    Spec,
    colour,
    colour_of,
    percent_axis,
    spec_of,
    spread,
    tip,
)
from web.format import NOTHING, Show

DAY = 86_400_000


def _dashes() -> Spec:
    """Return the encoding of lines whose colour another variant has: there are fewer colours than variants."""
    return {
        "field": "dashed",
        "type": "nominal",
        "scale": {"domain": [False, True], "range": [[1, 0], [6, 4]]},
        "legend": None,
    }


class VariantLift(msgspec.Struct, frozen=True, kw_only=True):
    """A variant's relative change at the end of a day in epoch days; None where it cannot be computed yet."""

    label: str
    position: int
    day: int
    lift: float | None
    low: float | None
    high: float | None


class VariantValue(msgspec.Struct, frozen=True, kw_only=True):
    """A variant's metric at the end of a day in epoch days, over all units until then; `text` as it is read."""

    label: str
    position: int
    day: int
    value: float
    text: str


def values(points: Sequence[VariantValue], *, show: Show, measure: str, is_share: bool) -> Spec:
    """Chart the metric of each variant and of the control by day."""
    rows = [
        {
            "variant": point.label,
            "colour": str(colour_of(point.position)),
            "dashed": point.position >= COLOURS,
            "at": point.day * DAY,
            "value": point.value,
            "day_text": show.day(point.day * DAY),
            "value_text": point.text,
        }
        for point in points
    ]
    y = {"type": "quantitative", "title": measure, "scale": {"zero": False}}
    y["axis"] = percent_axis() if is_share else {"tickCount": 5}
    lines = {"x": _days_axis(points), "y": y | {"field": "value"}, "color": colour(), "detail": {"field": "variant"}}
    tooltip = [tip("variant", "Variant"), tip("day_text", "Day"), tip("value_text", measure)]
    dot = {"type": "point", "filled": True, "size": 45, "opacity": 1}
    heights = [point.value for point in points] or [0.0]
    low, high = min(heights), max(heights)
    # Equal values need room for the names of their lines.
    room = 0.0 if high > low else abs(high) / 100 or 1.0
    return spec_of(
        rows,
        height=250,
        show=show,
        layer=[
            {"mark": {"type": "line", "strokeWidth": 2}, "encoding": lines | {"strokeDash": _dashes()}},
            {"mark": dot, "encoding": lines | {"tooltip": tooltip}},
            _end_labels(lines, y, rows, "value", (low - room, high + room)),
        ],
    )


MOST_BANDS = 3
"""More bands than this cover each other: then only the variant that is ahead has one."""


def lifts(points: Sequence[VariantLift], *, show: Show, measure: str) -> Spec:
    """Chart the lift against the control by day; days without an interval are left out."""
    rows = [_row(point, show) for point in points if None not in (point.lift, point.low, point.high)]
    banded = _banded(rows)
    axis, scale = percent_axis() | {"format": "+~%"}, _heights(rows, banded)
    y: Spec = {"type": "quantitative", "title": measure, "axis": axis, "scale": scale}
    lines = {"x": _days_axis(points), "y": y | {"field": "lift"}, "color": colour(), "detail": {"field": "variant"}}
    band = lines | {"y": y | {"field": "low"}, "y2": {"field": "high"}}
    tooltip = [tip("variant", "Variant"), tip("day_text", "Day"), tip("lift_text", "Change"), tip("range_text", "95%")]
    dot = {"type": "point", "filled": True, "size": 45, "opacity": 1}
    # An area needs two days.
    area, bar = {"type": "area", "opacity": 0.18, "clip": True}, {"type": "rule", "strokeWidth": 3, "opacity": 0.45}
    zero = {
        "mark": {"type": "rule", "strokeDash": [4, 4], "opacity": 0.6, "aria": False},
        "encoding": {"y": {"datum": 0}},
    }
    return spec_of(
        rows,
        height=260,
        show=show,
        layer=[
            {
                "mark": area if len({row["at"] for row in rows}) > 1 else bar,
                "encoding": band,
                "data": {"values": banded},
            },
            zero,
            {"mark": {"type": "line", "strokeWidth": 2}, "encoding": lines | {"strokeDash": _dashes()}},
            {"mark": dot, "encoding": lines | {"tooltip": tooltip}},
            _end_labels(lines, y, rows, "lift", scale["domain"]),
        ],
    )


def _banded(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows whose interval is drawn: those of all variants, or of the one that is ahead at the end."""
    last = {row["variant"]: row for row in sorted(rows, key=lambda row: row["at"])}
    if len(last) <= MOST_BANDS:
        return list(rows)
    ahead = max(last, key=lambda name: last[name]["lift"])
    return [row for row in rows if row["variant"] == ahead]


def _heights(rows: Sequence[dict[str, Any]], banded: Sequence[dict[str, Any]]) -> Spec:
    """Return a scale for the later half of the days: the first intervals would hide everything else."""
    days = sorted({row["at"] for row in banded})
    late = [row for row in banded if row["at"] >= days[len(days) // 2]] if days else []
    bounds = [0.0, *(row["lift"] for row in rows), *(row[name] for row in late for name in ("low", "high"))]
    return {"domain": [min(bounds), max(bounds)], "nice": True}


def _days_axis(points: Sequence[VariantLift] | Sequence[VariantValue]) -> Spec:
    axis = {
        "format": "%d %b",
        "labelOverlap": True,
        "tickCount": {"interval": "day", "step": max(1, _days(points) // 8)},
    }
    return {"field": "at", "type": "temporal", "title": None, "scale": {"type": "utc"}, "axis": axis}


def _end_labels(lines: Spec, y: Spec, rows: Sequence[dict[str, Any]], field: str, domain: Sequence[float]) -> Spec:
    """Name each line behind its end, so that no two names overlap; `domain` is what the height of the chart shows."""
    last = list({row["variant"]: row for row in sorted(rows, key=lambda row: row["at"])}.values())
    low, high = domain
    values = [min(max(row[field], low), high) for row in last]
    heights = spread(values, gap=LABEL_GAP * (high - low), top=high, bottom=low)
    end = max((row["at"] for row in last), default=0)
    names = [row | {"label_at": height, "at": end} for row, height in zip(last, heights, strict=True)]
    encoding = lines | {"y": y | {"field": "label_at"}, "text": {"field": "variant"}}
    return {"mark": END_LABEL, "encoding": encoding, "data": {"values": names}}


def _row(point: VariantLift, show: Show) -> dict[str, Any]:
    low, high = point.low or 0.0, point.high or 0.0
    return {
        "variant": point.label,
        "colour": str(colour_of(point.position)),
        "dashed": point.position >= COLOURS,
        "at": point.day * DAY,
        "lift": point.lift,
        "low": low,
        "high": high,
        "day_text": show.day(point.day * DAY),
        "lift_text": NOTHING if point.lift is None else show.change(point.lift),
        "range_text": f"{show.change(low)} to {show.change(high)}",
    }


def _days(points: Sequence[VariantLift] | Sequence[VariantValue]) -> int:
    days = [point.day for point in points]
    return max(days) - min(days) + 1 if days else 1
