"""Decide: the endpoints that checkouts call. They read requests without injection, because they are the hot path."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.response.base import ASGIResponse
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.decisions.decide import DecisionAnswer
from engine.kernel.trace import Trace, trace
from engine.model.decision import Decision, Ranked
from engine.model.errors import Forbidden, invalid
from engine.model.placement import Amount, Id
from engine.service import Engine
from rules import Wording
from web.api.browsers import BrowserDecision, BrowserMethods, CustomerToken, customer_of, decision_for, methods_for
from web.api.common_types import WITHOUT_NUL, CustomerId, Slug
from web.http.access import access_of, check_merchant, engine_of
from web.http.metrics import DECISIONS, FALLBACKS
from web.http.request_reading import AnyRequest, QuickReader, query_of
from web.http.responses import JSON, NO_STORE
from web.openapi import examples
from web.openapi.operation import Answer, Operation

Context = Annotated[
    dict[str, Any],
    Meta(description='Facts by group, as `{"cart": {"total": 12900}}`; numbers up to 2**53, nested at most 80 deep.'),
]
METHODS = "payment_methods"
TAG = "Decide"
_encode = msgspec.json.Encoder().encode


class DecisionRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    placement: Id
    customer_id: CustomerId | None = None
    customer_token: CustomerToken | None = None
    context: Context = {}
    merchant_id: Slug | None = None


class BatchRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    placements: Annotated[list[Id], Meta(min_length=1, max_length=10)]
    customer_id: CustomerId | None = None
    customer_token: CustomerToken | None = None
    context: Context = {}
    merchant_id: Slug | None = None


class Explain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    explain: Annotated[bool, Meta(description="Also the whole trace.")] = False


class MethodsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    customer_id: Annotated[CustomerId, Meta(pattern=WITHOUT_NUL)] | None = None
    customer_token: CustomerToken | None = None
    merchant_id: Annotated[Slug, Meta(pattern=WITHOUT_NUL)] | None = None
    device: (
        Annotated[str, Meta(max_length=32, pattern=WITHOUT_NUL, description="`desktop`, `mobile` or `tablet`.")] | None
    ) = None
    country: Annotated[str, Meta(max_length=2, pattern=WITHOUT_NUL, description="ISO 3166-1 alpha-2.")] | None = None
    currency: Annotated[str, Meta(max_length=3, pattern=WITHOUT_NUL, description="ISO 4217.")] | None = None
    amount: Amount | None = None
    locale: Annotated[str, Meta(max_length=35, pattern=WITHOUT_NUL, description="As in `de-DE`.")] | None = None


class ExplainedDecision(Decision, frozen=True, kw_only=True):
    """A decision; with `?explain=true` also its trace."""

    trace: Trace | msgspec.UnsetType = msgspec.UNSET


class BatchAnswer(msgspec.Struct, frozen=True):
    decisions: list[ExplainedDecision]


class BrowserBatchAnswer(msgspec.Struct, frozen=True):
    """As a publishable key gets it."""

    decisions: list[BrowserDecision]


class Methods(msgspec.Struct, frozen=True):
    """Payment methods in the order to show them in."""

    decision_id: str
    methods: list[Ranked]
    fallback: bool


_read_decision: QuickReader[DecisionRequest] = QuickReader(DecisionRequest, is_open=True)
_read_batch: QuickReader[BatchRequest] = QuickReader(BatchRequest, is_open=True)


@post(
    "/v1/personalize/decisions",
    status_code=200,
    opt=Operation(
        TAG,
        "Decide one placement",
        {200: Answer("The answer, which is logged before it is sent", (ExplainedDecision, BrowserDecision))},
        keys="any",
        query=Explain,
        body=DecisionRequest,
        example=examples.DECISION,
        errors=(403, 404),
    ).opt,
)
async def decide(request: AnyRequest) -> ASGIResponse:
    access = access_of(request)
    explain = _explains(request, access)
    data = await _read_decision(request)
    check_merchant(access, data.merchant_id)
    engine = engine_of(request)
    customer = customer_of(engine, access, data.customer_id, data.customer_token)
    (answer,) = await engine.decider.decide(access.merchant.id, (data.placement,), customer, data.context)
    return _respond(_body(engine, answer, explain, access), answer)


@post(
    "/v1/personalize/decisions/batch",
    status_code=200,
    opt=Operation(
        TAG,
        "Decide up to ten placements at once",
        {200: Answer("One answer a placement, in their order", (BatchAnswer, BrowserBatchAnswer))},
        keys="any",
        query=Explain,
        body=BatchRequest,
        example=examples.BATCH,
        errors=(403, 404),
    ).opt,
)
async def decide_batch(request: AnyRequest) -> ASGIResponse:
    access = access_of(request)
    explain = _explains(request, access)
    data = await _read_batch(request)
    check_merchant(access, data.merchant_id)
    if len(set(data.placements)) < len(data.placements):
        raise invalid("placements", "must not repeat a placement")
    engine = engine_of(request)
    customer = customer_of(engine, access, data.customer_id, data.customer_token)
    answers = await engine.decider.decide(access.merchant.id, data.placements, customer, data.context)
    bodies = b",".join(_body(engine, answer, explain, access) for answer in answers)
    return _respond(b'{"decisions":[' + bodies + b"]}", *answers)


@get(
    "/v1/personalize/methods",
    opt=Operation(
        TAG,
        "Order the payment methods",
        {200: Answer("The methods, in the order to show them in", (Methods, BrowserMethods))},
        "The placement `payment_methods`, with the commonest facts as parameters.",
        keys="any",
        query=MethodsQuery,
        errors=(403, 404),
    ).opt,
)
async def methods(request: AnyRequest) -> ASGIResponse:
    access, query = access_of(request), query_of(request, MethodsQuery)
    check_merchant(access, query.merchant_id)
    engine = engine_of(request)
    customer = customer_of(engine, access, query.customer_id, query.customer_token)
    (answer,) = await engine.decider.decide(access.merchant.id, (METHODS,), customer, _context(query))
    if access.key.kind == "publishable":
        return _respond(_encode(methods_for(engine, access, answer)), answer)
    decision = answer.decision
    return _respond(_encode(Methods(decision.decision_id, decision.ranking, decision.fallback)), answer)


def _explains(request: AnyRequest, access: Access) -> bool:
    explain = bool(request.scope["query_string"]) and query_of(request, Explain).explain
    if explain and access.key.kind == "publishable":
        raise Forbidden("a trace tells rules and customers' pasts: ask for it with a secret key", field="explain")
    return explain


def _context(query: MethodsQuery) -> dict[str, Any]:
    """Return the given parameters as facts by group."""
    return _without_none(
        {
            "device": {"type": query.device},
            "geo": {"country": query.country},
            "cart": {"currency": query.currency, "total": query.amount},
            "customer": {"locale": query.locale},
        }
    )


def _without_none(context: dict[str, Any]) -> dict[str, Any]:
    return {
        group: {name: value for name, value in fields.items() if value is not None} for group, fields in context.items()
    }


def _body(engine: Engine, answer: DecisionAnswer, explain: bool, access: Access) -> bytes:
    if access.key.kind == "publishable":
        return _encode(decision_for(engine, access, answer))
    if not explain:
        return answer.body
    wording = Wording(currency=access.merchant.currency)
    encoded = _encode(trace(answer.plan, answer.facts, answer.decision, wording))
    return answer.body[:-1] + b',"trace":' + encoded + b"}"


def _respond(body: bytes, *answers: DecisionAnswer) -> ASGIResponse:
    for answer in answers:
        DECISIONS.inc()
        if answer.decision.fallback:
            FALLBACKS.inc()
    return ASGIResponse(body=body, media_type=JSON, headers=NO_STORE)


handlers = [decide, decide_batch, methods]
