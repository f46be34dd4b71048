"""The page of one experiment: the verdict first, then what may be done, and the numbers behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from engine.configuration.configuration import Configuration
from engine.experiments.ending.changes import has_winner
from engine.model.errors import Conflict, FieldProblem, Forbidden, Invalid, NotFound
from engine.model.experiment import Experiment
from engine.model.resource import Resource
from web.admin.experiments.audience import audience_of, stored
from web.admin.experiments.details_page import SegmentsView, segments_view
from web.admin.experiments.experiment_actions import PRIMARY, REASON, Action, action_of, actions_for, carry_out
from web.admin.experiments.experiment_list import look_at
from web.admin.shell.admission import AnyRequest, typed
from web.admin.shell.forms import Form
from web.admin.shell.frame import Frame, Notice
from web.admin.shell.render import Page
from web.admin.shell.undo import undo_address
from web.experiments.checklist import Check, checklist
from web.experiments.experiment_words import (
    LEARNING,
    METRICS,
    UNITS,
    Summary,
    days_run,
    measured,
    name_of,
    start_text,
    state_of,
    summary,
    tolerated_text,
)
from web.experiments.looks_view import NOW, LookLine, Shown, at_end, look_lines
from web.experiments.results_files import FILE_KINDS, MEDIA, FileKind, results_file
from web.experiments.results_view import Look, ResultsView, changes_of, labels_for, look_of, view_of
from web.experiments.segments_view import segment_rows, usual_name

KINDS: Mapping[str, FileKind] = {f"results.{kind}": kind for kind in FILE_KINDS}
"""The kinds of files by name."""
EDITABLE = ("draft", "in_review", "approved", "running", "paused")


@dataclass(frozen=True)
class ExperimentPage:
    """One experiment; `form` keeps what was typed into an action that was refused, `results` is None before a start.

    `shown_look` is the number of the stored look that is shown, 0 for the results now. `proposal` says where the
    changes of a winner are that waits for a second person, empty where none waits.
    """

    document: Experiment
    base: str
    placement_name: str
    state: str
    state_kind: str
    verdict: Summary
    at_end: str
    proposal: str
    looks: Sequence[LookLine]
    shown_look: int
    run: int | None
    starts: str
    actions: Sequence[Action]
    primary: Sequence[str]
    may_change: bool
    form: Form
    failed: str
    checks: Sequence[Check]
    audience: str
    changes: Sequence[Sequence[str]]
    decides: str
    learning: Sequence[str]
    units: str
    results: ResultsView | None
    phase: int
    segments: SegmentsView | None
    guarded: Sequence[str]
    reason: str = REASON


@get("/experiments/{placement:str}/{id:str}")
async def experiment_page(
    frame: NamedDependency[Frame],
    placement: FromPath[str],
    id: FromPath[str],
    phase: FromQuery[int] = 0,
    look: FromQuery[int] = 0,
) -> Page:
    """Show an experiment with the results of a phase, 0 for the last one, as at a stored look, 0 for now."""
    resource = await frame.engine.experiments.get(frame.merchant.id, placement, id)
    return frame.page("experiments/experiment.html", await _page(frame, resource, shown=Shown(phase, look)))


@get("/experiments/{placement:str}/{id:str}/{file:str}")
async def experiment_file(
    frame: NamedDependency[Frame],
    placement: FromPath[str],
    id: FromPath[str],
    file: FromPath[str],
    phase: FromQuery[int] = 0,
    look: FromQuery[int] = 0,
) -> Response[Any]:
    """Send the results as `results.csv`, `results.json` or `results.pdf`; `checks` shows the checklist alone."""
    resource = await frame.engine.experiments.get(frame.merchant.id, placement, id)
    if file == "checks":
        return frame.page("experiments/_checks.html", await _page(frame, resource))
    results = await look_at(frame, resource, phase=phase, number=look)
    kind = KINDS.get(file)
    if results is None or kind is None:
        raise NotFound(f"there is no file “{file}”", field="file")
    async with frame.engine.tiers.export(frame.merchant):
        content = await results_file(frame, resource, results, kind, is_stored=bool(look))
    headers = {"Content-Disposition": f'attachment; filename="{id}.{kind}"', "Cache-Control": "no-store"}
    return Response(content, media_type=MEDIA[kind], headers=headers)


@post("/experiments/{placement:str}/{id:str}/{act:str}", status_code=200)
async def act(
    request: AnyRequest, frame: NamedDependency[Frame], placement: FromPath[str], id: FromPath[str], act: FromPath[str]
) -> Response[Any]:
    """Carry out an action such as `start`; show the page with the problem where it is refused."""
    action = action_of(act)
    (frame.must_edit if action.needs_publisher else frame.must_change)()
    resource = await frame.engine.experiments.get(frame.merchant.id, placement, id)
    values = await typed(request)
    try:
        await carry_out(frame, action, resource, values)
    except (Invalid, Conflict, Forbidden) as error:
        return await _refused(frame, resource, action, values, error)
    if action.name == "delete":
        text = f"{resource.document.name} is deleted."
        return frame.go(f"{frame.base}/experiments", notice=Notice(text, undo=await undo_address(frame, resource)))
    return frame.go(f"{frame.base}/experiments/{placement}/{id}", notice=Notice(action.notice))


async def _refused(
    frame: Frame,
    resource: Resource,
    action: Action,
    values: Mapping[str, str],
    error: Invalid | Conflict | Forbidden,
) -> Page:
    """Show the page again with the problem beside its field."""
    problems = error.problems if isinstance(error, Invalid) else (FieldProblem("form", error.detail),)
    fields = {"reason": f"{REASON}{action.name}", "winner": "winner"}
    beside = [
        FieldProblem(fields.get(problem.field, "form"), problem.message)
        if problem.field in fields and action.needs
        else FieldProblem("form", problem.message)
        for problem in problems
    ]
    page = await _page(frame, resource, Form(values).with_problems(beside), failed=action.name)
    status = 422 if isinstance(error, Invalid) else 403 if isinstance(error, Forbidden) else 409
    return frame.page("experiments/experiment.html", page, status=status)


async def _page(
    frame: Frame, resource: Resource, form: Form | None = None, *, failed: str = "", shown: Shown = NOW
) -> ExperimentPage:
    document: Experiment = resource.document
    configuration = await frame.engine.catalogue.configuration(frame.merchant.id)
    results = await look_at(frame, resource, phase=shown.phase, number=shown.look)
    looks = await frame.engine.experiment_looks.page(frame.merchant.id, resource, phase=shown.phase) if results else []
    actions = actions_for(frame, document)
    state, kind = state_of(document)
    look = look_of(frame, configuration, resource, results) if results else None
    labels = look.labels if look else labels_for(configuration, resource.placement)
    is_new = document.status.started_at is None and document.status.state != "archived"
    return ExperimentPage(
        document=document,
        base=f"{frame.base}/experiments/{resource.placement}/{resource.id}",
        placement_name=configuration.get("placement", "", resource.placement).document.name,
        state=state,
        state_kind=kind,
        verdict=summary(document, results, frame.show, is_stored=bool(shown.look)),
        at_end=at_end(document, looks, results.verdict, frame.show) if results and shown == NOW else "",
        proposal=await _proposal(frame, resource, configuration),
        looks=look_lines(document, looks, frame.show),
        shown_look=shown.look,
        run=days_run(document, frame.show.now),
        starts=start_text(document, frame.show),
        actions=actions,
        primary=PRIMARY,
        may_change=frame.may_change and document.status.state in EDITABLE,
        form=form or Form(),
        failed=failed,
        checks=await checklist(frame, configuration, resource) if is_new else (),
        audience=_audience(frame, configuration, resource),
        changes=[changes_of(document, number, labels) for number in range(len(document.variants))],
        decides=f"{METRICS[document.primary]}: {measured(document.primary, document.unit).lower()}",
        learning=LEARNING[document.learning],
        units=UNITS[document.unit][1],
        results=view_of(look) if look else None,
        phase=results.phase if results else 0,
        segments=_segments(configuration, look),
        guarded=[
            f"{METRICS[each.metric]}: {tolerated_text(each.metric, each.tolerated_percent)}"
            for each in document.guardrails
        ],
    )


async def _proposal(frame: Frame, resource: Resource, configuration: Configuration) -> str:
    """Return where the changes are of a winner that a second person must publish."""
    document: Experiment = resource.document
    if document.status.state != "stopped" or not document.status.winner:
        return ""
    name = name_of(document, document.status.winner)
    if has_winner(configuration, resource.placement, document):
        return f"The changes of “{name}” are published. The experiment is concluded within a minute."
    draft = await frame.engine.drafts.configuration(frame.merchant.id, resource.placement)
    if has_winner(draft, resource.placement, document):
        return f"The changes of “{name}” wait in the draft. Once they are published, the experiment is concluded."
    return f"Not all changes of “{name}” are in the draft. Conclude publishes them; archive leaves all as it is."


def _segments(configuration: Configuration, look: Look | None) -> SegmentsView | None:
    """Return the segments that every experiment keeps; None before a start."""
    if look is None:
        return None
    rows = segment_rows(look.document, look.results.segments, look.show, lambda name: usual_name(name, look.show))
    return segments_view(configuration, look.document, rows)


def _audience(frame: Frame, configuration: Configuration, resource: Resource) -> str:
    """Return the audience in a sentence."""
    form = stored(resource.document.audience)
    audience = audience_of(configuration, resource.placement, frame.merchant, frame.show.locale, form)
    return audience.view(frame.wording).sentence or "The condition cannot be read any more."


handlers = [experiment_page, experiment_file, act]
