"""What to look at before an experiment starts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from engine.configuration.configuration import Configuration
from engine.experiments.checks import free_offset, problems_of_experiment
from engine.experiments.layers import LayerUse, free_parts, layers_of
from engine.experiments.log_answers import LogAnswer
from engine.experiments.reach import VariantReach
from engine.model.experiment import Experiment
from engine.model.resource import Resource
from web.admin.experiments.experiment_size import (
    AudienceReach,
    ExperimentReader,
    SizeView,
    differences,
    reach_of,
    size_view,
)
from web.admin.experiments.experiment_words import METRICS, UNITS, name_of
from web.admin.experiments.log_words import answer_text, counts
from web.format import Show

WEEK_DAYS = 7


@dataclass(frozen=True)
class Check:
    """A point of the checklist; `is_needed`: the experiment cannot start without it. `is_running`: look again soon."""

    title: str
    text: str
    is_done: bool
    is_needed: bool = False
    is_running: bool = False


async def checklist(frame: ExperimentReader, configuration: Configuration, resource: Resource) -> Sequence[Check]:
    """Return the points to check before a start."""
    document: Experiment = resource.document
    reach = await reach_of(frame, configuration, resource.place, document.audience)
    size = await size_view(frame, resource.place, document, reach)
    answers = await frame.engine.log_questions.answers(frame.merchant.id, resource)
    checks = [
        _audience(document, reach),
        _layer(document, configuration.documents("experiment", resource.place), frame.show),
        _variants(configuration, resource, await differences(frame, configuration, resource), frame.show),
        _log(document, answers, frame.show),
        _size(document, size, answers, frame.show),
        _weeks(document, frame.show),
        _guardrails(document),
    ]
    return [*checks, _review(document)] if frame.merchant.review else checks


def _audience(document: Experiment, reach: AudienceReach) -> Check:
    title = "The audience came last week"
    if not reach.decisions:
        return Check(title, "There was no decision at this placement in the last 7 days.", is_done=False)
    if not reach.inside:
        return Check(title, f"None of the newest {reach.decisions} decisions is in the audience.", is_done=False)
    if document.audience is None:
        return Check(title, "Everybody is in the audience.", is_done=True)
    text = f"{reach.inside} of the newest {reach.decisions} decisions of the last 7 days are in the audience."
    return Check(title, text, is_done=True)


def _layer(document: Experiment, experiments: Sequence[Experiment], show: Show) -> Check:
    title, others = "The layer has room", [each for each in experiments if each.id != document.id]
    use = next((use for use in layers_of(others) if use.layer == document.layer), LayerUse(document.layer, 1.0, []))
    part, has_room = show.percent(document.share, digits=0), free_offset(document, experiments) is not None
    if has_room:
        free = show.percent(use.free, digits=0)
        text = f"It takes {part} of the layer “{document.layer}”, of which {free} is free."
        return Check(title, text, is_done=True, is_needed=True)
    largest = show.percent(max(free_parts(use), default=0.0), digits=0)
    text = (
        f"It takes {part} of the layer “{document.layer}”, but at most {largest} is free in one piece. "
        "Lower the share, use another layer, or wait until another experiment ends."
    )
    return Check(title, text, is_done=False, is_needed=True)


def _variants(configuration: Configuration, resource: Resource, reached: Sequence[VariantReach], show: Show) -> Check:
    problems = list(problems_of_experiment(configuration, resource.place, resource.document))
    if problems:
        text = problems[0].message
        return Check("The variants differ", text[:1].upper() + text[1:], is_done=False, is_needed=True)
    texts = [_difference(resource.document, each, show) for each in reached if each.inside]
    is_done = all(each.differing for each in reached if each.inside)
    text = " ".join(texts) or "No two variants change the same, and what they name is there."
    return Check("The variants differ", text, is_done=is_done)


def _difference(document: Experiment, reach: VariantReach, show: Show) -> str:
    """Say for how many of the latest decisions a variant could have answered otherwise."""
    name, share = name_of(document, reach.variant), show.percent(reach.differing / reach.inside, digits=0)
    if not reach.differing:
        return f"{name} could not have differed in any of the latest {show.count(reach.inside, 'decision')}."
    of = f"{show.number(reach.differing)} of the latest {show.count(reach.inside, 'decision')}"
    return f"{name} could have differed in {of} in the audience ({share})."


def _weeks(document: Experiment, show: Show) -> Check:
    title, days = "It runs for whole weeks", document.minimum_days
    if days and days % WEEK_DAYS == 0:
        return Check(
            title, f"At least {show.count(days // WEEK_DAYS, 'week')}: each weekday counts alike.", is_done=True
        )
    weeks = max(1, math.ceil(days / WEEK_DAYS))
    text = f"At least {show.count(days, 'day')}" if days else "No least time is set"
    return Check(title, f"{text}: some weekdays count more. Set {weeks * WEEK_DAYS} days.", is_done=False)


def _log(document: Experiment, answers: Sequence[LogAnswer], show: Show) -> Check:
    texts = dict.fromkeys(answer_text(document, answer, show) for answer in answers)
    is_running = any(answer.state == "running" for answer in answers)
    is_done = all(answer.state == "done" for answer in answers)
    return Check("The log was asked", " ".join(texts), is_done=is_done, is_running=is_running)


def _size(document: Experiment, size: SizeView, answers: Sequence[LogAnswer], show: Show) -> Check:
    text = f"{size.sentence}." if size.fits is not None else size.sentence
    saved = min((answer.saved_units or 0 for answer in answers), default=0) if counts(document) else 0
    if saved and size.needed:
        fewer = max(0, size.needed - saved)
        text += f" With what the log says about {show.count(fewer, *UNITS[document.unit])} are left to enrol."
    return Check("Enough customers come in time", f"{text} {size.warning}".strip(), is_done=bool(size.fits))


def _guardrails(document: Experiment) -> Check:
    names = [
        f"{METRICS[guardrail.metric].lower()} (at most {guardrail.tolerated_percent:g}% lost)"
        for guardrail in document.guardrails
    ]
    text = f"Watched: {', '.join(names)}." if names else "Nothing is watched: lost sales are not noticed."
    return Check("A guardrail is set", text, is_done=bool(names))


def _review(document: Experiment) -> Check:
    person = document.status.approved_by
    text = f"Approved by {person}." if person else "A second person must approve the start."
    return Check("A second person approved", text, is_done=bool(person), is_needed=True)
