"""The log of decisions: the newest first, found by a decision's id or by a customer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from engine.configuration.configuration import Configuration
from engine.decisions.logbook import Logged
from engine.model.errors import NotFound
from engine.model.placement import Placement
from web.admin.shell.frame import Frame
from web.admin.shell.navigation import NO_PAGES, PageLinks

PER_PAGE = 25
DECISION_ID = "dec_"


@dataclass(frozen=True)
class DecisionListRow:
    """A decision at a glance; `position` gives the colour of the candidate that came first."""

    id: str
    decided_at: int
    placement: str
    first: str
    position: int
    chance: float
    rules: int
    excluded: int
    fallback: bool


@dataclass(frozen=True)
class DecisionsPage:
    """The decisions that match; `missing` is an id that no decision has."""

    decisions: Sequence[DecisionListRow]
    placements: Sequence[Placement]
    q: str
    placement: str
    missing: str
    pages: PageLinks


@get("/decisions")
async def decisions_page(
    frame: NamedDependency[Frame],
    q: FromQuery[str] = "",
    placement: FromQuery[str] = "",
    before: FromQuery[str] = "",
) -> Response[Any]:
    """Search; the id of a decision leads straight to it."""
    text = q.strip()
    configuration = await frame.engine.catalogue.configuration(frame.merchant.id)
    if text.startswith(DECISION_ID):
        return await _straight_to(frame, configuration, text)
    decisions = await frame.engine.logbook.search(
        frame.merchant.id,
        placement=placement or None,
        customer_id=text or None,
        before_id=before or None,
        limit=PER_PAGE + 1,
    )
    query = {name: value for name, value in (("q", text), ("placement", placement)) if value}
    return frame.page(
        "log/decisions.html",
        DecisionsPage(
            decisions=rows_of(configuration, decisions[:PER_PAGE]),
            placements=configuration.placements,
            q=text,
            placement=placement,
            missing="",
            pages=_pages(frame, query, decisions, before),
        ),
    )


def rows_of(configuration: Configuration, decisions: Sequence[Logged]) -> list[DecisionListRow]:
    """Return the rows of decisions, in the order given."""
    names = {placement.key: placement.name for placement in configuration.placements}
    positions = {key: configuration.colours(key) for key in names}
    rows = []
    for logged in decisions:
        decision, key = logged.decision, logged.row.placement
        first = decision.ranking[0] if decision.ranking else None
        rows.append(
            DecisionListRow(
                id=logged.row.id,
                decided_at=logged.row.decided_at,
                placement=names.get(key, key),
                first=first.label if first else "",
                position=positions.get(key, {}).get(first.id, 0) if first else 0,
                chance=first.chance if first else 0.0,
                rules=len(decision.rules),
                excluded=len(decision.excluded),
                fallback=decision.fallback,
            )
        )
    return rows


async def _straight_to(frame: Frame, configuration: Configuration, decision_id: str) -> Response[Any]:
    try:
        await frame.engine.logbook.get(frame.merchant.id, decision_id)
    except NotFound:
        page = DecisionsPage((), configuration.placements, decision_id, "", decision_id, NO_PAGES)
        return frame.page("log/decisions.html", page)
    return frame.go(f"{frame.base}/decisions/{decision_id}")


def _pages(frame: Frame, query: dict[str, str], decisions: Sequence[Logged], before: str) -> PageLinks:
    base = f"{frame.base}/decisions"
    first = f"{base}?{urlencode(query)}" if query else base
    more = len(decisions) > PER_PAGE
    following = f"{base}?{urlencode({**query, 'before': decisions[PER_PAGE - 1].row.id})}" if more else ""
    return PageLinks(first if before else "", following)


handlers = [decisions_page]
