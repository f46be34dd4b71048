"""What happened: logged decisions with their explanation and replay, and who changed what."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from msgspec import Meta

from engine.decisions.logbook import Logged
from engine.decisions.replay import Replay
from engine.kernel.trace import Trace
from engine.model.decision import Decision
from engine.model.placement import Id, Scenario
from engine.model.timestamps import rfc3339
from engine.store.outcomes import OutcomeRow
from web.api.decisions import IN_AN_ADDRESS, CustomerId
from web.api.resources import JSON, Moment
from web.http.access import configuring, engine_of
from web.http.request_reading import query_of
from web.openapi.operation import Answer, Operation

AnyRequest = Request[Any, Any, Any]
DECISIONS, AUDIT = "Decision log", "Audit log"
Limit = Annotated[int, Meta(ge=1, le=200, description="The most items to answer.")]


class Search(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    placement: Annotated[Id, Meta(description="Only of this placement.")] | None = None
    customer_id: Annotated[CustomerId, Meta(pattern=IN_AN_ADDRESS, description="Only of this customer.")] | None = None
    limit: Limit = 50
    cursor: (
        Annotated[str, Meta(max_length=80, pattern=IN_AN_ADDRESS, description="`next` of the page before.")] | None
    ) = None


class Explain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    explain: Annotated[bool, Meta(description="Also the whole trace, and what happened next.")] = False


class AuditSearch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    subject: Annotated[
        str,
        Meta(max_length=200, pattern=IN_AN_ADDRESS, description="Only of subjects that contain this, as `rule vat`."),
    ] = ""
    limit: Limit = 50
    cursor: Annotated[int, Meta(ge=1, le=2**53, description="`next` of the page before.")] | None = None


class LoggedDecision(Decision, frozen=True, kw_only=True):
    """The answer as it was given, and when."""

    decided_at: Moment


class LoggedDecisions(msgspec.Struct, frozen=True):
    """Some decisions, the newest first, and the cursor of the next page."""

    items: list[LoggedDecision]
    next: str | None


class LoggedOutcome(msgspec.Struct, frozen=True):
    event_id: str
    type: str
    candidate_id: str | None
    amount: int | None
    currency: str | None
    occurred_at: Moment


class ExplainedLog(LoggedDecision, frozen=True, kw_only=True):
    """With `?explain=true` also the trace and the outcomes that were reported."""

    trace: Trace | msgspec.UnsetType = msgspec.UNSET
    outcomes: list[LoggedOutcome] | msgspec.UnsetType = msgspec.UNSET


class AuditEntry(msgspec.Struct, frozen=True):
    """`before` and `after` are the documents; null where there was nothing, or is nothing any more."""

    id: int
    at: Moment
    who: str
    action: str
    subject: str
    before: Any
    after: Any


class AuditEntries(msgspec.Struct, frozen=True):
    """Some entries, the newest first, and the cursor of the next page."""

    items: list[AuditEntry]
    next: str | None


@get(
    "/v1/decisions",
    opt=Operation(
        DECISIONS, "Search decisions", {200: Answer("The decisions, the newest first", LoggedDecisions)}, query=Search
    ).opt,
)
async def search(request: AnyRequest) -> Response[bytes]:
    access, wanted = configuring(request), query_of(request, Search)
    found = await engine_of(request).logbook.search(
        access.merchant.id,
        placement=wanted.placement,
        customer_id=wanted.customer_id,
        before_id=wanted.cursor,
        limit=wanted.limit + 1,
    )
    items = found[: wanted.limit]
    following = items[-1].row.id if len(found) > wanted.limit else None
    return _respond(LoggedDecisions([LoggedDecision(**_fields(one)) for one in items], following))


@get(
    "/v1/decisions/{id:str}",
    opt=Operation(DECISIONS, "Show a decision", {200: Answer("The decision", ExplainedLog)}, query=Explain).opt,
)
async def show(request: AnyRequest) -> Response[bytes]:
    access, wanted = configuring(request), query_of(request, Explain)
    logbook, id = engine_of(request).logbook, request.path_params["id"]
    if not wanted.explain:
        return _respond(ExplainedLog(**_fields(await logbook.get(access.merchant.id, id))))
    seen = await logbook.explain(access.merchant.id, id)
    own = _fields(Logged(seen.row, seen.decision))
    return _respond(ExplainedLog(**own, trace=seen.trace, outcomes=[logged_outcome(row) for row in seen.outcomes]))


@post(
    "/v1/decisions/{id:str}/replay",
    status_code=200,
    opt=Operation(
        DECISIONS,
        "Replay a decision",
        {200: Answer("Both answers, and whether they are the same in every byte", Replay)},
        "Makes the decision again from what was logged, by the plan and the beliefs of then. Nothing is stored.",
    ).opt,
)
async def replay(request: AnyRequest) -> Response[bytes]:
    access = configuring(request)
    return _respond(await engine_of(request).logbook.replay(access.merchant.id, request.path_params["id"]))


@post(
    "/v1/decisions/{id:str}/scenario",
    status_code=200,
    opt=Operation(
        DECISIONS,
        "Make a scenario from a decision",
        {200: Answer("A scenario with these facts, which wants what was certain in the answer", Scenario)},
        "It is not stored: change it as you like, and create it among the scenarios of its placement.",
    ).opt,
)
async def scenario(request: AnyRequest) -> Response[bytes]:
    access = configuring(request)
    _, made = await engine_of(request).scenarios.from_decision(access.merchant.id, request.path_params["id"])
    return _respond(made)


@get(
    "/v1/audit",
    opt=Operation(
        AUDIT, "List changes", {200: Answer("The changes, the newest first", AuditEntries)}, query=AuditSearch
    ).opt,
)
async def audit(request: AnyRequest) -> Response[bytes]:
    access, wanted = configuring(request), query_of(request, AuditSearch)
    found = await engine_of(request).catalogue.audit(
        access.merchant.id, before_id=wanted.cursor, subject=wanted.subject, limit=wanted.limit + 1
    )
    items = [
        AuditEntry(one.id, rfc3339(one.at), one.actor, one.action, one.subject, _raw(one.before), _raw(one.after))
        for one in found[: wanted.limit]
    ]
    return _respond(AuditEntries(items, str(items[-1].id) if len(found) > wanted.limit else None))


def _fields(one: Logged) -> dict[str, Any]:
    return {**msgspec.structs.asdict(one.decision), "decided_at": rfc3339(one.row.decided_at)}


def logged_outcome(row: OutcomeRow) -> LoggedOutcome:
    when = rfc3339(row.occurred_at)
    return LoggedOutcome(row.event_id, row.type, row.candidate, row.amount, row.currency, when)


def _raw(text: str | None) -> msgspec.Raw | None:
    return None if text is None else msgspec.Raw(text.encode())


def _respond(body: msgspec.Struct) -> Response[bytes]:
    return Response(msgspec.json.encode(body), media_type=JSON, headers={"Cache-Control": "no-store"})


handlers = [search, show, replay, scenario, audit]
