"""What is done with an experiment by its name alone, and perhaps a reason: for the API and the command line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from engine.experiments.experiments import Experiments
from engine.model.actor import Actor
from engine.model.resource import Resource

Act = Callable[[Experiments, Actor, str, str, str], Awaitable[Resource]]
"""Takes the placement, the experiment's id and the reason."""


class ExperimentAction(NamedTuple):
    """An action; `takes_reason` where a reason is stored, `needs_reason` where it is refused without one."""

    name: str
    summary: str
    about: str
    act: Act
    takes_reason: bool = False
    needs_reason: bool = False


ACTIONS = (
    ExperimentAction(
        "ask",
        "Ask for approval",
        "If changes need a second person.",
        lambda service, actor, placement, id, _reason: service.ask(actor, placement, id),
    ),
    ExperimentAction(
        "send-back",
        "Make an experiment a draft again",
        "This also withdraws the review and the approval.",
        lambda service, actor, placement, id, _reason: service.send_back(actor, placement, id),
    ),
    ExperimentAction(
        "schedule",
        "Schedule the start of an experiment",
        "It starts by itself at `starts_at`. If changes need a second person, ask for approval instead.",
        lambda service, actor, placement, id, _reason: service.schedule(actor, placement, id),
    ),
    ExperimentAction(
        "start",
        "Start an experiment",
        "Enrols customers from the next decision on.",
        lambda service, actor, placement, id, reason: service.start(actor, placement, id, reason=reason),
        takes_reason=True,
    ),
    ExperimentAction(
        "pause",
        "Pause an experiment",
        "All customers get the control until it is resumed.",
        lambda service, actor, placement, id, reason: service.pause(actor, placement, id, reason=reason),
        takes_reason=True,
        needs_reason=True,
    ),
    ExperimentAction(
        "resume",
        "Resume an experiment",
        "Customers get their earlier variants again.",
        lambda service, actor, placement, id, reason: service.resume(actor, placement, id, reason=reason),
        takes_reason=True,
    ),
    ExperimentAction(
        "stop",
        "Stop an experiment",
        "All customers get the control until it is concluded or archived.",
        lambda service, actor, placement, id, reason: service.stop(actor, placement, id, reason=reason),
        takes_reason=True,
        needs_reason=True,
    ),
    ExperimentAction(
        "archive",
        "Archive an experiment",
        "Removes a draft or an ended experiment from the list.",
        lambda service, actor, placement, id, _reason: service.archive(actor, placement, id),
    ),
    ExperimentAction(
        "restore",
        "Restore an archived experiment",
        "Returns it to the list; customers are not enrolled again.",
        lambda service, actor, placement, id, _reason: service.restore(actor, placement, id),
    ),
)
