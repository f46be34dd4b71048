"""What a mail about an alert says, and the page that it links to."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from engine.configuration.configuration import Configuration
from engine.model.events.event import (
    ArmJump,
    BudgetAlert,
    CandidateOutage,
    CompletedExperiment,
    MetricAlert,
    PredictionAlert,
    StoredEvent,
)
from engine.model.events.event_types import EVENT_TYPES
from engine.model.resource_kinds import Kind
from engine.model.timestamps import ms_of
from web.format import Show
from web.overview.alarm_words import alarm_words


class AlertWords(NamedTuple):
    """A title, what changed in a sentence, and the path of the page inside a side of the admin."""

    title: str
    text: str
    path: str


def alert_words(event: StoredEvent, configuration: Configuration, show: Show) -> AlertWords:
    """Return what an event says to people."""
    names = _EventNames(configuration)
    body = msgspec.json.decode(event.body, type=type(EVENT_TYPES[event.type].example))
    match body:
        case MetricAlert():
            words = alarm_words(show, body)
            page = f"/decisions?placement={body.placement}" if words.kind == "bad" else f"/placements/{body.placement}"
            if body.kind == "latency":
                page = f"/?placement={body.placement}"
            return AlertWords(f"{words.mark}: {names.placement(body.placement)}", words.text, page)
        case CandidateOutage():
            return _outage(event, body, names, show)
        case BudgetAlert():
            name = names.of("budget", "", body.budget)
            title = f"Budget used up: {name}" if body.percent >= 100 else f"{body.percent}% of a budget: {name}"
            return AlertWords(
                title, f"{body.percent}% of the budget “{name}” is spent or held.", f"/budgets/{body.budget}"
            )
        case ArmJump():
            label = names.of("candidate", body.placement, body.candidate_id)
            text = f"The success rate of {label} changed at once. What was learned of it before counts no more."
            path = f"/placements/{body.placement}/performance/{body.candidate_id}"
            return AlertWords(f"Jump: {label}", text, path)
        case PredictionAlert():
            weeks = show.count(len(body.weeks), "figure of a week", "figures of weeks")
            text = f"What the model expected differs from what came by more than noise, in {weeks}."
            return AlertWords(
                f"Predictions off: {names.placement(body.placement)}", text, f"/placements/{body.placement}/learning"
            )
        case CompletedExperiment():
            name = names.of("experiment", body.placement, body.experiment_id)
            reason = f": {body.reason}" if body.reason else ""
            text = f"The experiment “{name}” was {body.state}{reason.rstrip('.')}."
            return AlertWords(
                f"Experiment {body.state}: {name}", text, f"/experiments/{body.placement}/{body.experiment_id}"
            )
    raise ValueError(f"“{event.type}” is no alert")


def _outage(event: StoredEvent, body: CandidateOutage, names: _EventNames, show: Show) -> AlertWords:
    label, path = names.of("candidate", body.placement, body.candidate_id), f"/placements/{body.placement}/candidates"
    since = show.moment(ms_of(body.since))
    if event.type == "outage.ended":
        return AlertWords(f"Back: {label}", f"{label} succeeds again. It seemed to be down since {since}.", path)
    return AlertWords(f"Down: {label}", f"{label} seems to be down since {since}.", path)


class _EventNames:
    """The names of what events are about; what was deleted keeps its id."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration

    def placement(self, key: str) -> str:
        return self.of("placement", "", key)

    def of(self, kind: Kind, placement: str, id: str) -> str:
        resource = self._configuration.find(kind, placement, id)
        document = resource.document if resource else None
        name = getattr(document, "label", "") or getattr(document, "name", "")
        return name.replace("\n", " ") or id
