"""The model of a placement that learns from facts: what each fact weighs, by week, and its weekly refits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from engine.insights.learning_history import Insight
from engine.insights.weight_history import WeightHistory
from engine.model.errors import Conflict
from engine.model.offers.refit import Refit, RefitResult
from engine.model.timestamps import DAY
from web.admin.shell.admission import AnyRequest, typed
from web.admin.shell.forms import sentence
from web.admin.shell.frame import Frame, Notice

MOST_FACTS = 12
MOST_REFITS = 6
VERDICTS = {"accepted": ("Accepted", "good"), "left_out": ("Left out", "plain"), "undone": ("Taken back", "warn")}
CLEAR_CHANGE = 1.2
"""A change of the odds by less than this factor is not worth a sentence."""


@dataclass(frozen=True)
class WeightRow:
    """A fact, and its factor of the odds at each moment, the newest first."""

    where: str
    odds: Sequence[str]


@dataclass(frozen=True)
class RefitRow:
    """A refit beside the model that was in force."""

    refitted_at: int
    held_out: str
    before_loss: str
    after_loss: str
    before_expected: str
    after_expected: str
    actual: str
    verdict: str
    kind: str


@dataclass(frozen=True)
class ModelView:
    """The weights of facts and their changes; the refits, the newest first, and the result of the last one."""

    changes: str
    moments: Sequence[int]
    weights: Sequence[WeightRow]
    more_weights: int
    last_refit: str
    refits: Sequence[RefitRow]
    can_go_back: bool


async def model_view(frame: Frame, insight: Insight) -> ModelView | None:
    """Return the model of a placement; None if it does not learn from facts, or has learned nothing yet."""
    history = insight.weights
    if history is None:
        return None
    refits = await frame.engine.refitter.page(frame.merchant.id, insight.placement.key, limit=MOST_REFITS)
    replaced = next((refit for refit in refits if refit.version), None)
    return ModelView(
        changes=_change(frame, history),
        moments=history.moments,
        weights=[
            WeightRow(fact.where, [_times(frame, odds) for odds in fact.odds]) for fact in history.facts[:MOST_FACTS]
        ],
        more_weights=max(0, len(history.facts) - MOST_FACTS),
        last_refit=_last_refit(frame, refits),
        refits=[_row(frame, refit) for refit in refits],
        can_go_back=replaced is not None and replaced.state == "accepted",
    )


@post("/placements/{key:str}/learning/undo-refit", status_code=200)
async def undo_refit(request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str]) -> Response[Any]:
    """Go back to the model before the last refit."""
    frame.must_edit()
    await typed(request)
    try:
        await frame.engine.refitter.go_back(frame.actor, key)
        notice = Notice("The earlier model is in force, with all results since.")
    except Conflict as error:
        notice = Notice(sentence(error.detail))
    return frame.go(f"{frame.base}/placements/{key}/learning", notice=notice)


def _times(frame: Frame, odds: float) -> str:
    return f"×\N{NO-BREAK SPACE}{frame.show.number(odds, digits=2)}"


def _change(frame: Frame, history: WeightHistory) -> str:
    """Say which fact changed most between the oldest and the newest moment."""
    if len(history.moments) < 2 or not history.facts:
        return "Changes appear here once the model is a week old."
    most = max(history.facts, key=lambda fact: max(fact.odds[0] / fact.odds[-1], fact.odds[-1] / fact.odds[0]))
    if max(most.odds[0] / most.odds[-1], most.odds[-1] / most.odds[0]) < CLEAR_CHANGE:
        return f"No weight has changed clearly since {frame.show.day(history.moments[-1])}."
    since = frame.show.day(history.moments[-1])
    was, now = _times(frame, most.odds[-1]), _times(frame, most.odds[0])
    return f"Largest change since {since}: {most.where[0].lower()}{most.where[1:]}, from {was} to {now}."


def _last_refit(frame: Frame, refits: Sequence[Refit]) -> str:
    if not refits:
        return "The first refit comes after a week with at least 20 successes."
    last = refits[0]
    when, tries = frame.show.day(last.refitted_at), frame.show.count(last.result.trained, "try", "tries")
    learned = f"On {when}, the model was learned again from {tries} of the log."
    if last.state == "left_out":
        return f"{learned} It predicted the held-out days worse, so the model in force stayed."
    if last.state == "undone":
        return f"{learned} It was taken back: the earlier model is in force."
    return f"{learned} It predicted the held-out days no worse, so it is in force."


def _row(frame: Frame, refit: Refit) -> RefitRow:
    result, show = refit.result, frame.show
    verdict, kind = VERDICTS[refit.state]
    return RefitRow(
        refitted_at=refit.refitted_at,
        held_out=_days(frame, result),
        before_loss=show.number(result.before.log_loss, digits=4),
        after_loss=show.number(result.after.log_loss, digits=4),
        before_expected=show.number(result.before.expected, digits=1),
        after_expected=show.number(result.after.expected, digits=1),
        actual=show.number(result.after.successes),
        verdict=verdict,
        kind=kind,
    )


def _days(frame: Frame, result: RefitResult) -> str:
    return f"{frame.show.day(result.first_day * DAY)} to {frame.show.day(result.last_day * DAY)}"


handlers = [undo_refit]
