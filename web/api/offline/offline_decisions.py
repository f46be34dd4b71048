"""Take over the decisions that clients made by snapshots."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from litestar import Response, post
from msgspec import Meta

import rules
from engine.accounts.accounts import Access
from engine.clock import now_ms
from engine.decisions.offline.intake import LONGEST_WAY, OfflineDecision, OfflineReceipt, Status
from engine.decisions.recorder import Overloaded
from engine.decisions.tokens import DECISION_TOKEN_MINUTES
from engine.model.errors import Unavailable
from engine.model.placement import Id
from engine.model.timestamps import HOUR, MINUTE
from engine.service import Engine
from web.http.access import engine_of, is_personal
from web.http.rate_limits import admit_more, admitted
from web.http.request_reading import KIB, AnyRequest, ItemReader, UnreadItem
from web.http.responses import json_response
from web.openapi import examples
from web.openapi.operation import Answer, Operation

PATH = "/v1/personalize/decisions/offline"
MOST_IN_BULK, MOST_OF_BROWSER = 500, 50
MOST_BYTES = 1024 * KIB
LONGEST_WAIT_SECONDS = 8
NOT_STORED = "not all decisions were stored; send them again with the same ids"


class SentDecision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A decision that a client made by a snapshot."""

    decision_id: Annotated[
        str,
        Meta(pattern=r"\Adec_[0-9a-f]{32}\Z", description="Made of the snapshot's `id_suffix`; it counts once."),
    ]
    snapshot: Annotated[str, Meta(pattern=r"\A[\x21-\x7e]{1,8192}\Z", description="The `token` of the snapshot.")]
    context: Annotated[dict[str, Any], Meta(description="The facts by group that the decision was made by.")] = {}
    ranking: Annotated[list[Id], Meta(max_length=255, description="The ids of the candidates in their order.")]
    propensity: Annotated[float, Meta(ge=0, le=1, description="The exact probability of the order.")]


SentDecisions = Annotated[list[SentDecision], Meta(min_length=1, max_length=MOST_IN_BULK)]


class SentReceipt(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of a decision; `token` is that of a decision which a publishable key made."""

    decision_id: str
    status: Status
    message: str = ""
    token: str | msgspec.UnsetType = msgspec.UNSET


class SentReceipts(msgspec.Struct, frozen=True):
    """One status for each decision, in their order."""

    results: list[SentReceipt]


_read: ItemReader[SentDecision] = ItemReader(SentDecision, most_items=MOST_IN_BULK, most_bytes=MOST_BYTES)


@post(
    PATH,
    status_code=202,
    opt=Operation(
        "Decide",
        "Report decisions that a client made",
        {202: Answer("Stored, with one status for each decision", SentReceipts)},
        f"One decision or a list of up to {MOST_IN_BULK} ({MOST_OF_BROWSER} with a publishable key), in at most "
        f"{MOST_BYTES // KIB} KiB and at most {LONGEST_WAY // HOUR} hours old. The server makes each again by its "
        "snapshot. One that is the same is logged and learned from like any other. Sending a decision again has no "
        "effect. Report its outcomes afterwards.",
        keys="any",
        body=SentDecision | SentDecisions,
        example=examples.OFFLINE_DECISION,
        most_bytes=MOST_BYTES,
        errors=(403, 503),
    ).opt,
    request_max_body_size=MOST_BYTES,
)
async def report_decisions(request: AnyRequest) -> Response[bytes]:
    access = await admitted(request, "decisions")
    data = await _read(request)
    items = data if isinstance(data, list) else [data]
    admit_more(request, access, "decisions", len(items) - 1)
    checked = [_checked(request, access, index, item) for index, item in enumerate(items)]
    sent = [item for item in checked if isinstance(item, OfflineDecision)]
    engine, now = engine_of(request), now_ms()
    try:
        async with asyncio.timeout(LONGEST_WAIT_SECONDS):
            intake = engine.offline_intake
            recorded = iter(await intake.record(access.merchant.id, access.key.id, sent, now=now) if sent else ())
    except (TimeoutError, Overloaded):
        raise Unavailable(NOT_STORED) from None
    receipts = [item if isinstance(item, OfflineReceipt) else next(recorded) for item in checked]
    return json_response(SentReceipts([_receipt(engine, access, each, now) for each in receipts]), status=202)


def _checked(
    request: AnyRequest, access: Access, index: int, item: SentDecision | UnreadItem
) -> OfflineDecision | OfflineReceipt:
    """Return a decision to take over, or the receipt of one that is not valid."""
    if isinstance(item, UnreadItem):
        named = item.value("decision_id")
        id = named[:64] if isinstance(named, str) and named.isprintable() else ""
        return OfflineReceipt(id, "invalid", f"{item.problem.field}: {item.problem.message}")
    if access.key.kind == "publishable" and index >= MOST_OF_BROWSER:
        message = f"a publishable key reports at most {MOST_OF_BROWSER} decisions at once"
        return OfflineReceipt(item.decision_id, "too_many", message)
    if not is_personal(request, access):
        message = "the browser refuses personalization, so nothing is stored"
        return OfflineReceipt(item.decision_id, "invalid", message)
    try:
        rules.check_values(item.context)
    except rules.RuleError as error:
        problem = error.problems[0]
        return OfflineReceipt(item.decision_id, "invalid", f"context{problem.path}: {problem.message}")
    return OfflineDecision(item.decision_id, item.snapshot, item.context, item.ranking, item.propensity)


def _receipt(engine: Engine, access: Access, receipt: OfflineReceipt, now: int) -> SentReceipt:
    token: str | msgspec.UnsetType = msgspec.UNSET
    if access.key.kind == "publishable" and receipt.status in ("recorded", "duplicate"):
        token = engine.tokens.for_decision(
            access.merchant.id,
            access.key.id,
            receipt.decision_id,
            now=now,
            closes_at=now + DECISION_TOKEN_MINUTES * MINUTE,
        )
    return SentReceipt(receipt.decision_id, receipt.status, receipt.message, token)


handlers = [report_decisions]
