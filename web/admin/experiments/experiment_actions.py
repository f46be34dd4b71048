"""What may be done to an experiment, by its state."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import NamedTuple

from engine.model.errors import FieldProblem, Invalid, NotFound
from engine.model.experiment import Experiment, State
from engine.model.resource import Resource
from web.admin.shell.frame import Frame

REASON = "reason:"
"""What the name of an action's reason begins with; each action has its own field."""


class Action(NamedTuple):
    """An action; `needs` is "reason" or "winner" where more must be filled in, `changes` who may do it."""

    name: str
    label: str
    text: str
    states: tuple[State, ...]
    needs: str = ""
    needs_publisher: bool = True
    notice: str = "Done."


ACTIONS = (
    Action(
        "ask-log", "Ask the log", "", ("draft", "in_review", "approved"), needs_publisher=False,
        notice="The log is being read. The answer appears below.",
    ),
    Action("ask", "Ask for approval", "", ("draft",), needs_publisher=False, notice="A second person may approve it."),
    Action("approve", "Approve", "", ("in_review",), notice="Approved. It can be started now."),
    Action(
        "schedule", "Schedule the start", "", ("draft",), notice="Scheduled: it starts by itself at the planned time.",
    ),
    Action("send-back", "Send back", "", ("in_review", "approved"), needs_publisher=False, notice="A draft again."),
    Action("start", "Start", "", ("draft", "approved"), notice="Started: customers are enrolled from now on."),
    Action("resume", "Resume", "", ("paused",), notice="Resumed: the same customers get the same variants."),
    Action(
        "pause", "Pause", "Everybody gets the control within a minute, until you resume.", ("running",), "reason",
        notice="Paused: everybody gets the control.",
    ),
    Action(
        "stop", "Stop without a winner", "Everybody gets the control. It cannot be resumed.", ("running", "paused"),
        "reason", notice="Stopped: everybody gets the control.",
    ),
    Action(
        "conclude", "Conclude", "What the winner changes is published and in force for everybody.",
        ("running", "paused", "stopped"), "winner", notice="Concluded.",
    ),
    Action(
        "archive", "Archive", "", ("stopped", "concluded"), needs_publisher=False,
        notice="Archived. Restore it from the end of the list.",
    ),
    Action("restore", "Restore", "", ("archived",), needs_publisher=False, notice="Restored."),
    Action("delete", "Delete", "", ("draft", "in_review", "approved"), needs_publisher=False, notice="Deleted."),
)  # fmt: skip
PRIMARY = ("start", "approve", "resume", "ask")


def actions_for(frame: Frame, document: Experiment) -> Sequence[Action]:
    """Return what this person may do in the present state."""
    return [
        action
        for action in ACTIONS
        if document.status.state in action.states
        and (frame.may_edit if action.needs_publisher else frame.may_change)
        and _fits_review(action, document, review=frame.merchant.review)
    ]


def action_of(name: str) -> Action:
    """Return an action; `NotFound` where there is none."""
    action = next((each for each in ACTIONS if each.name == name), None)
    if action is None:
        raise NotFound(f"there is no action “{name}”")
    return action


async def carry_out(frame: Frame, action: Action, resource: Resource, values: Mapping[str, str]) -> None:
    """Carry out an action; raises `Conflict`, `Invalid` or `Forbidden` where it is refused."""
    service, actor = frame.engine.experiments, frame.actor
    placement, id = resource.placement, resource.id
    reason = values.get(f"{REASON}{action.name}", "").strip()
    match action.name:
        case "pause":
            await service.pause(actor, placement, id, reason=reason)
        case "stop":
            await service.stop(actor, placement, id, reason=reason)
        case "conclude":
            winner = values.get("winner", "")
            if not winner:
                missing = [FieldProblem("winner", "choose which variant stays")]
                raise Invalid(*missing, *([] if reason else [FieldProblem("reason", "say why: others will read it")]))
            await service.conclude(actor, placement, id, winner=winner, reason=reason)
        case "ask-log":
            await frame.engine.log_questions.ask(actor, resource)
        case "delete":
            await service.delete(actor, placement, id, version=None)
        case _:
            await _plain(frame, action.name, placement, id)


def _plain(frame: Frame, name: str, placement: str, id: str) -> Awaitable[Resource]:
    """Carry out an action that needs nothing but the experiment."""
    service = frame.engine.experiments
    plain = {
        "ask": service.ask,
        "approve": service.approve,
        "schedule": service.schedule,
        "send-back": service.send_back,
        "start": service.start,
        "resume": service.resume,
        "archive": service.archive,
        "restore": service.restore,
    }
    return plain[name](frame.actor, placement, id)


def _fits_review(action: Action, document: Experiment, *, review: bool) -> bool:
    """Return whether an action makes sense where a second person must approve, or need not."""
    if action.name == "ask":
        return review
    if action.name == "schedule":
        return not review and document.starts_at is not None
    if action.name == "start":
        return not review or document.status.state == "approved"
    return True
