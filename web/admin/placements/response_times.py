"""How long answers of a placement took over the last week, on its page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from engine.model.timestamps import HOUR
from engine.statistics.durations import DurationCounts, p95_of
from web.charts.candidate_charts import Spec
from web.charts.metric_charts import MetricPoint, metric_course
from web.format import Show

LEAST = 20
"""Of fewer answers, there is no slowest one in 20."""


class HourOfTimes(NamedTuple):
    """The time within which 19 of 20 answers of an hour were given; `moment` (epoch ms) is when the hour begins."""

    moment: int
    text: str
    answers: int


@dataclass(frozen=True)
class ResponseTimes:
    """The times by hour; `chart` is None with fewer than two hours."""

    title: str
    hours: Sequence[HourOfTimes]
    chart: Spec | None


def response_times(show: Show, durations: Mapping[int, DurationCounts]) -> ResponseTimes:
    """Return the times of the hours in which there were enough answers."""
    enough = {hour * HOUR: counts for hour, counts in durations.items() if sum(counts.values()) >= LEAST}
    week: Counter[int] = Counter()
    for counts in enough.values():
        week.update(counts)
    hours = [HourOfTimes(moment, _text(show, counts), sum(counts.values())) for moment, counts in enough.items()]
    points = [
        MetricPoint(
            moment=each.moment, value=p95_of(enough[each.moment]), text=f"{each.text} at {show.clock(each.moment)}"
        )
        for each in hours
    ]
    chart = metric_course(points, show=show, format=",~r", is_hourly=False) if len(points) > 1 else None
    title = f"One answer in 20 took longer than {_text(show, week)}" if week else "No response times yet"
    return ResponseTimes(title, hours, chart)


def _text(show: Show, counts: DurationCounts) -> str:
    return f"{show.number(p95_of(counts))} ms"
