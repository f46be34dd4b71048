"""Trying a checkout on a draft: what it would be answered, and why. Nothing is logged, and nothing is learned."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, post
from msgspec import Meta

from engine.clock import now_ms
from engine.kernel.plan import PlanDocument
from engine.kernel.trace import Trace, trace
from engine.model.decision import Excluded, Ranked, Skipped
from engine.model.facts import Declared, Facts
from engine.model.placement import RuleDocument
from engine.model.timestamps import rfc3339
from rules import Wording
from web.api.decisions import Context
from web.api.drafts import PATH, TAG
from web.api.resources import JSON
from web.http.access import configuring, engine_of
from web.http.request_reading import MOST_BULK_BYTES, document_of
from web.openapi import examples
from web.openapi.operation import Answer, Operation

AnyRequest = Request[Any, Any, Any]


class TrialStart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A checkout's facts; `time.now` may be among them, otherwise it is now. Without `rules` the draft's are tried."""

    context: Context = {}
    rules: (
        Annotated[
            tuple[RuleDocument, ...], Meta(max_length=5_000, description="Try these in the place of the draft's rules.")
        ]
        | None
    ) = None


class TrialAnswer(msgspec.Struct, frozen=True):
    """The likeliest answer for a customer without a past, by what is believed now.

    `slots`: the chance of each candidate in each slot that is drawn; empty for one that is pinned.
    """

    ranking: list[Ranked]
    excluded: list[Excluded]
    values: dict[str, bool | int | float | str]
    rules: Annotated[list[str], Meta(description="Those that fired.")]
    skipped: list[Skipped]
    slots: list[dict[str, float]]
    trace: Trace


@post(
    f"{PATH}/trial",
    status_code=200,
    request_max_body_size=MOST_BULK_BYTES,
    opt=Operation(
        TAG,
        "Try a checkout on a draft",
        {200: Answer("What it would be answered, and what each rule saw", TrialAnswer)},
        "Nothing is logged, and nothing is learned.",
        body=TrialStart,
        example=examples.TRIAL,
        errors=(409,),
    ).opt,
)
async def try_checkout(request: AnyRequest) -> Response[bytes]:
    access = configuring(request)
    wanted: TrialStart = await document_of(request, TrialStart, most_bytes=MOST_BULK_BYTES)
    engine, placement = engine_of(request), str(request.path_params["placement"])
    _, document = await engine.drafts.plan(access.merchant.id, placement, rules=wanted.rules)
    facts = _facts(document, wanted.context)
    trial = await engine.trials.answer(access.merchant.id, document, facts)
    decision = trial.decision
    body = TrialAnswer(
        decision.ranking,
        decision.excluded,
        decision.values,
        decision.rules,
        decision.skipped,
        trial.slots,
        trace(trial.plan, facts, decision, Wording(currency=access.merchant.currency)),
    )
    return Response(msgspec.json.encode(body), media_type=JSON, headers={"Cache-Control": "no-store"})


def _facts(document: PlanDocument, context: dict[str, Any]) -> Facts:
    values = Declared(frozenset(field.name for field in document.fields)).flatten(context)
    values.setdefault("time.now", rfc3339(now_ms()))
    return Facts(values)


handlers = [try_checkout]
