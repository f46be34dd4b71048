"""The first page: what personalization brings, what needs attention, and how checkouts end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from engine.configuration.configuration import Configuration
from engine.model.documents.metric import MetricName
from engine.model.errors import NotFound
from engine.model.history import Emergency
from engine.model.placement import Placement
from engine.statistics.metric_totals import MetricTotals
from web.admin.overview.attention import AttentionItem, attention_of
from web.admin.overview.setup_steps import SetupGuide, guide_of
from web.admin.placements.performance.events import events_of
from web.admin.placements.performance.period import PeriodOption
from web.admin.placements.placement_list import PlacementRow, rows_of
from web.admin.shell.admission import AnyRequest
from web.admin.shell.csv_file import exported_csv
from web.admin.shell.frame import Frame
from web.admin.shell.render import Page
from web.csv_text import Rows
from web.http.middleware.base_path import server_address
from web.overview.breakdown import BreakdownView, breakdown_of
from web.overview.cards import MetricCard, cards_of, headline, notes_of
from web.overview.course import CourseView, course_of, points_of
from web.overview.overview import Overview, busiest, overview_of
from web.overview.period import COMPARISONS, RANGES, OverviewPeriod
from web.overview.report import Detail
from web.overview.report_files import DETAILS, REPORT_KINDS, ReportKind, report_file

FILES: Mapping[str, tuple[Detail, ReportKind]] = {
    f"{detail}.{kind}": (detail, kind) for detail in DETAILS for kind in REPORT_KINDS
}
"""The reports by the names of their files."""


class PageLink(NamedTuple):
    """A page with its name."""

    href: str
    name: str


class DownloadLink(NamedTuple):
    """A file to download."""

    file: str
    name: str
    about: str


DOWNLOADS = (
    DownloadLink("summary.pdf", "Summary as PDF", "to pass on"),
    DownloadLink("detailed.pdf", "Details as PDF", "by day and method"),
    DownloadLink("summary.csv", "Summary as CSV", "for a spreadsheet"),
    DownloadLink("detailed.csv", "Details as CSV", "by day and method"),
    DownloadLink("detailed.json", "Details as JSON", "for a program"),
)


@dataclass(frozen=True)
class DashboardView:
    """The figures that are refreshed; `acts` are the pages that act on them.

    `has_holdback` is whether customers are held back in the placement.
    """

    placement: Placement
    period: OverviewPeriod
    headline: str
    cards: Sequence[MetricCard]
    acts: Mapping[MetricName, PageLink]
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
    ranges: Mapping[str, str] = field(default_factory=lambda: RANGES)
    comparisons: Mapping[str, str] = field(default_factory=lambda: COMPARISONS)
    files: Sequence[DownloadLink] = DOWNLOADS


@dataclass(frozen=True)
class DashboardFragment:
    """The part of the overview that is refreshed."""

    dashboard: DashboardView


@dataclass(frozen=True)
class SetupFragment:
    """The part of the overview that follows a new merchant's steps."""

    guide: SetupGuide


async def _view(frame: Frame, overview: Overview) -> DashboardView:
    """Return the figures of an overview in words and charts."""
    key, period, names, dashboard = (
        overview.placement.key,
        overview.period,
        overview.names,
        await overview.dashboard(),
    )
    events = await events_of(frame, key, names, since=period.span.begin)
    return DashboardView(
        placement=overview.placement,
        period=period,
        headline=headline(frame, dashboard, period),
        cards=cards_of(frame, dashboard, period),
        acts=_acts(f"{frame.base}/placements/{key}", frame.base),
        notes=notes_of(frame, dashboard, period),
        attention=await attention_of(frame, overview.configuration, overview.placement, names),
        course=course_of(frame, dashboard, period, events),
        breakdown=breakdown_of(frame, dashboard, names),
        decisions=dashboard.totals.decisions,
        has_holdback=overview.placement.holdback is not None,
    )


def _acts(placement: str, base: str) -> Mapping[MetricName, PageLink]:
    """Return the page that acts on each metric."""
    return {
        "conversion": PageLink(placement, "Candidates"),
        "revenue": PageLink(f"{placement}/learning", "What learning brought"),
        "margin": PageLink(f"{placement}/settings", "Margin and fees"),
        "checkout_time": PageLink(f"{base}/experiments", "Experiments"),
        "order_value": PageLink(f"{base}/offers", "Offers"),
    }


@get("/")
async def overview_page(request: AnyRequest, frame: NamedDependency[Frame]) -> Page:
    """Show how a placement did, and what needs attention."""
    overview, configuration = await _overview(request, frame)
    page = OverviewPage(
        dashboard=await _view(frame, overview) if overview is not None else None,
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
    return frame.page("overview/_dashboard.html", DashboardFragment(await _view(frame, overview)))


@get("/dashboard/{file:str}")
async def dashboard_file(request: AnyRequest, frame: NamedDependency[Frame], file: FromPath[str]) -> Response[Any]:
    """Send the chosen metric over time as `course.csv`, or a report such as `summary.pdf` or `detailed.csv`."""
    overview, _ = await _overview(request, frame)
    if overview is not None and file == "course.csv":
        points = points_of(frame, await overview.dashboard(), overview.period)
        rows: Rows = [
            ("epoch_ms", "value", "time_before"),
            *([each.moment, each.value, each.beside] for each in points),
        ]
        return await exported_csv(frame, f"{overview.placement.key}-{overview.period.metric}.csv", rows)
    if overview is None or file not in FILES:
        raise NotFound(f"there is no file “{file}”", field="file")
    detail, kind = FILES[file]
    async with frame.engine.tiers.export(frame.merchant):
        report = await report_file(overview, kind, detail)
    headers = {"Content-Disposition": f'attachment; filename="{report.name}"', "Cache-Control": "no-store"}
    return Response(report.content, media_type=report.media, headers=headers)


async def _overview(request: AnyRequest, frame: Frame) -> tuple[Overview | None, Configuration]:
    """Return what the address asks for; None where there is no placement."""
    configuration = await frame.engine.catalogue.configuration(frame.merchant.id)
    return await overview_of(frame, configuration, dict(request.query_params)), configuration


async def _guide(request: AnyRequest, frame: Frame, configuration: Configuration) -> SetupGuide | None:
    totals = sum((await busiest(frame, configuration)).values(), MetricTotals())
    return await guide_of(frame, configuration, totals, server_address(request))


handlers = [overview_page, setup_fragment, dashboard_fragment, dashboard_file]
