"""Report outcomes: what happened after a decision. Reads requests without injection: it is on the hot path."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from litestar import Response, post
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.clock import now_ms
from engine.decisions.outcome_processor import Receipt
from engine.decisions.recorder import Overloaded
from engine.model.errors import FieldProblem, Invalid, Unavailable, invalid
from engine.model.outcome import MOST_OUTCOMES, OutcomeRow
from engine.model.placement import Amount, Currency, Id
from engine.model.timestamps import CLOCK_SKEW, to_ms
from web.api.browsers import DecisionToken, problem_of_report
from web.api.common_types import CustomerId, ReportedMoment, Slug
from web.api.decisions import METHODS
from web.http.access import address_of, check_merchant, engine_of
from web.http.metrics import OUTCOMES
from web.http.rate_limits import admit_more, admitted
from web.http.request_reading import MOST_FEEDBACK_BYTES, AnyRequest, ItemReader, UnreadItem
from web.http.responses import json_response
from web.openapi import examples
from web.openapi.operation import Answer, Operation

MOST_IN_BULK = 500
LONGEST_WAIT_SECONDS = 4
REFUSED_BY_CUSTOMER = "customer_id: the customer refuses personalization, so nothing is stored"
NOT_STORED = "the outcomes were not stored; send them again with the same event_id"

OutcomeType = Literal["shown", "selected", "converted", "declined", "abandoned", "redeemed", "refunded"]
EventId = Annotated[str, Meta(pattern=r"\A[\x21-\x7e]{1,128}\Z", description="Unique; makes retries harmless.")]


class Outcome(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happened after a decision or, without `decision_id`, a purchase that counts in the customer's history."""

    event_id: EventId
    decision_id: Annotated[str, Meta(pattern=r"\A[\x21-\x7e]{1,64}\Z")] | None = None
    type: OutcomeType | None = None
    candidate_id: Id | None = None
    amount: Amount | None = None
    currency: Currency | None = None
    occurred_at: ReportedMoment | None = None
    customer_id: CustomerId | None = None
    method_id: Id | None = None
    token: DecisionToken | None = None
    merchant_id: Slug | None = None
    timestamp: ReportedMoment | None = None


Outcomes = Annotated[list[Outcome], Meta(min_length=1, max_length=MOST_IN_BULK)]


class Receipts(msgspec.Struct, frozen=True):
    """One status for each outcome, in their order."""

    results: list[Receipt]


_read: ItemReader[Outcome] = ItemReader(Outcome, most_items=MOST_IN_BULK, most_bytes=MOST_FEEDBACK_BYTES)


@post(
    "/v1/personalize/feedback",
    status_code=202,
    opt=Operation(
        "Learn",
        "Report outcomes",
        {202: Answer("Stored, with one status for each outcome", Receipts)},
        f"One outcome or a list of up to {MOST_IN_BULK}, in at most {MOST_FEEDBACK_BYTES // 1024} KiB. In a list, an "
        "outcome that is not valid is answered `invalid` with a message, and the others are recorded. Sending an "
        "`event_id` again has no effect. Without `decision_id` it is a purchase that counts in the customer's "
        "history alone, and needs `customer_id` and `method_id`.",
        keys="any",
        body=Outcome | Outcomes,
        example=examples.OUTCOME,
        errors=(403, 503),
    ).opt,
)
async def feedback(request: AnyRequest) -> Response[bytes]:
    access = await admitted(request, "outcomes")
    data = await _read(request)
    if isinstance(data, list):
        admit_more(request, access, "outcomes", len(data) - 1)
        receipts = await record(request, access, data)
    else:
        receipts = await _record(request, [_reported(request, access, "", data)])
    return json_response(Receipts(receipts), status=202)


async def record(request: AnyRequest, access: Access, outcomes: Sequence[Outcome | UnreadItem]) -> list[Receipt]:
    """Record the outcomes of a list, each with its receipt; raise `Unavailable` if they were not stored."""
    return await _record(request, [_item(request, access, index, outcome) for index, outcome in enumerate(outcomes)])


async def _record(request: AnyRequest, items: list[OutcomeRow | Receipt]) -> list[Receipt]:
    items = await _accepted(request, items)
    rows = [item for item in items if isinstance(item, OutcomeRow)]
    try:
        async with asyncio.timeout(LONGEST_WAIT_SECONDS):
            recorded = iter(await engine_of(request).recorder.outcomes(rows) if rows else ())
    except (TimeoutError, Overloaded):
        raise Unavailable(NOT_STORED) from None
    receipts = [next(recorded) if isinstance(item, OutcomeRow) else item for item in items]
    for receipt in receipts:
        OUTCOMES.labels(receipt.status).inc()
    return receipts


def _item(request: AnyRequest, access: Access, index: int, outcome: Outcome | UnreadItem) -> OutcomeRow | Receipt:
    """Return the row of an item of a list, or the receipt of one that is not valid."""
    if isinstance(outcome, UnreadItem):
        return _refusal(outcome.value("event_id"), outcome.problem)
    if access.key.kind == "publishable" and index >= MOST_OUTCOMES:
        return Receipt(
            outcome.event_id, "invalid", f"a publishable key reports at most {MOST_OUTCOMES} outcomes at once"
        )
    try:
        return _reported(request, access, f"{index}/", outcome)
    except Invalid as error:
        (problem,) = error.problems
        return _refusal(outcome.event_id, FieldProblem(problem.field.removeprefix(f"{index}/"), problem.message))


def _reported(request: AnyRequest, access: Access, prefix: str, outcome: Outcome) -> OutcomeRow | Receipt:
    """Return the row of an outcome with its source, or the receipt that refuses it to a browser."""
    if access.key.kind == "secret":
        row = _row(request, access, prefix, outcome)
        row.key_id = access.key.id
        return row
    problem = problem_of_report(
        engine_of(request), access, outcome.decision_id, outcome.type, outcome.amount, outcome.token
    )
    if problem:
        return Receipt(outcome.event_id, "invalid", problem)
    row = _row(request, access, prefix, outcome)
    row.source, row.key_id, row.space = "browser", access.key.id, row.decision_id or ""
    row.learns = request.app.state.hint_limit.allows(access.key.id, address_of(request))
    return row


async def _accepted(request: AnyRequest, items: list[OutcomeRow | Receipt]) -> list[OutcomeRow | Receipt]:
    """Return the items, with a receipt for each purchase of a customer who refuses personalization."""
    if all(isinstance(item, Receipt) or item.customer is None for item in items):
        return items
    refuses = engine_of(request).customers.refuses

    async def accept(item: OutcomeRow | Receipt) -> OutcomeRow | Receipt:
        if isinstance(item, Receipt) or item.customer is None or not await refuses(item.merchant_id, item.customer):
            return item
        return Receipt(item.event_id, "invalid", REFUSED_BY_CUSTOMER)

    try:
        return list(await asyncio.gather(*map(accept, items)))
    except Exception:
        raise Unavailable(NOT_STORED) from None


def _refusal(event_id: object, problem: FieldProblem) -> Receipt:
    named = event_id[:128] if isinstance(event_id, str) and event_id.isprintable() else ""
    return Receipt(named, "invalid", f"{problem.field}: {problem.message}")


def _row(request: AnyRequest, access: Access, prefix: str, outcome: Outcome) -> OutcomeRow:
    check_merchant(access, outcome.merchant_id, field=f"{prefix}merchant_id")
    now = now_ms()
    if outcome.decision_id is None:
        return _purchase(request, access, prefix, outcome, now)
    if outcome.type is None:
        raise invalid(f"{prefix}type", "is required with a decision_id, such as “converted”")
    return OutcomeRow(
        access.merchant.id,
        outcome.event_id,
        outcome.decision_id,
        None,
        "",
        outcome.type,
        outcome.candidate_id or outcome.method_id,
        outcome.amount,
        outcome.currency,
        reported_at(outcome.occurred_at or outcome.timestamp, now, f"{prefix}occurred_at"),
        now,
    )


def _purchase(request: AnyRequest, access: Access, prefix: str, outcome: Outcome, now: int) -> OutcomeRow:
    """Return the row of a purchase without a decision."""
    if outcome.customer_id is None or not outcome.customer_id.strip():
        raise invalid(f"{prefix}customer_id", "is required without a decision_id")
    candidate = outcome.method_id or outcome.candidate_id
    if candidate is None:
        raise invalid(f"{prefix}method_id", "is required without a decision_id")
    return OutcomeRow(
        access.merchant.id,
        outcome.event_id,
        None,
        engine_of(request).hasher(access.merchant.id, outcome.customer_id),
        METHODS,
        "converted",
        candidate,
        outcome.amount,
        outcome.currency,
        reported_at(outcome.timestamp or outcome.occurred_at, now, f"{prefix}timestamp"),
        now,
    )


def reported_at(moment: datetime | None, now: int, field: str) -> int:
    """Return when something happened in epoch milliseconds, `now` where it was not said."""
    if moment is None:
        return now
    milliseconds = to_ms(moment)
    if not 0 <= milliseconds <= now + CLOCK_SKEW:
        raise invalid(field, "must not be in the future")
    return milliseconds


handlers = [feedback]
