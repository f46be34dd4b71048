"""The first page: how every placement is doing, what happened last, and the steps to a first answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from litestar import get
from litestar.di import NamedDependency

from engine.configuration.configuration import Configuration
from engine.insights.log_search import LogFilter
from engine.model.history import Emergency
from engine.model.timestamps import MINUTE
from web.admin.log.audit import AuditRow, row_of
from web.admin.log.decision_list import DecisionListRow
from web.admin.log.decision_list import rows_of as decision_rows
from web.admin.placements.placement_list import PlacementRow, rows_of
from web.admin.shell.admission import AnyRequest
from web.admin.shell.frame import Frame
from web.admin.shell.render import Page

LATEST = 6


@dataclass(frozen=True)
class SetupStep:
    """One step of setting up."""

    title: str
    text: str
    href: str
    action: str
    done: bool


@dataclass(frozen=True)
class Glance:
    """The figures of the overview that are refreshed."""

    placements: Sequence[PlacementRow]
    decisions: Sequence[DecisionListRow]
    per_minute: int
    last_hour: int
    fallbacks: int


@dataclass(frozen=True)
class OverviewPage:
    """The whole page; `steps` is empty once all are done."""

    glance: Glance
    steps: Sequence[SetupStep]
    changes: Sequence[AuditRow]
    address: str
    sample_placement: str
    emergencies: Sequence[Emergency]


@dataclass(frozen=True)
class GlanceFragment:
    """The part of the overview that is refreshed."""

    glance: Glance


@get("/")
async def overview_page(request: AnyRequest, frame: NamedDependency[Frame]) -> Page:
    """Show how all placements perform."""
    configuration = await frame.engine.catalogue.configuration(frame.merchant.id)
    glance = await _glance(frame, configuration)
    steps = await _steps(frame, configuration, has_decisions=bool(glance.decisions))
    changes = await frame.engine.catalogue.audit(frame.merchant.id, limit=LATEST)
    page = OverviewPage(
        glance=glance,
        steps=[] if all(step.done for step in steps) else steps,
        changes=[row_of(entry, frame.base) for entry in changes],
        address=str(request.base_url).rstrip("/"),
        sample_placement=configuration.placements[0].key if configuration.placements else "payment_methods",
        emergencies=await frame.engine.emergencies.unseen(frame.merchant.id),
    )
    return frame.page("placements/overview.html", page)


@get("/glance")
async def glance_fragment(frame: NamedDependency[Frame]) -> Page:
    """Show the figures alone, for the page that refreshes them."""
    configuration = await frame.engine.catalogue.configuration(frame.merchant.id)
    return frame.page("placements/_glance.html", GlanceFragment(await _glance(frame, configuration)))


async def _glance(frame: Frame, configuration: Configuration) -> Glance:
    placements = await rows_of(frame, configuration)
    latest = (await frame.engine.log_search.page(frame.merchant.id, LogFilter(), limit=LATEST)).hits
    return Glance(
        placements=placements,
        decisions=decision_rows(frame, configuration, latest),
        per_minute=await _answers_last_minute(frame, configuration),
        last_hour=sum(row.answers for row in placements),
        fallbacks=sum(hit.logged.decision.fallback for hit in latest),
    )


async def _answers_last_minute(frame: Frame, configuration: Configuration) -> int:
    """Return the figure of the last whole minute, so that it does not start from zero every minute."""
    minute = frame.show.now // MINUTE - 1
    total = 0
    for placement in configuration.placements:
        active = frame.engine.live.get(frame.merchant.id, placement.key)
        if active is not None:
            arms = await frame.engine.monitor.arms(frame.merchant.id, placement.key, minutes=1)
            total += sum(share.firsts for share in arms.shares if share.minute == minute)
    return total


async def _steps(frame: Frame, configuration: Configuration, *, has_decisions: bool) -> list[SetupStep]:
    keys = await frame.engine.accounts.keys(frame.merchant.id)
    key = configuration.placements[0].key if configuration.placements else ""
    has_candidates = any(configuration.documents("candidate", placement.key) for placement in configuration.placements)
    has_results = any(row.state.text == "Learning" for row in await rows_of(frame, configuration))
    inside = f"{frame.base}/placements/{key}" if key else f"{frame.base}/placements"
    return [
        SetupStep(
            "Set up a placement",
            "A place in your checkout where the engine chooses. Most merchants start with payment methods.",
            f"{frame.base}/placements/new?key=payment_methods",
            "Set up payment methods",
            bool(key),
        ),
        SetupStep(
            "Add candidates",
            "Your payment methods, with countries, amounts and fees.",
            f"{inside}/candidates/new" if key != "payment_methods" else f"{frame.base}/methods/new",
            "Add a method",
            has_candidates,
        ),
        SetupStep(
            "Make a key", "Your checkout needs it to request decisions.", f"{frame.base}/keys", "Make a key", bool(keys)
        ),
        SetupStep("Request a first decision", "With the request below.", "", "", has_decisions),
        SetupStep(
            "Report what happened", "Report what the customer chose. The engine learns from it.", "", "", has_results
        ),
    ]


handlers = [overview_page, glance_fragment]
