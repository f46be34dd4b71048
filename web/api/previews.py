"""Previews on the past: start one, follow its progress, read its result, cancel it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.clock import now_ms
from engine.model.actor import Actor
from engine.model.errors import invalid
from engine.model.placement import Id, RuleDocument
from engine.model.timestamps import DAY, rfc3339, to_ms
from engine.previews.alternatives import Alternative
from engine.previews.estimation.result import Result
from engine.previews.previews import MOST_DECISIONS, Period, Preview
from engine.service import Engine
from web.api.common_types import Moment
from web.http.request_reading import MOST_BULK_BYTES
from web.http.responses import NO_STORE, json_response
from web.openapi import examples
from web.openapi.operation import Answer, Operation

TAG = "Previews"
DEFAULT_DAYS = 7


class PreviewStart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rules and a period to try them on; by default the placement's draft on the last seven days."""

    since: Annotated[datetime, Meta(tz=True, description="Decisions from this time on.")] | None = None
    until: Annotated[datetime, Meta(tz=True, description="Decisions before this time.")] | None = None
    limit: Annotated[
        int, Meta(ge=1, le=MOST_DECISIONS, description="The maximum number of decisions to try, newest first.")
    ] = MOST_DECISIONS
    without: (
        Annotated[
            Id,
            Meta(
                description="Measure what this rule brings: the plan in force with the rule, compared with the plan in "
                "force without the rule, on the same decisions. The draft's other changes do not count."
            ),
        ]
        | None
    ) = None
    rules: (
        Annotated[
            tuple[RuleDocument, ...], Meta(max_length=5000, description="Try these instead of the draft's rules.")
        ]
        | None
    ) = None


class PreviewResult(Result, frozen=True, kw_only=True):
    """The answers that the draft would have given, and `effect`, an estimate of the effect on the reward."""

    first_at: Moment  # type: ignore[assignment]
    last_at: Moment  # type: ignore[assignment]


class PreviewState(msgspec.Struct, frozen=True):
    """A preview. `state` is running, done, failed, cancelled or interrupted; `result` is null until it is done."""

    id: str
    placement: str
    state: str
    revision: Annotated[int, Meta(description="The revision of the draft that was tried.")] | None
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
    **Operation(
        TAG,
        "Start a preview",
        {202: Answer("The preview is running; get it by its id until it is done", PreviewState)},
        "Tries the placement's draft on logged decisions, in the background. One preview runs at a time.",
        body=PreviewStart,
        example=examples.PREVIEW,
        errors=(409,),
        most_bytes=MOST_BULK_BYTES,
    ).route(),
)
async def start(
    actor: NamedDependency[Actor],
    engine: NamedDependency[Engine],
    placement: FromPath[str],
    document: NamedDependency[PreviewStart],
) -> Response[bytes]:
    until = to_ms(document.until) if document.until else now_ms()
    since = to_ms(document.since) if document.since else until - DEFAULT_DAYS * DAY
    period = Period(since, until, document.limit)
    if document.without is None:
        preview = await engine.previews.start_draft(actor, placement, period, rules=document.rules)
    elif document.rules is None:
        alternative = Alternative("off", document.without)
        preview = await engine.previews.start_alternative(actor, placement, period, alternative)
    else:
        raise invalid("without", "cannot be combined with rules")
    return _preview(preview, status=202)


@get(
    "/v1/placements/{placement:str}/previews/{id:str}",
    **Operation(
        TAG, "Show a preview", {200: Answer("Its progress, and its result once it is done", PreviewState)}
    ).route(),
)
async def show(
    access: NamedDependency[Access], engine: NamedDependency[Engine], placement: FromPath[str], id: FromPath[str]
) -> Response[bytes]:
    return _preview(await engine.previews.get(access.merchant.id, id, placement=placement))


@delete(
    "/v1/placements/{placement:str}/previews/{id:str}",
    **Operation(
        TAG,
        "Cancel a preview",
        {200: Answer("The preview, which no longer runs", PreviewState)},
        "A preview that has ended does not change.",
    ).route(),
)
async def cancel(
    access: NamedDependency[Access], engine: NamedDependency[Engine], placement: FromPath[str], id: FromPath[str]
) -> Response[bytes]:
    preview = await engine.previews.get(access.merchant.id, id, placement=placement)
    return _preview(await engine.previews.cancel(access.merchant.id, preview.id))


def _preview(preview: Preview, *, status: int = 200) -> Response[bytes]:
    body = PreviewState(
        id=preview.id,
        placement=preview.placement,
        state=preview.state,
        revision=preview.subject.revision,
        without=_rule_measured(preview.subject.alternative),
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
    return json_response(body, status=status, headers=NO_STORE)


def _rule_measured(alternative: Alternative | None) -> str | None:
    return alternative.id if alternative is not None and alternative.change == "off" else None


def _result(result: Result) -> PreviewResult:
    values = msgspec.structs.asdict(result)
    return PreviewResult(**values | {"first_at": rfc3339(result.first_at), "last_at": rfc3339(result.last_at)})


handlers = [start, show, cancel]
