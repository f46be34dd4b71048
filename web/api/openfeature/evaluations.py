"""Evaluate flags: what OpenFeature's providers call. The answers and their walls are those of decisions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, NamedTuple

import msgspec
from litestar import Response, post
from litestar.params import FromPath
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.clock import now_ms
from engine.decisions.requests.answers import DecisionAnswer, window_end
from engine.decisions.tokens import DECISION_TOKEN_MINUTES
from engine.model.errors import NotFound
from engine.model.placement import Shape
from engine.model.timestamps import MINUTE
from engine.service import Engine
from web.api.browsers import customer_of, decision_for
from web.api.decisions import count_answers, warnings_of
from web.api.openfeature.contexts import (
    BulkEvaluationRequest,
    ErrorCode,
    EvaluationContext,
    EvaluationRefused,
    EvaluationRequest,
    read_context,
)
from web.api.openfeature.flags import SEPARATOR, AnyDecision, EvaluatedFlag, Primitive, flag_of, flags_of
from web.http.access import access_by_either_header, engine_of, is_personal
from web.http.rate_limits import admit, admit_more
from web.http.request_reading import AnyRequest, entity_tags
from web.http.responses import json_response
from web.openapi import examples
from web.openapi.operation import Answer, Operation

PATH = "/ofrep/v1/evaluate/flags"
TAG = "OpenFeature"
KEYS = "The key may stand in `X-API-Key` instead. Facts and limits are those of `/v1/personalize/decisions`."
ErrorDetails = Annotated[str, Meta(description="What to correct.")]


class EvaluationFailure(msgspec.Struct, frozen=True, rename="camel"):
    """Why a flag has no value."""

    key: str
    error_code: ErrorCode
    error_details: ErrorDetails


class BulkFailure(msgspec.Struct, frozen=True, rename="camel"):
    """Why no flag has a value."""

    error_code: ErrorCode
    error_details: ErrorDetails


class Flags(msgspec.Struct, frozen=True):
    """The flags of the named placements and of the values that they set. One that does not exist is not in it."""

    flags: list[EvaluatedFlag]


@post(
    f"{PATH}/{{key:str}}",
    status_code=200,
    opt=Operation(
        TAG,
        "Evaluate a flag",
        {
            200: Answer("The flag; its decision is logged before it is sent", EvaluatedFlag),
            400: Answer("The body or its context is invalid", EvaluationFailure),
            404: Answer("There is no such placement", EvaluationFailure),
        },
        f"Decides a placement: its key is the flag's. `payment_methods{SEPARATOR}show_cvv` is the value "
        f"`show_cvv` that rules set there. {KEYS}",
        keys="any",
        body=EvaluationRequest,
        example=examples.EVALUATION,
        errors=(403,),
    ).opt,
)
async def evaluate_flag(request: AnyRequest, key: FromPath[str]) -> Response[bytes]:
    access = await _admitted(request)
    try:
        context = await read_context(request, with_warnings=access.merchant.mode == "test")
        caller = _Caller(request, access, context)
        (answer,) = await _decide(caller, [key.partition(SEPARATOR)[0]])
        if isinstance(answer, NotFound):
            raise EvaluationRefused("FLAG_NOT_FOUND", answer.detail)
    except EvaluationRefused as error:
        status = 404 if error.code == "FLAG_NOT_FOUND" else 400
        return json_response(EvaluationFailure(key, error.code, error.detail), status=status)
    decision, shape, more = caller.view(answer)
    return json_response(flag_of(key, decision, shape, more))


@post(
    PATH,
    status_code=200,
    opt=Operation(
        TAG,
        "Evaluate several flags",
        {
            200: Answer("The flags; their decisions are logged before they are sent", Flags, ("ETag",)),
            304: Answer(
                "The answer with the ETag of `If-None-Match` still stands; nothing was decided", None, ("ETag",)
            ),
            400: Answer("The body or its context is invalid", BulkFailure),
        },
        "Decides the placements that the context names in `flags`, up to ten, because each decision is logged and "
        f"learned from. {KEYS}",
        keys="any",
        body=BulkEvaluationRequest,
        example=examples.EVALUATIONS,
        errors=(403,),
    ).opt,
)
async def evaluate_flags(request: AnyRequest) -> Response[bytes]:
    access = await _admitted(request)
    try:
        context = await read_context(request, with_warnings=access.merchant.mode == "test")
        if not context.flags:
            raise EvaluationRefused("INVALID_CONTEXT", "flags: name the placements to decide, separated by commas")
    except EvaluationRefused as error:
        return json_response(BulkFailure(error.code, error.detail), status=400)
    caller = _Caller(request, access, context)
    question = caller.question()
    for tag in entity_tags(request):
        if caller.engine.tokens.proves_answers(tag, access.merchant.id, access.key.id, question, now=now_ms()):
            return Response(b"", status_code=304, headers={"ETag": f'"{tag}"'})
    admit_more(request, access, "decisions", len(context.flags) - 1)
    answers = [answer for answer in await _decide(caller, context.flags) if isinstance(answer, DecisionAnswer)]
    flags = [flag for answer in answers for flag in flags_of(*caller.view(answer))]
    return json_response(Flags(flags), headers=caller.etag(question, answers))


class _Caller(NamedTuple):
    """The key that calls, and the customer that it names."""

    request: AnyRequest
    access: Access
    context: EvaluationContext

    @property
    def engine(self) -> Engine:
        return engine_of(self.request)

    @property
    def customer(self) -> str | None:
        return customer_of(self.engine, self.access, self.context.customer, self.context.customer_token)

    @property
    def personal(self) -> bool:
        return is_personal(self.request, self.access, asked=self.context.personalization)

    def view(self, answer: DecisionAnswer) -> tuple[AnyDecision, Shape, dict[str, Primitive]]:
        """Return the decision as the caller's kind of key gets it, its shape, and further metadata."""
        is_browser = self.access.key.kind == "publishable"
        decision = decision_for(self.engine, self.access, answer) if is_browser else answer.decision
        more: dict[str, Primitive] = {}
        if not answer.is_personal:
            more["personalized"] = False
        if answer.prompts:
            more["prompt_consent"] = True
        warnings = warnings_of(answer, self.context.warnings) if self.access.merchant.mode == "test" else []
        if warnings:
            more["warnings"] = "; ".join(f"{warning.field}: {warning.message}" for warning in warnings)
        return decision, answer.plan.placement.shape, more

    def question(self) -> str:
        """Return all that the answers depend on but chance and what is learned, as a text."""
        actives = {key: self.engine.live.get(self.access.merchant.id, key) for key in self.context.flags}
        versions = [(key, active.plan.version if active else 0) for key, active in actives.items()]
        return json.dumps([versions, self.customer, self.personal, self.context.facts], sort_keys=True)

    def etag(self, question: str, answers: Sequence[DecisionAnswer]) -> dict[str, str]:
        """Return the header by which the same question is answered with 304 until a decision's window ends.

        Nothing stands for an answer that failed, or of which nothing is stored.
        """
        if not answers or any(answer.decision.fallback or not answer.is_personal for answer in answers):
            return {}
        now = now_ms()
        expires = min(now + DECISION_TOKEN_MINUTES * MINUTE, *(window_end(answer.plan, now) for answer in answers))
        merchant, key = self.access.merchant.id, self.access.key.id
        return {"ETag": f'"{self.engine.tokens.for_answers(merchant, key, question, expires=expires)}"'}


async def _admitted(request: AnyRequest) -> Access:
    access = access_by_either_header(request)
    await admit(request, access, "decisions")
    return access


async def _decide(caller: _Caller, placements: Sequence[str]) -> list[DecisionAnswer | NotFound]:
    merchant, facts = caller.access.merchant.id, caller.context.facts
    decider = caller.engine.decider
    answers = await decider.decide_each(merchant, placements, caller.customer, facts, personal=caller.personal)
    count_answers(caller.request, caller.access, [each for each in answers if isinstance(each, DecisionAnswer)])
    return answers


handlers = [evaluate_flag, evaluate_flags]
