"""Read how a placement did: sums of a span of time, beside the time before and beside the holdback."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.documents.metric import MetricName
from engine.model.experiment import NOT_PERSONALIZED
from engine.model.timestamps import HOUR, MINUTE
from engine.statistics.alarms import HOURS_A_DAY, USUAL_DAYS, Alarm, alarms, slow
from engine.statistics.durations import DurationCounts
from engine.statistics.lift import Lift, lift_of
from engine.statistics.metric_totals import PARTS, HourSums, MetricTotals
from engine.store.connection.database import Database
from engine.store.metrics import decision_times, hours
from engine.store.metrics.hours import Dimension, HourSpan

PERSONALIZED = "personalized"
WINDOW_HOURS = 72
"""Purchases that come later are not waited for."""
HOURS_OF_TIMES, USUAL_HOURS_OF_TIMES = 2, 7 * HOURS_A_DAY
"""This hour and the one before it tell how long decisions take, the week before that how long they usually do."""
SHOWN: tuple[MetricName, ...] = ("conversion", "revenue", "margin", "checkout_time", "order_value")
"""The metrics of a dashboard."""
COMPARED = sorted({part for metric in SHOWN for part in PARTS[metric]})
"""The sums that lifts need."""
SEGMENTS: tuple[Dimension, ...] = ("device", "country", "visit")
PARTED: tuple[Dimension, ...] = (*SEGMENTS, "candidate", "currency", "delay")


class TimeSpan(NamedTuple):
    """From `begin` on and before `end`, epoch milliseconds; hours count as a whole. `before` is how long before that
    the time lies that it is compared with."""

    begin: int
    end: int
    before: int

    def hours(self, merchant_id: int, placement: str, *, back: int = 0) -> HourSpan:
        """Return the hours of a merchant's placement, `back` milliseconds earlier."""
        begin, end = self.begin - back, self.end - back
        return HourSpan(merchant_id, placement, begin // HOUR, -(-end // HOUR))


class Dashboard(NamedTuple):
    """A placement's results in a span. Sums by `arm` are those of the holdback; `parts` are by dimension and value.

    `lifts` compare personalized with held-back customers: None where there is too little to tell, and nothing where
    nobody was held back. `hours` are the sums of all decisions by epoch hour and arm; `before` and `earlier` are
    those of the time before, without arms.
    """

    totals: MetricTotals
    before: MetricTotals
    arms: Mapping[str, MetricTotals]
    lifts: Mapping[MetricName, Lift | None]
    hours: Sequence[HourSums]
    earlier: Sequence[HourSums]
    parts: Mapping[Dimension, Mapping[str, MetricTotals]]


class Dashboards:
    """Reads sums that are kept beside the log, so a page costs the same at any size of the log."""

    def __init__(self, database: Database, *, slow_ms: int = 500) -> None:
        self._database = database
        self._slow_ms = slow_ms

    async def of(self, merchant_id: int, placement: str, span: TimeSpan) -> Dashboard:
        """Return how a placement did."""
        now, before = (span.hours(merchant_id, placement, back=back) for back in (0, span.before))
        async with self._database.read() as connection:
            by_hour = await hours.by_hour(connection, now)
            earlier = await hours.by_hour(connection, before, by_arm=False)
            clusters = await hours.totals(connection, now, "cluster", COMPARED)
            parts = {name: await _parts(connection, now, name) for name in PARTED}
        return Dashboard(
            totals=total_of(by_hour),
            before=total_of(earlier),
            arms={arm: total_of([row for row in by_hour if row.arm == arm]) for arm in {row.arm for row in by_hour}},
            lifts=_lifts(clusters),
            hours=by_hour,
            earlier=earlier,
            parts=parts,
        )

    async def alarms(self, merchant_id: int, placement: str, *, now: int, window_minutes: int) -> list[Alarm]:
        """Return what is wrong at an instant (epoch ms), beside the usual of the last 29 days."""
        last = now // HOUR + 1
        span = HourSpan(merchant_id, placement, last - (USUAL_DAYS + 2) * HOURS_A_DAY - WINDOW_HOURS, last)
        async with self._database.read() as connection:
            rows = await hours.by_hour(connection, span)
            times = await decision_times.counts(connection, span._replace(first=last - HOURS_OF_TIMES))
            usual = span._replace(first=last - USUAL_HOURS_OF_TIMES, last=last - HOURS_OF_TIMES)
            before = await decision_times.counts(connection, usual)
        sums: dict[int, MetricTotals] = {}
        for row in rows:
            sums[row.hour] = sums.get(row.hour, MetricTotals()) + row.totals
        raised = alarms(sums, last=last, window_hours=min(WINDOW_HOURS, 1 - -window_minutes * MINUTE // HOUR))
        return [*raised, *slow(times, before, slow_ms=self._slow_ms, since_hour=last - HOURS_OF_TIMES)]

    async def durations(self, merchant_id: int, placement: str, *, now: int) -> dict[int, DurationCounts]:
        """Return how long decisions of the last week took, by epoch hour and bin, the oldest hour first."""
        last = now // HOUR + 1
        span = HourSpan(merchant_id, placement, last - USUAL_HOURS_OF_TIMES, last)
        async with self._database.read() as connection:
            return dict(await decision_times.by_hour(connection, span))

    async def by_placement(self, merchant_id: int, placements: Sequence[str], *, since: int) -> dict[str, MetricTotals]:
        """Return the sums of placements since an instant (epoch ms), the busiest first."""
        async with self._database.read() as connection:
            sums = await hours.by_placement(connection, merchant_id, placements, first=since // HOUR)
        return dict(sorted(sums.items(), key=lambda pair: -pair[1].decisions))


def total_of(rows: Sequence[HourSums]) -> MetricTotals:
    """Return the sums of rows together."""
    # Sums by column: adding totals one by one took a fifth of the time of a page.
    return MetricTotals(*map(sum, zip(*(row.totals for row in rows), strict=True)))


async def _parts(connection: AsyncConnection, span: HourSpan, dimension: Dimension) -> dict[str, MetricTotals]:
    """Return the sums by value, without those that came back to zero."""
    rows = await hours.totals(connection, span, dimension)
    return {row.value: row.totals for row in rows if any(row.totals)}


def _lifts(clusters: Sequence[HourSums]) -> dict[MetricName, Lift | None]:
    arms = {
        arm: {row.value: row.totals for row in clusters if row.arm == arm} for arm in (PERSONALIZED, NOT_PERSONALIZED)
    }
    if not arms[NOT_PERSONALIZED]:
        return {}
    return {metric: lift_of(metric, arms[PERSONALIZED], arms[NOT_PERSONALIZED]) for metric in SHOWN}
