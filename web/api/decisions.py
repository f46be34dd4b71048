"""Ask for decisions: what the checkout calls."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Parameter
from msgspec import Meta

from engine.decide import Answer
from engine.errors import invalid
from engine.explain import Trace, trace
from engine.kernel import Decision, Ranked
from engine.placement import Id
from web.access import access_of, engine_of
from web.metrics import DECISIONS, FALLBACKS

CustomerId = Annotated[str, Meta(min_length=1, max_length=256, description="Kept only as a keyed hash.")]
Context = Annotated[dict[str, Any], Meta(description='Facts by group, as `{"cart": {"total": 12900}}`.')]
Slug = Annotated[str, Meta(max_length=64, description="Where given, the key's own merchant.")]

JSON = "application/json"
METHODS = "payment_methods"
_encode = msgspec.json.Encoder().encode


class DecisionRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    placement: Id
    customer_id: CustomerId | None = None
    context: Context = {}
    merchant_id: Slug | None = None


class BatchRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    placements: Annotated[list[Id], Meta(min_length=1, max_length=10)]
    customer_id: CustomerId | None = None
    context: Context = {}
    merchant_id: Slug | None = None


class ExplainedDecision(Decision, frozen=True, kw_only=True):
    """A decision; with `?explain=true` also its trace."""

    trace: Trace | None = None


class BatchAnswer(msgspec.Struct, frozen=True):
    decisions: list[ExplainedDecision]


class Methods(msgspec.Struct, frozen=True):
    """Payment methods in the order to show them in."""

    decision_id: str
    methods: list[Ranked]
    fallback: bool


@post(
    "/v1/personalize/decisions",
    status_code=200,
    responses={200: ResponseSpec(ExplainedDecision, description="The answer")},
    summary="Decide one placement",
)
async def decide(request: Request[Any, Any, Any], data: DecisionRequest, explain: bool = False) -> Response[bytes]:
    access = access_of(request, merchant_id=data.merchant_id)
    (answer,) = await engine_of(request).decider.decide(
        access.merchant.id, (data.placement,), data.customer_id, data.context
    )
    return _respond(_body(answer, explain), answer)


@post(
    "/v1/personalize/decisions/batch",
    status_code=200,
    responses={200: ResponseSpec(BatchAnswer, description="One answer a placement, in their order")},
    summary="Decide up to ten placements at once",
)
async def decide_batch(request: Request[Any, Any, Any], data: BatchRequest, explain: bool = False) -> Response[bytes]:
    access = access_of(request, merchant_id=data.merchant_id)
    if len(set(data.placements)) < len(data.placements):
        raise invalid("placements", "names a placement twice")
    answers = await engine_of(request).decider.decide(
        access.merchant.id, data.placements, data.customer_id, data.context
    )
    bodies = b",".join(_body(answer, explain) for answer in answers)
    return _respond(b'{"decisions":[' + bodies + b"]}", *answers)


@get(
    "/v1/personalize/methods",
    responses={200: ResponseSpec(Methods, description="The methods in order")},
    summary="Order the payment methods",
)
async def methods(
    request: Request[Any, Any, Any],
    customer_id: CustomerId | None = None,
    merchant_id: Slug | None = None,
    device: Annotated[str | None, Parameter(max_length=32)] = None,
    country: Annotated[str | None, Parameter(max_length=2)] = None,
    currency: Annotated[str | None, Parameter(max_length=3)] = None,
    amount: Annotated[int | None, Parameter(ge=0, le=2**53)] = None,
    locale: Annotated[str | None, Parameter(max_length=35)] = None,
) -> Response[bytes]:
    access = access_of(request, merchant_id=merchant_id)
    context = {
        "device": {"type": device},
        "geo": {"country": country},
        "cart": {"currency": currency, "total": amount},
        "customer": {"locale": locale},
    }
    (answer,) = await engine_of(request).decider.decide(
        access.merchant.id, (METHODS,), customer_id, _without_gaps(context)
    )
    decision = answer.decision
    return _respond(_encode(Methods(decision.decision_id, decision.ranking, decision.fallback)), answer)


def _without_gaps(context: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        group: {name: value for name, value in fields.items() if value is not None} for group, fields in context.items()
    }


def _body(answer: Answer, explain: bool) -> bytes:
    if not explain:
        return answer.body
    seen = _encode(trace(answer.plan, answer.facts, answer.decision))
    return answer.body[:-1] + b',"trace":' + seen + b"}"


def _respond(body: bytes, *answers: Answer) -> Response[bytes]:
    for answer in answers:
        DECISIONS.inc()
        if answer.decision.fallback:
            FALLBACKS.inc()
    return Response(body, media_type=JSON, headers={"Cache-Control": "no-store"})


handlers = [decide, decide_batch, methods]
