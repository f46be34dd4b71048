"""Details of an experiment that are read on demand: the funnel, and segments by any declared field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from engine.configuration.configuration import Configuration
from engine.experiments.details import Grouping, has_segments
from engine.experiments.results import in_phase
from engine.model.errors import NotFound
from engine.model.experiment import Experiment
from engine.model.resource import Resource
from web.admin.experiments.experiment_list import results_of
from web.admin.shell.frame import Frame
from web.admin.shell.render import Page
from web.experiments.experiment_words import METRICS, UNITS
from web.experiments.funnel_view import FunnelLine, funnel_lines, funnel_note
from web.experiments.segments_view import SegmentRow, field_namer, segment_rows, usual_name

WHOLE = "experiments/details.html"
MOVED = "The shares follow the results, so customers of one segment cannot be compared by plain means."
NOTHING_IN = "No customer's outcomes are in yet, or the log no longer has their facts."


@dataclass(frozen=True)
class SegmentsView:
    """Segments by one field, or the usual ones for an empty `field`; `note` says what they rest on."""

    field: str
    fields: Sequence[tuple[str, str]]
    rows: Sequence[SegmentRow]
    others: Sequence[str]
    units: str
    metric: str
    note: str
    empty: str


@dataclass(frozen=True)
class DetailsPage:
    """One detail of an experiment: the funnel or segments; the other is None."""

    name: str
    base: str
    phase: int
    funnel: Sequence[FunnelLine] | None
    has_decisions: bool
    note: str
    segments: SegmentsView | None


@get("/experiments/{placement:str}/{id:str}/funnel")
async def funnel_page(
    frame: NamedDependency[Frame], placement: FromPath[str], id: FromPath[str], phase: FromQuery[int] = 0
) -> Page:
    """Show how far the decisions of each variant came."""
    resource = await _started(frame, placement, id)
    details, now = frame.engine.experiment_details, frame.show.now
    funnel = await details.funnel(frame.merchant.id, resource, now=now, phase=phase)
    page = DetailsPage(
        name=resource.document.name,
        base=f"{frame.base}/experiments/{placement}/{id}",
        phase=phase,
        funnel=funnel_lines(resource.document, funnel, frame.show),
        has_decisions=any(row.decisions for row in funnel.rows),
        note=funnel_note(resource.document, funnel, frame.show),
        segments=None,
    )
    return frame.form(WHOLE, "experiments/_funnel.html", page)


@get("/experiments/{placement:str}/{id:str}/segments")
async def segments_page(
    frame: NamedDependency[Frame],
    placement: FromPath[str],
    id: FromPath[str],
    field: FromQuery[str] = "",
    phase: FromQuery[int] = 0,
) -> Page:
    """Show the metric that decides by the values of a field."""
    resource = await _started(frame, placement, id)
    configuration = await frame.engine.catalogue.configuration(frame.merchant.id)
    page = DetailsPage(
        name=resource.document.name,
        base=f"{frame.base}/experiments/{placement}/{id}",
        phase=phase,
        funnel=None,
        has_decisions=False,
        note="",
        segments=await _segments(frame, configuration, resource, field, phase),
    )
    return frame.form(WHOLE, "experiments/_segments.html", page)


async def _started(frame: Frame, placement: str, id: str) -> Resource:
    resource = await frame.engine.experiments.get(frame.merchant.id, placement, id)
    if resource.document.status.started_at is None:
        raise NotFound("this experiment has not started, so it has no results", field="id")
    return resource


async def _segments(
    frame: Frame, configuration: Configuration, resource: Resource, field: str, phase: int
) -> SegmentsView:
    document, show = in_phase(resource, phase).document, frame.show
    if not field:
        results = await results_of(frame, resource, has_details=True, phase=phase)
        segments = results.segments if results else ()
        rows = segment_rows(document, segments, show, lambda name: usual_name(name, show))
        return segments_view(configuration, document, rows)
    fields = {each.name: each for each in configuration.fields()}
    if field not in fields:
        raise NotFound(f"there is no field “{field}”", field="field")
    details = frame.engine.experiment_details
    grouping = Grouping(fields[field], configuration.vocabulary())
    shown = await details.by_field(frame.merchant.id, resource, grouping, now=show.now, phase=phase)
    rows = segment_rows(document, shown.segments, show, field_namer(fields[field], show, frame.merchant.currency))
    units = f"{show.number(shown.units)} {UNITS[document.unit][1]}"
    note = f"Over {units} whose outcomes are in, drawn at random where there are more."
    return segments_view(configuration, document, rows, field=field, note=note)


def segments_view(
    configuration: Configuration, document: Experiment, rows: Sequence[SegmentRow], *, field: str = "", note: str = ""
) -> SegmentsView:
    """Return segments with the fields that others can be made of; none where a bandit moves the shares."""
    able = [] if document.is_adaptive else [field for field in configuration.fields() if has_segments(field)]
    fields = [(field.name, field.label or field.name) for field in able]
    return SegmentsView(
        field=field,
        fields=sorted(fields, key=lambda option: option[1].casefold()),
        rows=rows,
        others=[variant.name for variant in document.variants[1:]],
        units=UNITS[document.unit][1],
        metric=METRICS[document.primary],
        note=note,
        empty=MOVED if document.is_adaptive else NOTHING_IN,
    )


handlers = [funnel_page, segments_page]
