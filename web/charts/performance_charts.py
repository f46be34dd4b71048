"""Charts of a placement's performance: how checkouts end over time, with marks for what happened meanwhile."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from engine.model.timestamps import DAY
from engine.statistics.checkouts import CheckoutBin
from engine.statistics.learning_money import GainPoint
from rules.language.codes import decimals_of
from web.charts.candidate_charts import ChartEvent, Spec, colour, colour_of, event_marks, percent_axis, spec_of, tip
from web.format import Show

MARGIN = 0.02


def trend(bins: Sequence[CheckoutBin], *, show: Show, number: int = 0, events: Sequence[ChartEvent] = ()) -> Spec:
    """Chart a share over time with its 95% interval as a band, and what happened meanwhile.

    `number` gives the colour.
    """
    rows = [
        {
            "at": show.wall_clock((each.begin + each.end) // 2),
            "share": each.share.mean,
            "low": each.share.low,
            "high": each.share.high,
            "colour": str(colour_of(number)),
            "share_text": show.percent(each.share.mean),
            "range_text": show.interval(each.share.low, each.share.high),
            "at_text": show.moment(each.begin),
        }
        for each in bins
    ]
    low = math.floor(20 * max(0.0, min(each.share.low for each in bins) - MARGIN)) / 20
    high = math.ceil(20 * min(1.0, max(each.share.high for each in bins) + MARGIN)) / 20
    x: dict[str, Any] = {"field": "at", "type": "temporal", "title": show.timezone, "scale": {"type": "utc"}}
    x["axis"] = {
        "format": "%d %b" if _days(bins) > 2 else "%H:%M",
        "tickCount": 6,
        "labelFlush": False,
        "labelOverlap": "greedy",
        "labelSeparation": 8,
    }
    y = {"type": "quantitative", "title": None, "axis": percent_axis(), "scale": {"domain": [low, high], "zero": False}}
    tooltip = [tip("at_text", "From"), tip("share_text", "Share"), tip("range_text", "95% interval")]
    line = {"x": x, "y": y | {"field": "share"}, "color": colour()}
    return spec_of(
        rows,
        height=200,
        show=show,
        layer=[
            {
                "mark": {"type": "area", "opacity": 0.15},
                "encoding": {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}, "color": colour()},
            },
            {"mark": {"type": "line", "strokeWidth": 2}, "encoding": line},
            {"mark": {"type": "point", "filled": True, "size": 30, "opacity": 1}, "encoding": line},
            {"mark": {"type": "point", "size": 160, "opacity": 0}, "encoding": line | {"tooltip": tooltip}},
            *event_marks(events, x, show=show),
        ],
    )


def gain_course(points: Sequence[GainPoint], *, show: Show, currency: str) -> Spec:
    """Chart what learning had brought a checkout at several times, with its 95% interval as a band, beside zero."""
    scale = 10 ** decimals_of(currency)
    rows = [
        {
            "at": show.wall_clock(point.end),
            "gain": point.gain.value / scale,
            "low": point.gain.low / scale,
            "high": point.gain.high / scale,
            "colour": "1",
            "gain_text": show.money(round(point.gain.value), currency),
            "range_text": " to ".join(show.money(round(end), currency) for end in (point.gain.low, point.gain.high)),
            "at_text": show.day(point.end),
        }
        for point in points
    ]
    x: dict[str, Any] = {"field": "at", "type": "temporal", "title": show.timezone, "scale": {"type": "utc"}}
    x["axis"] = {"format": "%d %b", "tickCount": 6, "labelOverlap": "greedy", "labelSeparation": 8}
    y = {"type": "quantitative", "title": f"{currency} a checkout", "axis": {"tickCount": 5}, "scale": {"zero": True}}
    tooltip = [tip("at_text", "Until"), tip("gain_text", "A checkout"), tip("range_text", "95% interval")]
    line = {"x": x, "y": y | {"field": "gain"}, "color": colour()}
    zero = {"mark": {"type": "rule", "opacity": 0.6}, "encoding": {"y": {"datum": 0, "type": "quantitative"}}}
    return spec_of(
        rows,
        height=200,
        show=show,
        layer=[
            zero,
            {
                "mark": {"type": "area", "opacity": 0.15},
                "encoding": {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}, "color": colour()},
            },
            {"mark": {"type": "line", "strokeWidth": 2}, "encoding": line},
            {"mark": {"type": "point", "filled": True, "size": 30, "opacity": 1}, "encoding": line},
            {"mark": {"type": "point", "size": 160, "opacity": 0}, "encoding": line | {"tooltip": tooltip}},
        ],
    )


def _days(bins: Sequence[CheckoutBin]) -> float:
    return (bins[-1].end - bins[0].begin) / DAY if bins else 0.0
