"""What to look at before an experiment starts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from engine.configuration.configuration import Configuration
from engine.experiments.checks import free_offset, problems_of_experiment
from engine.experiments.layers import LayerUse, layers_of
from engine.experiments.log_answers import LogAnswer
from engine.experiments.reach import VariantReach
from engine.model.experiment import Experiment
from engine.model.resource import Resource
from web.experiments.experiment_size import (
    AudienceReach,
    SizeView,
    differences,
    reach_of,
    size_view,
)
from web.experiments.experiment_words import METRICS, UNITS, name_of, tolerated_text
from web.experiments.log_words import answer_text, counts
from web.format import Show
from web.reader import FigureReader

WEEK_DAYS = 7


CheckId = Literal["audience", "layer", "variants", "log", "size", "weeks", "guardrails", "review"]


class Check(msgspec.Struct, frozen=True):
    """A point of the checklist. `needed`: the experiment cannot start without it. `running`: look again soon."""

    id: CheckId
    title: str
    text: str = msgspec.field(name="detail")
    is_done: bool = msgspec.field(name="done")
    is_needed: bool = msgspec.field(name="needed", default=False)
    is_running: bool = msgspec.field(name="running", default=False)


TITLES: Mapping[CheckId, str] = {
    "audience": "The audience came last week",
    "layer": "The layer has room",
    "variants": "The variants differ",
    "log": "The log was asked",
    "size": "Enough customers come in time",
    "weeks": "It runs for whole weeks",
    "guardrails": "A guardrail is set",
    "review": "A second person approved",
}


def _check(id: CheckId, text: str, *, is_done: bool, is_needed: bool = False, is_running: bool = False) -> Check:
    return Check(id, TITLES[id], text, is_done, is_needed, is_running)


async def checklist(frame: FigureReader, configuration: Configuration, resource: Resource) -> Sequence[Check]:
    """Return the points to check before a start."""
    document: Experiment = resource.document
    reach = await reach_of(frame, configuration, resource.placement, document.audience)
    size = await size_view(frame, resource.placement, document, reach)
    answers = await frame.engine.log_questions.answers(frame.merchant.id, resource)
    checks = [
        _audience(document, reach),
        _layer(document, configuration.documents("experiment", resource.placement), frame.show),
        _variants(configuration, resource, await differences(frame, configuration, resource), frame.show),
        _log(document, answers, frame.show),
        _size(document, size, answers, frame.show),
        _weeks(document, frame.show),
        _guardrails(document),
    ]
    return [*checks, _review(document)] if frame.merchant.review else checks


def _audience(document: Experiment, reach: AudienceReach) -> Check:
    if not reach.decisions:
        return _check("audience", "There was no decision at this placement in the last 7 days.", is_done=False)
    if not reach.inside:
        return _check("audience", f"None of the newest {reach.decisions} decisions is in the audience.", is_done=False)
    if document.audience is None:
        return _check("audience", "Everybody is in the audience.", is_done=True)
    text = f"{reach.inside} of the newest {reach.decisions} decisions of the last 7 days are in the audience."
    return _check("audience", text, is_done=True)


def _layer(document: Experiment, experiments: Sequence[Experiment], show: Show) -> Check:
    others = [each for each in experiments if each.id != document.id]
    empty = LayerUse(document.layer, 1.0, 1.0, [])
    use = next((use for use in layers_of(others) if use.layer == document.layer), empty)
    part, has_room = show.percent(document.share, digits=0), free_offset(document, experiments) is not None
    if has_room:
        free = show.percent(use.free, digits=0)
        text = f"It takes {part} of the layer “{document.layer}”, of which {free} is free."
        return _check("layer", text, is_done=True, is_needed=True)
    largest = show.percent(use.largest_free, digits=0)
    text = (
        f"It takes {part} of the layer “{document.layer}”, but at most {largest} is free in one piece. "
        "Lower the share, use another layer, or wait until another experiment ends."
    )
    return _check("layer", text, is_done=False, is_needed=True)


def _variants(configuration: Configuration, resource: Resource, reached: Sequence[VariantReach], show: Show) -> Check:
    problems = list(problems_of_experiment(configuration, resource.placement, resource.document))
    if problems:
        text = problems[0].message
        return _check("variants", text[:1].upper() + text[1:], is_done=False, is_needed=True)
    texts = [_difference(resource.document, each, show) for each in reached if each.inside]
    is_done = all(each.differing for each in reached if each.inside)
    text = " ".join(texts) or "No two variants change the same, and what they name is there."
    return _check("variants", text, is_done=is_done)


def _difference(document: Experiment, reach: VariantReach, show: Show) -> str:
    """Say for how many of the latest decisions a variant could have answered otherwise."""
    name, share = name_of(document, reach.variant), show.percent(reach.differing / reach.inside, digits=0)
    if not reach.differing:
        return f"{name} could not have differed in any of the latest {show.count(reach.inside, 'decision')}."
    of = f"{show.number(reach.differing)} of the latest {show.count(reach.inside, 'decision')}"
    return f"{name} could have differed in {of} in the audience ({share})."


def _weeks(document: Experiment, show: Show) -> Check:
    days = document.minimum_days
    if days and days % WEEK_DAYS == 0:
        text = f"At least {show.count(days // WEEK_DAYS, 'week')}: each weekday counts alike."
        return _check("weeks", text, is_done=True)
    weeks = max(1, math.ceil(days / WEEK_DAYS))
    text = f"At least {show.count(days, 'day')}" if days else "No least time is set"
    return _check("weeks", f"{text}: some weekdays count more. Set {weeks * WEEK_DAYS} days.", is_done=False)


def _log(document: Experiment, answers: Sequence[LogAnswer], show: Show) -> Check:
    texts = dict.fromkeys(answer_text(document, answer, show) for answer in answers)
    is_running = any(answer.state == "running" for answer in answers)
    is_done = all(answer.state == "done" for answer in answers)
    return _check("log", " ".join(texts), is_done=is_done, is_running=is_running)


def _size(document: Experiment, size: SizeView, answers: Sequence[LogAnswer], show: Show) -> Check:
    text = f"{size.sentence}." if size.fits is not None else size.sentence
    saved = min((answer.saved_units or 0 for answer in answers), default=0) if counts(document) else 0
    if saved and size.needed:
        fewer = max(0, size.needed - saved)
        text += f" With what the log says about {show.count(fewer, *UNITS[document.unit])} are left to enrol."
    return _check("size", f"{text} {size.warning}".strip(), is_done=bool(size.fits))


def _guardrails(document: Experiment) -> Check:
    names = [
        f"{METRICS[guardrail.metric].lower()} ({tolerated_text(guardrail.metric, guardrail.tolerated_percent)})"
        for guardrail in document.guardrails
    ]
    text = f"Watched: {', '.join(names)}." if names else "Nothing is watched: lost sales are not noticed."
    return _check("guardrails", text, is_done=bool(names))


def _review(document: Experiment) -> Check:
    person = document.status.approved_by
    text = f"Approved by {person}." if person else "A second person must approve the start."
    return _check("review", text, is_done=bool(person), is_needed=True)
