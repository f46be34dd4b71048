"""The logs: search, explain and replay decisions, and list changes of the configuration."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.decisions.logbook import Logged
from engine.decisions.replay import Replay
from engine.kernel.trace import Trace
from engine.model.decision import Decision
from engine.model.history import AuditFilter
from engine.model.outcome import OutcomeRow, Source
from engine.model.placement import Id, Scenario
from engine.model.timestamps import rfc3339
from engine.service import Engine
from web.api.common_types import WITHOUT_NUL, Cursor, CustomerId, Limit, Moment
from web.http.responses import NO_STORE, json_response
from web.openapi.operation import Answer, Operation

DECISIONS, AUDIT = "Decision log", "Audit log"


class Search(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    placement: Annotated[Id, Meta(description="Only of this placement.")] | None = None
    customer_id: Annotated[CustomerId, Meta(pattern=WITHOUT_NUL, description="Only of this customer.")] | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class ExplainLogged(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    explain: Annotated[bool, Meta(description="Also the whole trace, and the outcomes.")] = False


class AuditSearch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    subject: Annotated[
        str, Meta(max_length=200, pattern=WITHOUT_NUL, description="Only of subjects that contain this, as `rule vat`.")
    ] = ""
    limit: Limit = 50
    cursor: Annotated[int, Meta(ge=1, le=2**53, description="`next` of the previous page.")] | None = None


class LoggedDecision(Decision, frozen=True, kw_only=True):
    """The answer as it was given, and when."""

    decided_at: Moment


class LoggedDecisions(msgspec.Struct, frozen=True):
    """A page of decisions, the newest first, and the cursor of the next page."""

    items: list[LoggedDecision]
    next: str | None


class LoggedOutcome(msgspec.Struct, frozen=True):
    event_id: str
    type: str
    candidate_id: str | None
    amount: int | None
    currency: str | None
    occurred_at: Moment
    source: Source


class ExplainedLog(LoggedDecision, frozen=True, kw_only=True):
    """With `?explain=true` also the trace and the outcomes that were reported."""

    trace: Trace | msgspec.UnsetType = msgspec.UNSET
    outcomes: list[LoggedOutcome] | msgspec.UnsetType = msgspec.UNSET


class AuditEntry(msgspec.Struct, frozen=True):
    """A change. `before` and `after` are the documents; null before a creation and after a deletion."""

    id: int
    changed_at: Moment = msgspec.field(name="at")
    actor: str = msgspec.field(name="who")
    action: str
    subject: str
    before: Any
    after: Any
    reason: str = msgspec.field(name="why")
    emergency: Annotated[
        bool, Meta(description="One person did this alone, although a second person must approve changes.")
    ]


class AuditEntries(msgspec.Struct, frozen=True):
    """A page of changes, the newest first, and the cursor of the next page."""

    items: list[AuditEntry]
    next: str | None


@get(
    "/v1/decisions",
    **Operation(
        DECISIONS, "Search decisions", {200: Answer("The decisions, the newest first", LoggedDecisions)}, query=Search
    ).route(),
)
async def search(
    access: NamedDependency[Access], engine: NamedDependency[Engine], parameters: NamedDependency[Search]
) -> Response[bytes]:
    decisions = await engine.logbook.search(
        access.merchant.id,
        placement=parameters.placement,
        customer_id=parameters.customer_id,
        before_id=parameters.cursor,
        limit=parameters.limit + 1,
    )
    items = decisions[: parameters.limit]
    following = items[-1].row.id if len(decisions) > parameters.limit else None
    body = LoggedDecisions([LoggedDecision(**_fields(logged)) for logged in items], following)
    return json_response(body, headers=NO_STORE)


@get(
    "/v1/decisions/{id:str}",
    **Operation(DECISIONS, "Show a decision", {200: Answer("The decision", ExplainedLog)}, query=ExplainLogged).route(),
)
async def show(
    access: NamedDependency[Access],
    engine: NamedDependency[Engine],
    id: FromPath[str],
    parameters: NamedDependency[ExplainLogged],
) -> Response[bytes]:
    if not parameters.explain:
        logged = await engine.logbook.get(access.merchant.id, id)
        return json_response(ExplainedLog(**_fields(logged)), headers=NO_STORE)
    explained = await engine.logbook.explain(access.merchant.id, id)
    fields = _fields(Logged(explained.row, explained.decision))
    outcomes = [logged_outcome(row) for row in explained.outcomes]
    return json_response(ExplainedLog(**fields, trace=explained.trace, outcomes=outcomes), headers=NO_STORE)


@post(
    "/v1/decisions/{id:str}/replay",
    **Operation(
        DECISIONS,
        "Replay a decision",
        {200: Answer("Both answers, and whether they are equal in every byte", Replay)},
        "Repeats the decision from the log, with the plan and the beliefs of that time. Stores nothing.",
    ).route(),
)
async def replay(
    access: NamedDependency[Access], engine: NamedDependency[Engine], id: FromPath[str]
) -> Response[bytes]:
    return json_response(await engine.logbook.replay(access.merchant.id, id), headers=NO_STORE)


@post(
    "/v1/decisions/{id:str}/scenario",
    **Operation(
        DECISIONS,
        "Make a scenario from a decision",
        {200: Answer("A scenario with these facts that expects the certain parts of the answer", Scenario)},
        "The scenario is not stored: change it as you like, then create it among the scenarios of its placement.",
    ).route(),
)
async def scenario(
    access: NamedDependency[Access], engine: NamedDependency[Engine], id: FromPath[str]
) -> Response[bytes]:
    _, document = await engine.scenarios.from_decision(access.merchant.id, id)
    return json_response(document, headers=NO_STORE)


@get(
    "/v1/audit",
    **Operation(
        AUDIT, "List changes", {200: Answer("The changes, the newest first", AuditEntries)}, query=AuditSearch
    ).route(),
)
async def audit(
    access: NamedDependency[Access], engine: NamedDependency[Engine], parameters: NamedDependency[AuditSearch]
) -> Response[bytes]:
    entries = await engine.catalogue.audit(
        access.merchant.id,
        before_id=parameters.cursor,
        narrowed=AuditFilter(parameters.subject),
        limit=parameters.limit + 1,
    )
    items = [
        AuditEntry(
            entry.id,
            rfc3339(entry.changed_at),
            entry.actor,
            entry.action,
            entry.subject,
            _raw(entry.before),
            _raw(entry.after),
            entry.reason,
            entry.emergency,
        )
        for entry in entries[: parameters.limit]
    ]
    following = str(items[-1].id) if len(entries) > parameters.limit else None
    return json_response(AuditEntries(items, following), headers=NO_STORE)


def _fields(logged: Logged) -> dict[str, Any]:
    return {**msgspec.structs.asdict(logged.decision), "decided_at": rfc3339(logged.row.decided_at)}


def logged_outcome(row: OutcomeRow) -> LoggedOutcome:
    """Return a stored outcome as the API shows it."""
    occurred_at = rfc3339(row.occurred_at)
    return LoggedOutcome(row.event_id, row.type, row.candidate, row.amount, row.currency, occurred_at, row.source)


def _raw(text: str | None) -> msgspec.Raw | None:
    return None if text is None else msgspec.Raw(text.encode())


handlers = [search, show, replay, scenario, audit]
