"""The chart of how often a rule fires."""

from __future__ import annotations

from collections.abc import Sequence

from web.charts.candidate_charts import Spec, colour, spec_of, tip
from web.format import Show

DAY = 86_400_000


def fired_by_day(days: Sequence[tuple[int, int]], *, show: Show) -> Spec:
    """Chart a bar for each (epoch day, times), oldest first."""
    rows = [
        {
            "at": day * DAY,
            "times": times,
            "day_text": show.day(day * DAY),
            "times_text": show.count(times, "time"),
            "colour": "1",
        }
        for day, times in days
    ]
    axis = {"format": "%d %b", "tickCount": 6, "grid": False}
    x = {"field": "at", "type": "temporal", "timeUnit": "utcyearmonthdate", "title": None, "axis": axis}
    y = {"field": "times", "type": "quantitative", "title": None, "axis": {"tickCount": 3, "tickMinStep": 1}}
    tooltip = [tip("day_text", "Day"), tip("times_text", "Fired")]
    bars = {"x": x, "y": y, "color": colour(), "tooltip": tooltip}
    return spec_of(rows, height=110, show=show, layer=[{"mark": {"type": "bar"}, "encoding": bars}])
