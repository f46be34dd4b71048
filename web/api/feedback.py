"""Report outcomes: what happened after a decision."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, post
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.clock import now_ms
from engine.decisions.outcome_processor import Receipt
from engine.decisions.recorder import Overloaded
from engine.model.errors import invalid
from engine.model.placement import Amount, Currency, Id
from engine.model.timestamps import to_ms
from engine.store.outcomes import OutcomeRow
from web.api.decisions import JSON, METHODS, CustomerId, Slug
from web.http.access import access_of, check_merchant, engine_of
from web.http.metrics import OUTCOMES
from web.http.problem_details import Unavailable
from web.http.request_reading import QuickReader
from web.openapi import examples
from web.openapi.operation import Answer, Operation

MOST_AT_ONCE = 500
LONGEST_WAIT_SECONDS = 10
CLOCK_SKEW_MS = 5 * 60_000

EventId = Annotated[str, Meta(pattern=r"\A[\x21-\x7e]{1,128}\Z", description="Unique; makes retries harmless.")]
Moment = Annotated[datetime, Meta(tz=True, description="RFC 3339 with an offset.")]


class Outcome(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happened after a decision; or, without `decision_id`, a purchase that teaches the customer's history."""

    event_id: EventId
    decision_id: Annotated[str, Meta(pattern=r"\A[\x21-\x7e]{1,64}\Z")] | None = None
    type: Literal["shown", "selected", "converted", "declined", "abandoned", "redeemed", "refunded"] | None = None
    candidate_id: Id | None = None
    amount: Amount | None = None
    currency: Currency | None = None
    occurred_at: Moment | None = None
    customer_id: CustomerId | None = None
    method_id: Id | None = None
    merchant_id: Slug | None = None
    timestamp: Moment | None = None


Outcomes = Annotated[list[Outcome], Meta(min_length=1, max_length=MOST_AT_ONCE)]


class Receipts(msgspec.Struct, frozen=True):
    """One status a reported outcome, in their order."""

    results: list[Receipt]


_read: QuickReader[Outcome | list[Outcome]] = QuickReader(Outcome | Outcomes)


@post(
    "/v1/personalize/feedback",
    status_code=202,
    opt=Operation(
        "Learn",
        "Report outcomes",
        {202: Answer("On the disk, with one status an item", Receipts)},
        f"One outcome or a list of up to {MOST_AT_ONCE}. Sending an `event_id` again does no harm. Without "
        "`decision_id` it is a purchase that teaches the customer's history alone, and needs `customer_id` and "
        "`method_id`.",
        keys="any",
        body=Outcome | Outcomes,
        example=examples.OUTCOME,
        errors=(403, 503),
    ).opt,
)
async def feedback(request: Request[Any, Any, Any]) -> Response[bytes]:
    access = access_of(request)
    data = await _read(request)
    if isinstance(data, list):
        rows = [_row(request, access, f"{number}/", report) for number, report in enumerate(data)]
    else:
        rows = [_row(request, access, "", data)]
    try:
        async with asyncio.timeout(LONGEST_WAIT_SECONDS):
            receipts = await engine_of(request).recorder.outcomes(rows)
    except (TimeoutError, Overloaded):
        raise Unavailable("the outcomes were not kept; send them again with the same event_id") from None
    for receipt in receipts:
        OUTCOMES.labels(receipt.status).inc()
    return Response(msgspec.json.encode(Receipts(receipts)), status_code=202, media_type=JSON)


def _row(request: Request[Any, Any, Any], access: Access, at: str, report: Outcome) -> OutcomeRow:
    check_merchant(access, report.merchant_id, field=f"{at}merchant_id")
    now = now_ms()
    if report.decision_id is None:
        return _purchase(request, access, at, report, now)
    if report.type is None:
        raise invalid(f"{at}type", "says what happened, as in “converted”")
    return OutcomeRow(
        access.merchant.id,
        report.event_id,
        report.decision_id,
        None,
        "",
        report.type,
        report.candidate_id or report.method_id,
        report.amount,
        report.currency,
        _when(report.occurred_at or report.timestamp, now, f"{at}occurred_at"),
        now,
    )


def _purchase(request: Request[Any, Any, Any], access: Access, at: str, report: Outcome, now: int) -> OutcomeRow:
    """A purchase that no decision led to."""
    if report.customer_id is None:
        raise invalid(f"{at}customer_id", "is needed where there is no decision_id")
    candidate = report.method_id or report.candidate_id
    if candidate is None:
        raise invalid(f"{at}method_id", "is needed where there is no decision_id")
    return OutcomeRow(
        access.merchant.id,
        report.event_id,
        None,
        engine_of(request).hasher(access.merchant.id, report.customer_id),
        METHODS,
        "converted",
        candidate,
        report.amount,
        report.currency,
        _when(report.timestamp or report.occurred_at, now, f"{at}timestamp"),
        now,
    )


def _when(moment: datetime | None, now: int, field: str) -> int:
    if moment is None:
        return now
    at = to_ms(moment)
    if not 0 <= at <= now + CLOCK_SKEW_MS:
        raise invalid(field, "lies in the future")
    return at


handlers = [feedback]
