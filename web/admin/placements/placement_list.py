"""The list of placements, and what it has in common with the overview."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from litestar import get
from litestar.di import NamedDependency

from engine.configuration.configuration import Configuration
from engine.insights.arms_monitor import Arms
from engine.model.errors import NotFound
from engine.model.placement import Fixed, Placement, Split
from engine.model.timestamps import DAY
from engine.statistics.metric_totals import MetricTotals
from web.admin.shell.frame import Frame
from web.admin.shell.render import Page

DAYS = 30
NO_ARMS = Arms(None, [], 0, 0, [], [], 0)


@dataclass(frozen=True)
class State:
    """In one word, with the kind of its badge."""

    text: str
    kind: str


@dataclass(frozen=True)
class Leader:
    """The candidate that came first most often in the last hour."""

    label: str
    colour: int
    share: float


@dataclass(frozen=True)
class PlacementRow:
    """A placement at a glance: `answers` of the last hour, and the share of answers of 30 days with a purchase."""

    key: str
    name: str
    state: State
    leader: Leader | None
    answers: int
    purchased: float | None
    candidates: int
    rules: int


@dataclass(frozen=True)
class PlacementsPage:
    """The list."""

    placements: Sequence[PlacementRow]


@get("/placements")
async def placements_page(frame: NamedDependency[Frame]) -> Page:
    """Show all placements of the merchant's side."""
    configuration = await frame.engine.catalogue.configuration(frame.merchant.id)
    return frame.page("placements/placements.html", PlacementsPage(await rows_of(frame, configuration)))


async def rows_of(frame: Frame, configuration: Configuration) -> list[PlacementRow]:
    """Return a row for each placement, in the order of their keys."""
    keys = [placement.key for placement in configuration.placements]
    totals = await frame.engine.dashboards.by_placement(frame.merchant.id, keys, since=frame.show.now - DAYS * DAY)
    return [
        _row(configuration, placement, await _arms(frame, placement.key), totals.get(placement.key, MetricTotals()))
        for placement in configuration.placements
    ]


async def _arms(frame: Frame, key: str) -> Arms:
    try:
        return await frame.engine.monitor.arms(frame.merchant.id, key)
    except NotFound:
        # Just created, and not loaded by this process yet.
        return NO_ARMS


def _row(configuration: Configuration, placement: Placement, arms: Arms, totals: MetricTotals) -> PlacementRow:
    candidates = configuration.documents("candidate", placement.key)
    return PlacementRow(
        key=placement.key,
        name=placement.name,
        state=_state(placement, arms),
        leader=_leader(arms, configuration.colours(placement.key)),
        answers=arms.decisions,
        purchased=totals.value("conversion"),
        candidates=sum(candidate.enabled for candidate in candidates),
        rules=sum(rule.enabled for rule in configuration.documents("rule", placement.key)),
    )


def _state(placement: Placement, arms: Arms) -> State:
    if not arms.arms:
        return State("No candidates", "warn")
    if isinstance(placement.policy, Fixed):
        return State("Fixed order", "plain")
    if isinstance(placement.policy, Split):
        return State("Fixed shares", "plain")
    return State("Learning", "good") if any(arm.trials for arm in arms.arms) else State("Waiting for results", "info")


def _leader(arms: Arms, colours: dict[str, int]) -> Leader | None:
    best = max(arms.arms, key=lambda arm: arm.share, default=None)
    if best is None or not best.share:
        return None
    return Leader(best.label, colours.get(best.id, 0), best.share)


handlers = [placements_page]
