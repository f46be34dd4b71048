"""A metric over time on the overview, with what happened meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.metrics.dashboard import Dashboard
from engine.model.documents.metric import METRICS, MetricName
from engine.model.timestamps import HOUR
from engine.statistics.metric_totals import PARTS, HourSums, MetricTotals
from rules.language.codes import decimals_of
from web.charts.candidate_charts import ChartEvent, Spec
from web.charts.metric_charts import LevelLine, MetricPoint, metric_course
from web.overview.cards import TITLES, TOTALS, amount
from web.overview.period import OverviewPeriod
from web.reader import FigureReader

LEAST = 10
"""Decisions, or purchases of a mean, below which a point says nothing."""
HOURLY_DAYS = 2
"""Ranges up to so many days are shown by hour."""


@dataclass(frozen=True)
class CourseView:
    """A metric over time; without a `chart` there are too few points. `events` are what happened meanwhile."""

    title: str
    about: str
    points: Sequence[MetricPoint]
    chart: Spec | None
    events: Sequence[ChartEvent]
    is_hourly: bool


def course_of(
    reader: FigureReader, dashboard: Dashboard, period: OverviewPeriod, events: Sequence[ChartEvent] = ()
) -> CourseView:
    """Return the chosen metric by day, or by hour, with those of the events that lie in the period."""
    metric, is_hourly = period.metric, period.days <= HOURLY_DAYS
    points = points_of(reader, dashboard, period)
    events = [event for event in events if period.span.begin <= event.moment < period.span.end]
    chart = None
    if len(points) > 1:
        level = _level(reader, dashboard, period)
        format = "~%" if METRICS[metric].quantity == "share" else ",~r"
        chart = metric_course(points, show=reader.show, format=format, is_hourly=is_hourly, level=level, events=events)
    return CourseView(_title(reader, period, points), _about(reader, period), points, chart, events, is_hourly)


def points_of(reader: FigureReader, dashboard: Dashboard, period: OverviewPeriod) -> list[MetricPoint]:
    """Return the chosen metric by the reader's days, or by hour, beside the time before where that is asked for."""
    metric = period.metric
    now = sums_by_step(reader, dashboard.hours, period, shift=0)
    before = (
        sums_by_step(reader, dashboard.earlier, period, shift=period.span.before) if period.compare == "before" else {}
    )
    points = []
    for moment, totals in sorted(now.items()):
        value, beside = _value(metric, totals), _value(metric, before.get(moment, MetricTotals()))
        if value is not None:
            points.append(
                MetricPoint(
                    moment=moment,
                    value=_scaled(reader, metric, value),
                    text=amount(reader, metric, value),
                    beside=None if beside is None else _scaled(reader, metric, beside),
                    beside_text=amount(reader, metric, beside),
                )
            )
    return points


def sums_by_step(
    reader: FigureReader, rows: Sequence[HourSums], period: OverviewPeriod, *, shift: int
) -> Mapping[int, MetricTotals]:
    """Return sums by the instant at which an hour or a day of the reader begins, moved on by `shift` milliseconds."""
    sums: dict[int, MetricTotals] = {}
    for row in rows:
        moment = row.hour * HOUR + shift
        if period.days > HOURLY_DAYS:
            # A day on which a clock changes has 23 or 25 hours. An hour in which a day begins belongs to that day.
            moment = reader.show.midnight(reader.show.date_of(moment + HOUR // 2))
        sums[moment] = sums.get(moment, MetricTotals()) + row.totals
    return sums


def _value(metric: MetricName, totals: MetricTotals) -> float | None:
    """Return the sum of a day, or a mean of enough decisions."""
    if metric in TOTALS:
        return float(getattr(totals, metric)) if totals.decisions else None
    return totals.value(metric) if getattr(totals, PARTS[metric][1]) >= LEAST else None


def _scaled(reader: FigureReader, metric: MetricName, value: float) -> float:
    """Return a value as its axis shows it: money in whole units, times in seconds."""
    match METRICS[metric].quantity:
        case "money":
            return float(value / 10 ** decimals_of(reader.merchant.currency))
        case "time":
            return value / 1000
        case _:
            return value


def _level(reader: FigureReader, dashboard: Dashboard, period: OverviewPeriod) -> LevelLine | None:
    """Return the mean of held-back customers, where the metric is a mean."""
    lift = dashboard.lifts.get(period.metric) if period.compare == "holdback" else None
    if lift is None or period.metric in TOTALS:
        return None
    name = f"Holdback {amount(reader, period.metric, lift.held_back)}"
    return LevelLine(value=_scaled(reader, period.metric, lift.held_back), name=name)


def _title(reader: FigureReader, period: OverviewPeriod, points: Sequence[MetricPoint]) -> str:
    name = TITLES[period.metric]
    if len(points) < 2:
        return f"{name}: too few checkouts for a course over time"
    # Purchases of today are still to come, so today is neither the highest nor the lowest day.
    today = reader.show.midnight(reader.show.date_of(reader.show.now))
    ended = [point for point in points if point.moment < today] if period.days > HOURLY_DAYS else points
    best = max(ended or points, key=lambda point: point.value)
    worst = min(ended or points, key=lambda point: point.value)
    if period.days <= HOURLY_DAYS:
        return f"{name}: between {worst.text} and {best.text} an hour"
    return f"{name}: {best.text} on the highest day, {reader.show.day(best.moment)}; {worst.text} on the lowest"


def _about(reader: FigureReader, period: OverviewPeriod) -> str:
    unit = {"money": reader.merchant.currency, "time": "seconds"}.get(METRICS[period.metric].quantity, "")
    step = "By hour" if period.days <= HOURLY_DAYS else "By day"
    beside = "The dotted line is the time before. " if period.compare == "before" else ""
    today = "Today is not over. " if period.days > HOURLY_DAYS and period.span.end == reader.show.now else ""
    return f"{step}{f', in {unit}' if unit else ''}. {today}{beside}Dashed lines mark versions and other events."
