"""How a placement did: the figures of the overview as data."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from engine.accounts.accounts import Access
from engine.clock import now_ms
from engine.metrics.dashboard import SHOWN, Dashboard, TimeSpan
from engine.model.errors import invalid
from engine.model.timestamps import DAY, HOUR, rfc3339, to_ms
from engine.service import Engine
from engine.statistics.lift import Lift
from engine.statistics.metric_totals import MetricTotals
from web.api.common_types import Moment, ReportedMoment
from web.http.responses import NO_STORE, json_response
from web.openapi.operation import Answer, Operation
from web.overview.report import MetricSums

USUAL_DAYS, MOST_DAYS = 30, 92


class MetricQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"since": "from", "until": "to"}):
    """From an instant on and before another; hours count as a whole. Without them, the last 30 days."""

    since: ReportedMoment | None = None
    until: ReportedMoment | None = None


class MetricLift(msgspec.Struct, frozen=True):
    """A metric of personalized and of held-back customers, and the difference with its 95% interval."""

    personalized: float
    held_back: float
    difference: float
    low: float
    high: float
    decisions: int
    held_back_decisions: int


class HourOfMetrics(msgspec.Struct, frozen=True):
    """Sums of decisions of an hour, which begins at `hour`."""

    hour: Moment
    sums: MetricSums


class MetricReport(msgspec.Struct, frozen=True, rename={"since": "from", "until": "to"}):
    """The sums of a time; `before` are those of as long a time before it.

    `values` are metrics per decision, null where there is nothing to divide by. `lifts` compare with the holdback: null
    where there is too little to tell, and empty where nobody is held back. `parts` are sums by device, country, visit
    (`new`, `returning`, `guest`), candidate and currency.
    """

    placement: str
    since: Moment
    until: Moment
    sums: MetricSums
    before: MetricSums
    values: dict[str, float | None]
    lifts: dict[str, MetricLift | None]
    hours: list[HourOfMetrics]
    parts: dict[str, dict[str, MetricSums]]


@get(
    "/v1/placements/{placement:str}/metrics",
    **Operation(
        "Learning",
        "Read how a placement did",
        {200: Answer("Sums, metrics and their lift over the holdback", MetricReport)},
        "Read from sums that are kept beside the log. An outcome counts at the hour of its decision.",
        query=MetricQuery,
        errors=(404,),
    ).route(),
)
async def placement_metrics(
    access: NamedDependency[Access],
    engine: NamedDependency[Engine],
    placement: FromPath[str],
    parameters: NamedDependency[MetricQuery],
) -> Response[bytes]:
    configuration = await engine.catalogue.configuration(access.merchant.id)
    configuration.get("placement", "", placement)
    span = _span(parameters)
    dashboard = await engine.dashboards.of(access.merchant.id, placement, span)
    return json_response(_report(placement, span, dashboard), headers=NO_STORE)


def _span(query: MetricQuery) -> TimeSpan:
    """Return the time that is asked for; raise `Invalid` for one that is empty or too long."""
    end = now_ms() if query.until is None else to_ms(query.until)
    begin = end - USUAL_DAYS * DAY if query.since is None else to_ms(query.since)
    if begin >= end:
        raise invalid("from", "must be before “to”")
    if end - begin > MOST_DAYS * DAY:
        raise invalid("from", f"must be at most {MOST_DAYS} days before “to”")
    begin -= begin % HOUR
    return TimeSpan(begin, end, -(-(end - begin) // HOUR) * HOUR)


def _report(placement: str, span: TimeSpan, dashboard: Dashboard) -> MetricReport:
    by_hour: dict[int, MetricTotals] = {}
    for row in dashboard.hours:
        by_hour[row.hour] = by_hour.get(row.hour, MetricTotals()) + row.totals
    return MetricReport(
        placement,
        rfc3339(span.begin),
        rfc3339(span.end),
        MetricSums.of(dashboard.totals),
        MetricSums.of(dashboard.before),
        {metric: dashboard.totals.value(metric) for metric in SHOWN},
        {metric: _lift(lift) for metric, lift in dashboard.lifts.items()},
        [HourOfMetrics(rfc3339(hour * HOUR), MetricSums.of(totals)) for hour, totals in sorted(by_hour.items())],
        {name: _parts(parts) for name, parts in dashboard.parts.items() if name != "delay"},
    )


def _parts(parts: Mapping[str, MetricTotals]) -> dict[str, MetricSums]:
    return {value: MetricSums.of(totals) for value, totals in sorted(parts.items())}


def _lift(lift: Lift | None) -> MetricLift | None:
    return None if lift is None else MetricLift(**lift._asdict())


handlers = [placement_metrics]
