"""Outcomes from Segment's libraries, which send to this server instead of Segment's."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Response, post
from msgspec import Meta

from engine.decisions.outcome_processor import Receipt
from engine.model.errors import Forbidden
from web.api.feedback import MOST_IN_BULK, record
from web.api.segment.messages import outcome_of
from web.http.access import access_by_basic
from web.http.rate_limits import admit, admit_more
from web.http.request_reading import MOST_FEEDBACK_BYTES, AnyRequest, document_of
from web.http.responses import json_response
from web.openapi import examples
from web.openapi.operation import Answer, Operation


class SegmentBatch(msgspec.Struct, frozen=True):
    """Messages as Segment's libraries send them; the other parts of the body are ignored."""

    batch: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=MOST_IN_BULK)]


class SegmentReceipts(msgspec.Struct, frozen=True):
    """One status for each message that reports an outcome; the other messages are `ignored`."""

    success: bool
    results: list[Receipt]
    ignored: int


@post(
    "/v1/batch",
    status_code=200,
    opt=Operation(
        "Learn",
        "Report outcomes from Segment's libraries",
        {200: Answer("Stored, with one status for each outcome", SegmentReceipts)},
        "Set this server as the host of the library, and a secret key as its write key, which it sends by Basic "
        "authentication. An event counts as an outcome of `properties.decision_id`: by the name of the outcome, or "
        "`Checkout Step Viewed`, `Payment Info Entered`, `Order Completed`, `Order Refunded`, `Coupon Applied`. "
        "Amounts are decimals, such as 49.99. Sending a `messageId` again has no effect.",
        body=SegmentBatch,
        example=examples.SEGMENT_BATCH,
        errors=(403, 503),
    ).opt,
)
async def segment_batch(request: AnyRequest) -> Response[bytes]:
    access = access_by_basic(request)
    if not access.may_configure:
        raise Forbidden("libraries on servers need a secret key")
    await admit(request, access, "outcomes")
    document: SegmentBatch = await document_of(request, SegmentBatch, most_bytes=MOST_FEEDBACK_BYTES)
    messages = document.batch
    admit_more(request, access, "outcomes", len(messages) - 1)
    outcomes = [outcome_of(message, access.merchant.currency) for message in messages]
    reported = [outcome for outcome in outcomes if outcome is not None]
    receipts = await record(request, access, reported)
    return json_response(SegmentReceipts(True, receipts, len(outcomes) - len(reported)), status=200)


handlers = [segment_batch]
