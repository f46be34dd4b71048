"""The first page: what personalization brings, what needs attention, and how checkouts end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from engine.configuration.configuration import Configuration
from engine.metrics.dashboard import Dashboard
from engine.model.errors import NotFound
from engine.model.history import Emergency
from engine.model.placement import Placement
from engine.model.timestamps import DAY
from engine.statistics.metric_totals import MetricTotals
from web.admin.overview.attention import AttentionItem, attention_of
from web.admin.overview.breakdown import BreakdownView, breakdown_of
from web.admin.overview.cards import MetricCard, cards_of, headline, notes_of
from web.admin.overview.course import CourseView, course_of, points_of
from web.admin.overview.period import MOST_DAYS, OverviewPeriod
from web.admin.overview.setup_steps import SetupGuide, guide_of
from web.admin.placements.performance.matrix import CandidateNames
from web.admin.placements.performance.period import PeriodOption
from web.admin.placements.placement_list import PlacementRow, rows_of
from web.admin.shell.admission import AnyRequest
from web.admin.shell.csv_file import csv_file
from web.admin.shell.frame import Frame
from web.admin.shell.render import Page
from web.charts.candidate_charts import unique_names
from web.csv_text import Rows


@dataclass(frozen=True)
class DashboardView:
    """The figures that are refreshed; `has_holdback` is whether customers are held back in the placement."""

    placement: Placement
    period: OverviewPeriod
    headline: str
    cards: Sequence[MetricCard]
    notes: Sequence[str]
    attention: Sequence[AttentionItem]
    course: CourseView
    breakdown: BreakdownView
    decisions: int
    has_holdback: bool


@dataclass(frozen=True)
class OverviewPage:
    """The whole page; `guide` is None once its steps are done, `dashboard` None without a placement."""

    dashboard: DashboardView | None
    guide: SetupGuide | None
    placements: Sequence[PlacementRow]
    options: Sequence[PeriodOption]
    emergencies: Sequence[Emergency]


@dataclass(frozen=True)
class DashboardFragment:
    """The part of the overview that is refreshed."""

    dashboard: DashboardView


@dataclass(frozen=True)
class SetupFragment:
    """The part of the overview that follows a new merchant's steps."""

    guide: SetupGuide


class Overview:
    """What the overview shows of one placement."""

    def __init__(
        self, frame: Frame, configuration: Configuration, placement: Placement, period: OverviewPeriod
    ) -> None:
        self.frame = frame
        self.configuration = configuration
        self.placement = placement
        self.period = period

    async def dashboard(self) -> Dashboard:
        """Read the sums of the period."""
        return await self.frame.engine.dashboards.of(self.frame.merchant.id, self.placement.key, self.period.span)

    async def view(self) -> DashboardView:
        """Return the figures in words and charts."""
        frame, key, period, dashboard = self.frame, self.placement.key, self.period, await self.dashboard()
        candidates = self.configuration.documents("candidate", key)
        labels = unique_names({candidate.id: candidate.label for candidate in candidates})
        names = CandidateNames(labels, self.configuration.colours(key))
        return DashboardView(
            placement=self.placement,
            period=period,
            headline=headline(frame, dashboard, period),
            cards=cards_of(frame, dashboard, period, key),
            notes=notes_of(frame, dashboard, period),
            attention=await attention_of(frame, self.configuration, self.placement, names),
            course=await course_of(frame, dashboard, period, names, key),
            breakdown=breakdown_of(frame, dashboard, names),
            decisions=dashboard.totals.decisions,
            has_holdback=self.placement.holdback is not None,
        )


@get("/")
async def overview_page(request: AnyRequest, frame: NamedDependency[Frame]) -> Page:
    """Show how a placement did, and what needs attention."""
    overview, configuration = await _overview(request, frame)
    page = OverviewPage(
        dashboard=await overview.view() if overview is not None else None,
        guide=await _guide(request, frame, configuration),
        placements=await rows_of(frame, configuration),
        options=[PeriodOption(placement.key, placement.name) for placement in configuration.placements],
        emergencies=await frame.engine.emergencies.unseen(frame.merchant.id),
    )
    return frame.page("overview/overview.html", page)


@get("/setup")
async def setup_fragment(request: AnyRequest, frame: NamedDependency[Frame], done: FromQuery[int] = 0) -> Response[Any]:
    """Send the steps again if more or fewer than `done` of them are done; load the page again after the last."""
    configuration = await frame.engine.catalogue.configuration(frame.merchant.id)
    guide = await _guide(request, frame, configuration)
    if guide is None:
        return Response(None, status_code=204, headers={"HX-Refresh": "true"})
    if guide.done == done:
        return Response(None, status_code=204)
    return frame.page("overview/_setup.html", SetupFragment(guide))


@get("/dashboard")
async def dashboard_fragment(request: AnyRequest, frame: NamedDependency[Frame]) -> Page:
    """Show the figures alone, for the page that refreshes them."""
    overview, _ = await _overview(request, frame)
    if overview is None:
        raise NotFound("there is no placement", field="placement")
    return frame.page("overview/_dashboard.html", DashboardFragment(await overview.view()))


@get("/dashboard/{file:str}")
async def dashboard_csv(request: AnyRequest, frame: NamedDependency[Frame], file: FromPath[str]) -> Response[str]:
    """Send the chosen metric over time as CSV."""
    overview, _ = await _overview(request, frame)
    if overview is None or file != "course.csv":
        raise NotFound(f"there is no file “{file}”", field="file")
    points = points_of(frame, await overview.dashboard(), overview.period)
    rows: Rows = [("epoch_ms", "value", "time_before"), *([each.moment, each.value, each.beside] for each in points)]
    return csv_file(f"{overview.placement.key}-{overview.period.metric}.csv", rows)


async def _overview(request: AnyRequest, frame: Frame) -> tuple[Overview | None, Configuration]:
    """Return what the address asks for: its placement, else the busiest one; None where there is no placement."""
    configuration = await frame.engine.catalogue.configuration(frame.merchant.id)
    asked: dict[str, Any] = dict(request.query_params)
    period = OverviewPeriod.of(asked, frame.show)
    placements = {placement.key: placement for placement in configuration.placements}
    if not placements:
        return None, configuration
    if period.placement and period.placement not in placements:
        raise NotFound(f"there is no placement “{period.placement}”", field="placement")
    key = period.placement or next(iter(await _sums(frame, configuration)), _usual(placements))
    return Overview(frame, configuration, placements[key], period), configuration


def _usual(placements: Mapping[str, Placement]) -> str:
    """Return the placement to begin with before there are decisions."""
    return "payment_methods" if "payment_methods" in placements else next(iter(placements))


async def _guide(request: AnyRequest, frame: Frame, configuration: Configuration) -> SetupGuide | None:
    totals = sum((await _sums(frame, configuration)).values(), MetricTotals())
    return await guide_of(frame, configuration, totals, str(request.base_url).rstrip("/"))


async def _sums(frame: Frame, configuration: Configuration) -> dict[str, MetricTotals]:
    """Return the sums of all placements, the busiest first."""
    keys = [placement.key for placement in configuration.placements]
    since = frame.show.now - MOST_DAYS * DAY
    return await frame.engine.dashboards.by_placement(frame.merchant.id, keys, since=since)


handlers = [overview_page, setup_fragment, dashboard_fragment, dashboard_csv]
