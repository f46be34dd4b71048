"""Weekly refits of a placement's model, its weights, and going back to the model before."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta

from bandits.evaluation.held_out import Fidelity
from engine.accounts.accounts import Access
from engine.clock import now_ms
from engine.model.actor import Actor
from engine.model.offers.refit import Refit, RefitState
from engine.model.timestamps import DAY, rfc3339
from engine.service import Engine
from web.api.common_types import Moment
from web.http.responses import NO_STORE, json_response
from web.openapi.operation import Answer, Operation

TAG = "Placements"
PATH = "/v1/placements/{placement:str}/refits"
Day = Annotated[str, Meta(description="ISO 8601, UTC.")]


class ModelFit(msgspec.Struct, frozen=True):
    """How a model predicts the held-out days; `log_loss` is the mean of a trial in nats, lower is better."""

    log_loss: float
    expected: float
    successes: float


class RefitItem(msgspec.Struct, frozen=True):
    """A refit beside the model in force, on days of which neither had seen a result.

    `state` is `accepted`, `left_out` because it predicted worse, or `undone`. `beliefs_version` is the first one of the
    refit, null if it was left out.
    """

    refitted_at: Moment
    state: RefitState
    beliefs_version: int | None
    trained_trials: int
    held_out_from: Day
    held_out_to: Day
    held_out_trials: float
    before: ModelFit
    refit: ModelFit


class FactOdds(msgspec.Struct, frozen=True):
    """How many times higher the odds of a success are where a fact holds; one number for each of `moments`."""

    where: str
    odds: list[float]


class Refits(msgspec.Struct, frozen=True):
    """Refits and weights, the newest first; only placements that learn from facts have any."""

    items: list[RefitItem]
    moments: list[Moment]
    weights: list[FactOdds]


class Undo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why the refit is taken back."""

    reason: Annotated[str, Meta(max_length=500)] = ""


@get(
    PATH,
    **Operation(
        TAG,
        "List refits of the model",
        {200: Answer("Refits and weights", Refits)},
        "Once a week, a model that learns from facts is learned again from the log. It replaces the model in force if "
        "it predicts the last seven complete days no worse.",
        errors=(404,),
    ).route(),
)
async def list_refits(
    access: NamedDependency[Access], engine: NamedDependency[Engine], placement: FromPath[str]
) -> Response[bytes]:
    return json_response(await _page(engine, access.merchant.id, placement), headers=NO_STORE)


@post(
    f"{PATH}/undo",
    **Operation(
        TAG,
        "Go back to the model before the last refit",
        {200: Answer("Refits and weights", Refits)},
        "The earlier model learns all results that came since and is in force at once. 409 if no refit is in force.",
        body=Undo,
        example={"reason": "Phones get too few offers"},
        errors=(404, 409),
    ).route(),
)
async def undo_refit(
    actor: NamedDependency[Actor],
    engine: NamedDependency[Engine],
    placement: FromPath[str],
    document: NamedDependency[Undo],
) -> Response[bytes]:
    await engine.refitter.go_back(actor, placement, reason=document.reason.strip())
    return json_response(await _page(engine, actor.merchant_id, placement), headers=NO_STORE)


async def _page(engine: Engine, merchant_id: int, placement: str) -> Refits:
    refits = await engine.refitter.page(merchant_id, placement)
    history = await engine.insights.weights.of(merchant_id, placement, now=now_ms())
    moments, facts = (history.moments, history.facts) if history else ((), ())
    weights = [FactOdds(fact.where, [round(value, 3) for value in fact.odds]) for fact in facts]
    return Refits([item_of(refit) for refit in refits], [rfc3339(moment) for moment in moments], weights)


def item_of(refit: Refit) -> RefitItem:
    """Return a refit as it is sent."""
    result = refit.result
    return RefitItem(
        rfc3339(refit.refitted_at),
        refit.state,
        refit.version or None,
        result.trained,
        rfc3339(result.first_day * DAY)[:10],
        rfc3339(result.last_day * DAY)[:10],
        result.before.trials,
        _fit(result.before),
        _fit(result.after),
    )


def _fit(fidelity: Fidelity) -> ModelFit:
    return ModelFit(round(fidelity.log_loss, 5), round(fidelity.expected, 1), fidelity.successes)


handlers = [list_refits, undo_refit]
