"""Decide: the endpoints that checkouts call. They read requests without injection, because they are the hot path."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
from litestar import get, post
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.decisions.requests.answers import DecisionAnswer
from engine.kernel.trace import Trace, trace
from engine.model.decision import Decision, Ranked
from engine.model.errors import FieldProblem, Forbidden, NotFound, invalid
from engine.model.placement import Id
from engine.service import Engine
from rules import Wording
from web.api.browsers import BrowserDecision, BrowserMethods, CustomerToken, customer_of, decision_for, methods_for
from web.api.common_types import Personalized, PromptConsent, Slug, Warnings, WithPersonalization
from web.http.access import check_merchant, engine_of, is_personal
from web.http.lenient_reading import LenientReader, customer_text, flag, read_query
from web.http.metrics import DECISIONS, FALLBACK_FAULTS, FALLBACKS, FAULTY_FACTS
from web.http.problem_details import Problem, problem_of
from web.http.rate_limits import admit_more, admitted
from web.http.request_reading import AnyRequest
from web.http.responses import JsonAnswer
from web.openapi import examples
from web.openapi.operation import Answer, Operation, reference

AnyCustomerId = Annotated[
    str | int | None,
    Meta(description="A text of at most 256 characters or a whole number; empty for a guest. Stored as a keyed hash."),
]
Context = Annotated[
    dict[str, Any],
    Meta(description='Facts by group, as `{"cart": {"total": 12900}}`; at most 200, and 256 characters a text.'),
]
METHODS = "payment_methods"
_WHOLE_NUMBER = re.compile("-?[0-9]{1,16}")
TAG = "Decide"
_encode = msgspec.json.Encoder().encode


class DecisionRequest(msgspec.Struct, frozen=True, kw_only=True):
    placement: Id
    customer_id: AnyCustomerId = None
    customer_token: CustomerToken | None = None
    context: Context | None = None
    merchant_id: Slug | None = None
    personalization: WithPersonalization = True


class BatchRequest(msgspec.Struct, frozen=True, kw_only=True):
    placements: Annotated[list[str], Meta(min_length=1, max_length=10)]
    customer_id: AnyCustomerId = None
    customer_token: CustomerToken | None = None
    context: Context | None = None
    merchant_id: Slug | None = None
    personalization: WithPersonalization = True


class Explain(msgspec.Struct, frozen=True):
    explain: Annotated[bool, Meta(description="Also the whole trace.")] = False


class ContextQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A customer and the usual facts as parameters of a URL; `context_of` makes facts of them."""

    customer_id: Annotated[str, Meta(description="Empty for a guest. Stored only as a keyed hash.")] | None = None
    merchant_id: Slug | None = None
    device: Annotated[str, Meta(description="`desktop`, `mobile` or `tablet`.")] | None = None
    country: Annotated[str, Meta(description="ISO 3166-1 alpha-2 or alpha-3.")] | None = None
    currency: Annotated[str, Meta(description="ISO 4217.")] | None = None
    amount: Annotated[int, Meta(description="Whole minor units: 12900 is 129.00 in EUR.")] | None = None
    locale: Annotated[str, Meta(description="As in `de-DE`.")] | None = None


class MethodsQuery(ContextQuery, frozen=True, kw_only=True):
    customer_token: CustomerToken | None = None
    personalization: WithPersonalization = True


class ExplainedDecision(Decision, frozen=True, kw_only=True):
    """A decision; with `?explain=true` also its trace."""

    personalized: Personalized = msgspec.UNSET
    prompt_consent: PromptConsent = msgspec.UNSET
    warnings: Warnings = msgspec.UNSET
    trace: Trace | msgspec.UnsetType = msgspec.UNSET


class PlacementProblem(Problem, frozen=True, kw_only=True):
    """What stands in the place of a decision for a placement that does not exist."""

    placement: str


BATCH_ITEMS = (ExplainedDecision, PlacementProblem)
BatchItem = Annotated[Any, Meta(extra_json_schema={"anyOf": [reference(kind) for kind in BATCH_ITEMS]})]
"""msgspec cannot tell two untagged structs apart, so the schema names them."""


class BatchAnswer(msgspec.Struct, frozen=True):
    """One item per placement, in order: a decision, or a problem with a `status`."""

    decisions: list[BatchItem]


BROWSER_BATCH_ITEMS = (BrowserDecision, PlacementProblem)
BrowserBatchItem = Annotated[Any, Meta(extra_json_schema={"anyOf": [reference(kind) for kind in BROWSER_BATCH_ITEMS]})]


class BrowserBatchAnswer(msgspec.Struct, frozen=True):
    """As a publishable key gets it."""

    decisions: list[BrowserBatchItem]


BATCH_ANSWERS = (BatchAnswer, BrowserBatchAnswer)
BATCH_PARTS = (*BATCH_ITEMS, BrowserDecision)


class Methods(msgspec.Struct, frozen=True):
    """Payment methods in the order to show them in."""

    decision_id: str
    methods: list[Ranked]
    fallback: bool
    personalized: Personalized = msgspec.UNSET
    prompt_consent: PromptConsent = msgspec.UNSET
    warnings: Warnings = msgspec.UNSET


_read_decision = LenientReader(DecisionRequest)
_read_batch = LenientReader(BatchRequest)


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
async def decide(request: AnyRequest) -> JsonAnswer:
    access = await admitted(request, "decisions")
    view = _view(request, access)
    data, warnings = await _read_decision(request, with_warnings=view.with_warnings)
    check_merchant(access, data.merchant_id)
    engine = engine_of(request)
    customer = customer_of(engine, access, customer_text(data.customer_id), data.customer_token)
    personal = is_personal(request, access, requested=data.personalization)
    (answer,) = await engine.decider.decide(
        access.merchant.id, (data.placement,), customer, data.context or {}, personal=personal
    )
    return _respond(request, access, _body(engine, answer, view, warnings), [answer])


@post(
    "/v1/personalize/decisions/batch",
    status_code=200,
    opt=Operation(
        TAG,
        "Decide up to ten placements at once",
        {
            200: Answer(
                "One item per placement, in order",
                (BatchAnswer, BrowserBatchAnswer),
                parts=(*BATCH_ITEMS, BrowserDecision),
            )
        },
        "A placement that does not exist gets a problem at its position; the others are decided. If none exists, "
        "the answer is 404.",
        keys="any",
        query=Explain,
        body=BatchRequest,
        example=examples.BATCH,
        errors=(403, 404),
    ).opt,
)
async def decide_batch(request: AnyRequest) -> JsonAnswer:
    access = await admitted(request, "decisions")
    view = _view(request, access)
    data, warnings = await _read_batch(request, with_warnings=view.with_warnings)
    check_merchant(access, data.merchant_id)
    if len(set(data.placements)) < len(data.placements):
        raise invalid("placements", "must not repeat a placement")
    admit_more(request, access, "decisions", len(data.placements) - 1)
    engine = engine_of(request)
    customer = customer_of(engine, access, customer_text(data.customer_id), data.customer_token)
    personal = is_personal(request, access, requested=data.personalization)
    items = await engine.decider.decide_each(
        access.merchant.id, data.placements, customer, data.context or {}, personal=personal
    )
    answers = [item for item in items if isinstance(item, DecisionAnswer)]
    if not answers:
        raise next(item for item in items if isinstance(item, NotFound))
    bodies = [
        _problem(index, data.placements[index], item)
        if isinstance(item, NotFound)
        else _body(engine, item, view, warnings)
        for index, item in enumerate(items)
    ]
    return _respond(request, access, b'{"decisions":[' + b",".join(bodies) + b"]}", answers)


@get(
    "/v1/personalize/methods",
    opt=Operation(
        TAG,
        "Order the payment methods",
        {200: Answer("The methods, in the order in which to show them", (Methods, BrowserMethods))},
        "The placement `payment_methods`, with the most common facts as parameters.",
        keys="any",
        query=MethodsQuery,
        errors=(403, 404),
    ).opt,
)
async def methods(request: AnyRequest) -> JsonAnswer:
    access = await admitted(request, "decisions")
    query, warnings = read_query(request, MethodsQuery.__struct_fields__)
    check_merchant(access, query.get("merchant_id"))
    engine = engine_of(request)
    customer = customer_of(engine, access, customer_text(query.get("customer_id")), query.get("customer_token"))
    personal = is_personal(request, access, requested=flag_of(query, "personalization"))
    (answer,) = await engine.decider.decide(
        access.merchant.id, (METHODS,), customer, context_of(query), personal=personal
    )
    decision = answer.decision
    body: Methods | BrowserMethods = Methods(decision.decision_id, decision.ranking, decision.fallback)
    if access.key.kind == "publishable":
        body = methods_for(engine, access, answer)
    if not answer.is_personal:
        body = msgspec.structs.replace(body, personalized=False)
    if answer.prompts:
        body = msgspec.structs.replace(body, prompt_consent=True)
    if access.merchant.mode == "test":
        body = msgspec.structs.replace(body, warnings=warnings_of(answer, warnings))
    return _respond(request, access, _encode(body), [answer])


def context_of(query: Mapping[str, str]) -> dict[str, Any]:
    """Return the given parameters as facts by group, as a body has them."""
    amount: str | int | None = query.get("amount")
    if isinstance(amount, str) and _WHOLE_NUMBER.fullmatch(amount):
        amount = int(amount)
    return {
        "device": {"type": query.get("device")},
        "geo": {"country": query.get("country")},
        "cart": {"currency": query.get("currency"), "total": amount},
        "customer": {"locale": query.get("locale")},
    }


def flag_of(query: Mapping[str, str], name: str) -> bool:
    """Return a parameter that is never guessed; true where it is not sent."""
    value = flag(query.get(name, "true"))
    if not isinstance(value, bool):
        raise invalid(name, "must be true or false")
    return value


class View(NamedTuple):
    """What of an answer the caller gets: its warnings with test keys, and with `?explain=true` its trace."""

    explain: bool
    with_warnings: bool
    access: Access

    @property
    def is_browser(self) -> bool:
        return self.access.key.kind == "publishable"


def _view(request: AnyRequest, access: Access) -> View:
    explain = False
    if request.scope["query_string"]:
        explain = read_query(request, ("explain",)).data.get("explain", "").lower() in ("true", "1")
    if explain and access.key.kind == "publishable":
        raise Forbidden(
            "a trace contains rules and customers' histories: request it with a secret key", field="explain"
        )
    return View(explain, explain or access.merchant.mode == "test", access)


def _body(engine: Engine, answer: DecisionAnswer, view: View, warnings: Sequence[FieldProblem]) -> bytes:
    """Return the answer as it was logged, with what the caller gets besides; `warnings` are those of the request."""
    body = _encode(decision_for(engine, view.access, answer)) if view.is_browser else answer.body
    parts = [body[:-1]]
    if view.with_warnings:
        parts += [b',"warnings":', _encode(warnings_of(answer, warnings))]
    if not answer.is_personal:
        parts.append(b',"personalized":false')
    if answer.prompts:
        parts.append(b',"prompt_consent":true')
    if view.explain:
        wording = Wording(currency=view.access.merchant.currency)
        parts += [b',"trace":', _encode(trace(answer.plan, answer.facts, answer.decision, wording))]
    return b"".join([*parts, b"}"]) if len(parts) > 1 else body


def warnings_of(answer: DecisionAnswer, of_request: Sequence[FieldProblem]) -> list[FieldProblem]:
    return [*of_request, *answer.plan.intake.warnings(answer.notes)]


def _problem(index: int, placement: str, error: NotFound) -> bytes:
    problem = problem_of(error)
    return _encode(
        PlacementProblem(
            type=problem.type,
            title=problem.title,
            status=problem.status,
            detail=problem.detail,
            field=f"placements/{index}",
            placement=placement,
        )
    )


def count_answers(request: AnyRequest, access: Access, answers: Sequence[DecisionAnswer]) -> None:
    """Count decisions, fallbacks and facts that were left out."""
    for answer in answers:
        DECISIONS.inc()
        if answer.decision.fallback:
            FALLBACKS.inc()
            FALLBACK_FAULTS.labels(answer.fault).inc()
        if answer.notes:
            engine_of(request).faulty_facts.count(access.merchant.id, answer.notes)
            for kind in {note.kind for note in answer.notes}:
                FAULTY_FACTS.labels(kind).inc()


def _respond(request: AnyRequest, access: Access, body: bytes, answers: Sequence[DecisionAnswer]) -> JsonAnswer:
    count_answers(request, access, answers)
    return JsonAnswer(body)


handlers = [decide, decide_batch, methods]
