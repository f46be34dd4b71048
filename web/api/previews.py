"""Previews on the past: start one, see how far it is and what it found, cancel it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, post
from msgspec import Meta

from engine.clock import now_ms
from engine.model.placement import Id, RuleDocument
from engine.model.timestamps import DAY, rfc3339, to_ms
from engine.previews.estimation.result import Result
from engine.previews.previews import MOST_DECISIONS, Period, Preview
from web.api.resources import JSON, Moment, actor_of
from web.http.access import configuring, engine_of
from web.http.request_reading import MOST_BULK_BYTES, document_of
from web.openapi import examples
from web.openapi.operation import Answer, Operation

AnyRequest = Request[Any, Any, Any]
TAG = "Previews"
USUAL_DAYS = 7


class PreviewStart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to try on what; without times the last seven days, without `rules` the placement's draft."""

    since: Annotated[datetime, Meta(tz=True, description="Decisions from this moment on.")] | None = None
    until: Annotated[datetime, Meta(tz=True, description="Decisions before this moment.")] | None = None
    limit: Annotated[int, Meta(ge=1, le=MOST_DECISIONS, description="At most so many, the newest of the period.")] = (
        MOST_DECISIONS
    )
    without: Annotated[Id, Meta(description="Leave this rule out, to see what it does.")] | None = None
    rules: (
        Annotated[
            tuple[RuleDocument, ...], Meta(max_length=5000, description="Try these in the place of the draft's rules.")
        ]
        | None
    ) = None


class PreviewResult(Result, frozen=True, kw_only=True):
    """What the draft would have answered, and `effect`, what the past tells of its reward."""

    first_at: Moment  # type: ignore[assignment]
    last_at: Moment  # type: ignore[assignment]


class PreviewState(msgspec.Struct, frozen=True):
    """A preview: `state` is running, done, failed, cancelled or interrupted; `result` is there once it is done."""

    id: str
    placement: str
    state: str
    revision: Annotated[int, Meta(description="The draft's revision that was tried.")] | None
    without: str | None
    since: Moment
    until: Moment
    started_by: str
    started_at: Moment
    done: int
    total: int
    seconds_left: float | None
    problem: str
    result: PreviewResult | None


@post(
    "/v1/placements/{placement:str}/previews",
    status_code=202,
    opt=Operation(
        TAG,
        "Start a preview",
        {202: Answer("It is running; ask again by its id", PreviewState)},
        "Tries the placement's draft on logged decisions, in the background. One runs at a time.",
        body=PreviewStart,
        example=examples.PREVIEW,
        errors=(409,),
    ).opt,
)
async def start(request: AnyRequest) -> Response[bytes]:
    access = configuring(request)
    wanted: PreviewStart = await document_of(request, PreviewStart, most_bytes=MOST_BULK_BYTES)
    until = to_ms(wanted.until) if wanted.until else now_ms()
    preview = await engine_of(request).previews.start_draft(
        actor_of(access),
        request.path_params["placement"],
        Period(to_ms(wanted.since) if wanted.since else until - USUAL_DAYS * DAY, until, wanted.limit),
        without=wanted.without or "",
        rules=wanted.rules,
    )
    return _respond(preview, status=202)


@get(
    "/v1/placements/{placement:str}/previews/{id:str}",
    opt=Operation(TAG, "Show a preview", {200: Answer("How far it is, and what it found", PreviewState)}).opt,
)
async def show(request: AnyRequest) -> Response[bytes]:
    access = configuring(request)
    return _respond(await _preview(request, access.merchant.id))


@delete(
    "/v1/placements/{placement:str}/previews/{id:str}",
    status_code=200,
    opt=Operation(
        TAG,
        "Cancel a preview",
        {200: Answer("It does not run any more", PreviewState)},
        "One that has ended stays as it is.",
    ).opt,
)
async def cancel(request: AnyRequest) -> Response[bytes]:
    access = configuring(request)
    found = await _preview(request, access.merchant.id)
    return _respond(await engine_of(request).previews.cancel(access.merchant.id, found.id))


async def _preview(request: AnyRequest, merchant_id: int) -> Preview:
    parts = request.path_params
    return await engine_of(request).previews.get(merchant_id, parts["id"], placement=parts["placement"])


def _respond(preview: Preview, *, status: int = 200) -> Response[bytes]:
    body = PreviewState(
        id=preview.id,
        placement=preview.placement,
        state=preview.state,
        revision=preview.subject.revision,
        without=preview.subject.without or None,
        since=rfc3339(preview.since),
        until=rfc3339(preview.until),
        started_by=preview.started_by,
        started_at=rfc3339(preview.started_at),
        done=preview.done,
        total=preview.total,
        seconds_left=preview.seconds_left if preview.running else None,
        problem=preview.problem,
        result=_result(preview.result) if preview.result else None,
    )
    return Response(
        msgspec.json.encode(body), media_type=JSON, status_code=status, headers={"Cache-Control": "no-store"}
    )


def _result(result: Result) -> PreviewResult:
    values = msgspec.structs.asdict(result)
    return PreviewResult(**values | {"first_at": rfc3339(result.first_at), "last_at": rfc3339(result.last_at)})


handlers = [start, show, cancel]
