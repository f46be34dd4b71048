"""Evaluate flags: what OpenFeature's providers call. The answers and their walls are those of decisions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated

import msgspec
from litestar import Response, post
from litestar.params import FromPath
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.clock import now_ms
from engine.decisions.requests.answers import DecisionAnswer, window_end
from engine.decisions.tokens import DECISION_TOKEN_MINUTES
from engine.model.errors import NotFound
from engine.model.timestamps import MINUTE
from web.api.openfeature.callers import FlagCaller
from web.api.openfeature.contexts import (
    BulkEvaluationRequest,
    ErrorCode,
    EvaluationRefused,
    EvaluationRequest,
    read_context,
)
from web.api.openfeature.event_streams import EventStream, event_streams, plan_versions
from web.api.openfeature.flags import SEPARATOR, EvaluatedFlag, flag_of, flags_of
from web.http.access import access_by_either_header
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


class Flags(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The flags of the named placements and of the values that they set. One that does not exist is not in it.

    `eventStreams` tell a page when to ask again.
    """

    flags: list[EvaluatedFlag]
    event_streams: list[EventStream] = []


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
        caller = FlagCaller(request, access, context)
        (answer,) = await caller.decide([key.partition(SEPARATOR)[0]])
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
    caller = FlagCaller(request, access, context)
    question = _question(caller)
    for tag in entity_tags(request):
        if caller.engine.tokens.proves_answers(tag, access.merchant.id, access.key.id, question, now=now_ms()):
            return Response(b"", status_code=304, headers={"ETag": f'"{tag}"'})
    admit_more(request, access, "decisions", len(context.flags) - 1)
    answers = [answer for answer in await caller.decide(context.flags) if isinstance(answer, DecisionAnswer)]
    flags = [flag for answer in answers for flag in flags_of(*caller.view(answer))]
    streams = event_streams(request, access, context.flags)
    return json_response(Flags(flags, streams), headers=_etag(caller, question, answers))


def _question(caller: FlagCaller) -> str:
    """Return all that the answers depend on but chance and what is learned, as a text."""
    context = caller.context
    versions = [plan_versions(caller.engine, caller.access.merchant.id, [key]) for key in context.flags]
    return json.dumps([context.flags, versions, caller.customer, caller.personal, context.facts], sort_keys=True)


def _etag(caller: FlagCaller, question: str, answers: Sequence[DecisionAnswer]) -> dict[str, str]:
    """Return the header by which the same question is answered with 304 until a decision's window ends.

    Nothing stands for an answer that failed, or of which nothing is stored.
    """
    if not answers or any(answer.decision.fallback or not answer.is_personal for answer in answers):
        return {}
    now = now_ms()
    expires = min(now + DECISION_TOKEN_MINUTES * MINUTE, *(window_end(answer.plan, now) for answer in answers))
    merchant, key = caller.access.merchant.id, caller.access.key.id
    return {"ETag": f'"{caller.engine.tokens.for_answers(merchant, key, question, expires=expires)}"'}


async def _admitted(request: AnyRequest) -> Access:
    access = access_by_either_header(request)
    await admit(request, access, "decisions")
    return access


handlers = [evaluate_flag, evaluate_flags]
