"""Read and replace which candidates of a placement cannot be had now."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Response, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.model.actor import Actor
from engine.model.documents.availability import Availability, AvailabilityReport, Unavailable
from engine.service import Engine
from web.http.responses import json_response
from web.openapi import examples
from web.openapi.operation import Answer, Operation

TAG = "Placements"
PATH = "/v1/placements/{placement:str}/availability"


class AvailabilityAnswer(msgspec.Struct, frozen=True):
    """The candidates that were reported as unavailable, also those whose time is over."""

    version: Annotated[int, Meta(ge=0, description="Counts the reports; `If-Match` takes it in quotes.")]
    unavailable: Unavailable


@get(
    PATH,
    **Operation(TAG, "Read the availability", {200: Answer("The last report", AvailabilityAnswer, ("ETag",))}).route(),
)
async def read_availability(
    access: NamedDependency[Access], engine: NamedDependency[Engine], placement: FromPath[str]
) -> Response[bytes]:
    return _answer(await engine.availability.get(access.merchant.id, placement))


@put(
    PATH,
    **Operation(
        TAG,
        "Replace the availability",
        {200: Answer("What no answer shows from now on", AvailabilityAnswer, ("ETag",))},
        "Names the candidates that cannot be had now, because a gateway is down or something is out of stock. All "
        "processes obey within a second, without a new version of the plan. Each decision logs it with its reason.",
        body=Availability,
        example=examples.AVAILABILITY,
        errors=(412, 428),
    ).route(),
)
async def replace_availability(
    actor: NamedDependency[Actor],
    engine: NamedDependency[Engine],
    placement: FromPath[str],
    document: NamedDependency[Availability],
    expected_version: NamedDependency[int | None],
) -> Response[bytes]:
    return _answer(await engine.availability.replace(actor, placement, document, version=expected_version))


def _answer(report: AvailabilityReport) -> Response[bytes]:
    body = AvailabilityAnswer(report.version, report.document.unavailable)
    return json_response(body, version=report.version)


handlers: list[Any] = [read_availability, replace_availability]
