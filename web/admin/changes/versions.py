"""Published versions of a placement's plan: who, when and why, what each changed, and going back to one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from engine.configuration.plan_difference import Difference
from engine.model.errors import Conflict, Invalid
from engine.model.history import Version
from engine.model.placement import Placement
from web.admin.changes.detail_words import details_of
from web.admin.changes.draft_changes import MARKS, lines_of
from web.admin.changes.version_forecasts import ForecastCell, forecast_agreement, forecast_cell
from web.admin.log.audit import Line
from web.admin.shell.admission import AnyRequest, typed
from web.admin.shell.editing import version_of
from web.admin.shell.forms import sentence
from web.admin.shell.frame import Frame, Notice
from web.admin.shell.navigation import PageLinks
from web.admin.shell.render import Page
from web.http.request_reading import row_number

PER_PAGE = 50
KINDS = {
    "rule": "Rule",
    "candidate": "Candidate",
    "placement": "Placement",
    "field": "Field",
    "list": "List",
    "budget": "Budget",
}


@dataclass(frozen=True)
class VersionsPage:
    """The newest first; `in_force` is the number of the one that decides now."""

    placement: Placement
    versions: Sequence[Version]
    in_force: int
    pages: PageLinks
    problem: str
    forecasts: Mapping[int, ForecastCell]
    forecasts_held: str


@dataclass(frozen=True)
class DifferenceRow:
    """One thing that differs."""

    name: str
    mark: str
    kind: str
    was: str
    now: str
    details: Sequence[tuple[str, str, str]]
    lines: Sequence[Line]


@dataclass(frozen=True)
class VersionPage:
    """The difference of version `number` from version `since`; `others` are all numbers to compare with."""

    placement: Placement
    version: Version
    since: int
    others: Sequence[int]
    rows: Sequence[DifferenceRow]
    in_force: int


@get("/placements/{key:str}/versions")
async def versions_page(
    frame: NamedDependency[Frame], key: FromPath[str], before: FromQuery[int | None] = None
) -> Page:
    """Show all versions, a page at a time."""
    number = None if before is None else row_number(before)
    return frame.page("changes/versions.html", await _page(frame, key, before=number))


@get("/placements/{key:str}/versions/{number:int}")
async def version_page(
    frame: NamedDependency[Frame], key: FromPath[str], number: FromPath[int], since: FromQuery[int | None] = None
) -> Page:
    """Show what a version changed compared with the one before it or another."""
    row = await frame.engine.versions.get(frame.merchant.id, key, number)
    older = max(1, number - 1) if since is None else since
    differences = await frame.engine.versions.compare(frame.merchant.id, key, older, number, frame.wording)
    recent = await frame.engine.versions.page(frame.merchant.id, key, limit=100)
    page = VersionPage(
        placement=await _placement(frame, key),
        version=Version(row.version, row.published_at, row.published_by, row.reason),
        since=older,
        others=sorted({row.version for row in recent} | {older}, reverse=True),
        rows=[_row(frame, difference) for difference in differences],
        in_force=_in_force(frame, key),
    )
    return frame.page("changes/version.html", page)


@post("/placements/{key:str}/roll-back", status_code=200)
async def roll_back(request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str]) -> Response[Any]:
    """Publish an earlier version again; what is edited follows."""
    frame.must_edit()
    values = await typed(request)
    version, reason = version_of(values), values.get("why", "").strip()[:500]
    try:
        new = await frame.engine.versions.roll_back(
            frame.actor, key, version, reason=reason, emergency=frame.merchant.review
        )
    except (Conflict, Invalid) as error:
        page = await _page(frame, key, problem=sentence(error.detail))
        return frame.page("changes/versions.html", page, status=409 if isinstance(error, Conflict) else 422)
    text = f"Version {new} is in force, with the candidates and rules of version {version}."
    return frame.go(f"{frame.base}/placements/{key}/versions", notice=Notice(text))


async def _page(frame: Frame, key: str, *, before: int | None = None, problem: str = "") -> VersionsPage:
    placement, base = await _placement(frame, key), f"{frame.base}/placements/{key}/versions"
    versions = await frame.engine.versions.page(frame.merchant.id, key, before=before, limit=PER_PAGE + 1)
    shown = versions[:PER_PAGE]
    more = f"{base}?before={shown[-1].version}" if len(versions) > PER_PAGE else ""
    checked_forecasts = await frame.engine.forecasts.of(frame.merchant.id, key)
    return VersionsPage(
        placement,
        shown,
        _in_force(frame, key),
        PageLinks(base if before else "", more),
        problem,
        {forecast.version: forecast_cell(frame, forecast) for forecast in checked_forecasts},
        forecast_agreement(checked_forecasts),
    )


async def _placement(frame: Frame, key: str) -> Placement:
    placement: Placement = (await frame.engine.catalogue.get(frame.merchant.id, "placement", "", key)).document
    return placement


def _in_force(frame: Frame, key: str) -> int:
    active = frame.engine.live.get(frame.merchant.id, key)
    return active.plan.version if active else 0


def _row(frame: Frame, difference: Difference) -> DifferenceRow:
    mark, kind = MARKS[difference.mark]
    name = f"{KINDS[difference.kind]} “{difference.name}”"
    details = details_of(difference, frame.show, frame.merchant.currency)
    return DifferenceRow(name, mark, kind, difference.was, difference.now, details, lines_of(difference))


handlers = [versions_page, version_page, roll_back]
