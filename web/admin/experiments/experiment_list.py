"""The list of experiments with their states and verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from litestar import get
from litestar.di import NamedDependency

from engine.configuration.configuration import Configuration
from engine.experiments.results import Results
from engine.model.experiment import Experiment
from engine.model.resource import Resource
from web.admin.experiments.layers import LayerView, layer_views
from web.admin.shell.frame import Frame
from web.admin.shell.render import Page
from web.experiments.experiment_words import UNITS, days_run, left_text, state_of, summary

ORDER = {"running": 0, "paused": 1, "stopped": 2, "in_review": 3, "approved": 4, "draft": 5, "concluded": 6}


@dataclass(frozen=True)
class ExperimentRow:
    """An experiment at a glance; `run` and `left` are days in words, empty where they are not known."""

    href: str
    name: str
    placement: str
    state: str
    state_kind: str
    verdict: str
    verdict_kind: str
    run: str
    left: str
    units: str


@dataclass(frozen=True)
class ExperimentsPage:
    """The experiments that are open or concluded, and those that are archived."""

    experiments: Sequence[ExperimentRow]
    archived: Sequence[ExperimentRow]
    has_placement: bool
    layers: Sequence[LayerView]


@get("/experiments")
async def experiments_page(frame: NamedDependency[Frame]) -> Page:
    """Show the experiments of all placements."""
    configuration = await frame.engine.catalogue.configuration(frame.merchant.id)
    resources = await frame.engine.experiments.everywhere(frame.merchant.id)
    current = [resource for resource in resources if resource.document.status.state != "archived"]
    archived = [resource for resource in resources if resource.document.status.state == "archived"]
    current.sort(key=lambda resource: (ORDER[resource.document.status.state], resource.document.name))
    page = ExperimentsPage(
        experiments=[await _row(frame, configuration, resource) for resource in current],
        archived=[await _row(frame, configuration, resource) for resource in archived],
        has_placement=bool(configuration.placements),
        layers=layer_views(current, {each.key: each.name for each in configuration.placements}, frame.base, frame.show),
    )
    return frame.page("experiments/experiments.html", page)


async def results_of(frame: Frame, resource: Resource, *, has_details: bool, phase: int = 0) -> Results | None:
    """Return the results of a phase as they are now, 0 for the last one; None before the start."""
    if resource.document.status.started_at is None:
        return None
    results = frame.engine.experiment_results
    now = frame.show.now
    return await results.look(frame.merchant.id, resource, now=now, has_details=has_details, phase=phase)


async def look_at(frame: Frame, resource: Resource, *, phase: int, number: int) -> Results | None:
    """Return the results of a stored look, 0 for those now; None before the start."""
    if resource.document.status.started_at is None:
        return None
    looks = frame.engine.experiment_looks
    return await looks.read(frame.merchant.id, resource, now=frame.show.now, phase=phase, number=number)


async def _row(frame: Frame, configuration: Configuration, resource: Resource) -> ExperimentRow:
    document: Experiment = resource.document
    results = await results_of(frame, resource, has_details=False)
    verdict, (state, kind) = summary(document, results, frame.show), state_of(document)
    placement = configuration.find("placement", "", resource.placement)
    units = sum(variant.units for variant in results.variants) if results else 0
    return ExperimentRow(
        href=f"{frame.base}/experiments/{resource.placement}/{resource.id}",
        name=document.name,
        placement=placement.document.name if placement else resource.placement,
        state=state,
        state_kind=kind,
        verdict=verdict.short,
        verdict_kind=verdict.kind,
        run=_days(frame, days_run(document, frame.show.now)),
        left=left_text(document, results, frame.show),
        units=frame.show.count(units, *UNITS[document.unit]) if results else "",
    )


def _days(frame: Frame, days: int | None) -> str:
    return "" if days is None else frame.show.count(days, "day")


handlers = [experiments_page]
