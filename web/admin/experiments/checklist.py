"""What to look at before an experiment starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.configuration.configuration import Configuration
from engine.experiments.checks import problems_of_experiment
from engine.experiments.log_answers import LogAnswer
from engine.model.experiment import Experiment
from engine.model.resource import Resource
from web.admin.experiments.experiment_size import AudienceReach, ExperimentReader, SizeView, reach_of, size_view
from web.admin.experiments.experiment_words import METRICS, UNITS
from web.admin.experiments.log_words import answer_text, counts
from web.format import Show


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
        _variants(configuration, resource),
        _log(document, answers, frame.show),
        _size(document, size, answers, frame.show),
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


def _variants(configuration: Configuration, resource: Resource) -> Check:
    problems = list(problems_of_experiment(configuration, resource.place, resource.document))
    text = problems[0].message if problems else "No two variants change the same, and what they name is there."
    return Check("The variants differ", text[:1].upper() + text[1:], is_done=not problems, is_needed=True)


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
