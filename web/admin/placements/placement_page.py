"""The page of one placement: how checkouts end, which candidate is ahead for whom, and who came first over time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from engine.insights.arms_monitor import Arms
from engine.insights.comparisons import Performance
from engine.model.errors import NotFound
from engine.model.placement import Contextual, Fixed, Placement, Split, Thompson
from engine.model.timestamps import DAY
from web.admin.placements.performance.events import events_of
from web.admin.placements.performance.first_places import FirstPlacesView, first_places_table, first_places_view
from web.admin.placements.performance.groups import group_name
from web.admin.placements.performance.headline import HeadlineView, checkout_table, headline_view
from web.admin.placements.performance.matrix import MatrixView, matrix_table, matrix_view
from web.admin.placements.performance.monitor import Measure, MonitorView, estimate_table, measure_of, monitor_view
from web.admin.placements.performance.period import PagePeriod, PeriodOption
from web.admin.placements.placement_availability import UnavailableNote, unavailable_notes
from web.admin.placements.placement_health import HealthView, health_view
from web.admin.placements.placement_learned import LearnedView, learned_view
from web.admin.placements.response_times import ResponseTimes, response_times
from web.admin.shell.csv_file import exported_csv
from web.admin.shell.frame import Frame
from web.admin.shell.render import Page
from web.charts.candidate_charts import unique_names
from web.charts.candidate_names import CandidateNames
from web.csv_text import Rows

MINUTES = 60


@dataclass(frozen=True)
class PlacementPage:
    """The whole page."""

    placement: Placement
    purpose: str
    measure: Measure
    period: PagePeriod
    buckets: Sequence[PeriodOption]
    headline: HeadlineView
    matrix: MatrixView
    monitor: MonitorView
    first_places: FirstPlacesView
    floor_note: str
    learned: LearnedView | None
    health: HealthView
    unavailable: Sequence[UnavailableNote]
    times: ResponseTimes


@dataclass(frozen=True)
class ArmsFragment:
    """The part of the page that is refreshed."""

    placement: Placement
    measure: Measure
    period: PagePeriod
    monitor: MonitorView


class Monitored:
    """A placement with what its page shows."""

    def __init__(
        self, frame: Frame, placement: Placement, arms: Arms, names: CandidateNames, period: PagePeriod
    ) -> None:
        self.frame = frame
        self.placement = placement
        self.arms = arms
        self.names = names
        self.period = period

    @classmethod
    async def of(cls, frame: Frame, key: str, period: PagePeriod) -> Monitored:
        """Read what is known of a placement; raise `NotFound` for an unknown one."""
        merchant_id = frame.merchant.id
        configuration = await frame.engine.catalogue.configuration(merchant_id)
        placement: Placement = configuration.get("placement", "", key).document
        arms = await frame.engine.monitor.arms(merchant_id, key, bucket=period.bucket or None, minutes=MINUTES)
        labels = unique_names({arm.id: arm.label for arm in arms.arms})
        return cls(frame, placement, arms, CandidateNames(labels, configuration.colours(key)), period)

    def monitor(self) -> MonitorView:
        """Return what decides at this moment."""
        return monitor_view(self.frame, self.placement, self.arms, self.names)

    async def performance(self) -> Performance:
        """Return how candidates and checkouts did."""
        bucket = self.period.bucket or None
        return await self.frame.engine.comparisons.of(
            self.frame.merchant.id, self.placement.key, days=self.period.days, bucket=bucket
        )

    async def first_places(self) -> FirstPlacesView:
        """Return who came first, and what happened meanwhile."""
        frame, key, days = self.frame, self.placement.key, self.period.days
        firsts = await frame.engine.monitor.first_places(frame.merchant.id, key, days=days)
        events = await events_of(frame, key, self.names, since=frame.show.now - days * DAY)
        return first_places_view(frame, firsts, self.names, events, days=days)


@get("/placements/{key:str}")
async def placement_page(
    frame: NamedDependency[Frame],
    key: FromPath[str],
    bucket: FromQuery[str | None] = None,
    days: FromQuery[int | None] = None,
    compare: FromQuery[str | None] = None,
) -> Page:
    """Show how each candidate of a placement performs."""
    period = PagePeriod.of(days, compare, bucket)
    monitored = await Monitored.of(frame, key, period)
    placement, names, arms = monitored.placement, monitored.names, monitored.arms
    performance = await monitored.performance()
    health = await frame.engine.health.of(frame.merchant.id, key)
    durations = await frame.engine.dashboards.durations(frame.merchant.id, key, now=frame.show.now)
    page = PlacementPage(
        placement=placement,
        purpose=purpose_of(placement),
        measure=measure_of(placement),
        period=period,
        buckets=_choices(frame, placement, arms),
        headline=headline_view(frame, performance, period, has_holdback=placement.holdback is not None),
        matrix=matrix_view(frame, placement, performance, names),
        monitor=monitored.monitor(),
        first_places=await monitored.first_places(),
        floor_note=_floor_note(frame, placement),
        learned=learned_view(frame, placement, list(names.labels), list(names.labels.values())),
        health=health_view(frame, health, names.labels, names.colours),
        unavailable=unavailable_notes(frame, key, names),
        times=response_times(frame.show, durations),
    )
    return frame.page("placements/placement.html", page)


@get("/placements/{key:str}/arms")
async def arms_fragment(
    frame: NamedDependency[Frame], key: FromPath[str], bucket: FromQuery[str | None] = None
) -> Page:
    """Show the figures of this moment alone, for the page that refreshes them."""
    period = PagePeriod.of(None, None, bucket)
    monitored = await Monitored.of(frame, key, period)
    fragment = ArmsFragment(monitored.placement, measure_of(monitored.placement), period, monitored.monitor())
    return frame.page("placements/_placement_arms.html", fragment)


@get("/placements/{key:str}/arms/{file:str}")
async def arms_csv(
    frame: NamedDependency[Frame],
    key: FromPath[str],
    file: FromPath[str],
    bucket: FromQuery[str | None] = None,
    days: FromQuery[int | None] = None,
) -> Response[str]:
    """Send the figures of a table or chart as CSV, such as `matrix.csv`; rates and shares are 0 to 1."""
    monitored = await Monitored.of(frame, key, PagePeriod.of(days, None, bucket))
    if file == "estimates.csv":
        return await exported_csv(frame, f"{key}-{file}", estimate_table(monitored.monitor()))
    if file == "shares.csv":
        return await exported_csv(frame, f"{key}-{file}", first_places_table(await monitored.first_places()))
    tables: dict[str, Callable[[Performance], Rows]] = {"matrix.csv": matrix_table, "checkouts.csv": checkout_table}
    if file not in tables:
        raise NotFound(f"there is no file “{file}”", field="file")
    return await exported_csv(frame, f"{key}-{file}", tables[file](await monitored.performance()))


def purpose_of(placement: Placement) -> str:
    """Return one sentence on how this placement chooses."""
    match placement.policy:
        case Fixed():
            return "Shows candidates in your own order, changed only by rules."
        case Split():
            return "Shows candidates in fixed shares; the same customer always sees the same."
        case Thompson():
            return f"Learns which candidates {goal_of(placement)}, and shows those first more and more often."
        case Contextual():
            return f"Learns which candidates {goal_of(placement)} for whom, and shows each customer those first."


def goal_of(placement: Placement) -> str:
    """Return what the best candidates do, as in “which candidates convert best”."""
    done = {"selected": "are chosen", "converted": "convert", "revenue": "bring in", "margin": "earn"}[placement.reward]
    measure = "most" if placement.reward in ("revenue", "margin") else "best"
    return f"{done} {'least' if placement.goal == 'minimise' else measure}"


def _choices(frame: Frame, placement: Placement, arms: Arms) -> list[PeriodOption]:
    """Return the choices of customers: everyone first, then each group that is learned separately."""
    if not placement.buckets:
        return []
    named = [PeriodOption(name, group_name(frame, placement, name)) for name in arms.buckets]
    return [PeriodOption("", "All"), *sorted(named, key=lambda choice: choice.name)]


def _floor_note(frame: Frame, placement: Placement) -> str:
    if not isinstance(placement.policy, Thompson | Contextual) or not placement.policy.floor:
        return ""
    share = frame.show.percent(placement.policy.floor)
    if placement.learns_choices:
        return f"; {share} is reserved for trying each candidate, more with few visits and less with many"
    return f"; {share} is spread evenly, so that each candidate is tried"


handlers = [placement_page, arms_fragment, arms_csv]
