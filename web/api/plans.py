"""The plan versions of a placement: what was published when and by whom, and putting an earlier one in force."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from msgspec import Meta

from engine.configuration.plan_difference import Difference
from engine.kernel.plan import PlanDocument
from engine.model.timestamps import rfc3339
from engine.store.plans import Number
from web.api.log import Limit
from web.api.resources import JSON, Moment, actor_of
from web.http.access import configuring, engine_of
from web.http.request_reading import document_of, query_of
from web.openapi import examples
from web.openapi.operation import Answer, Operation

AnyRequest = Request[Any, Any, Any]
TAG = "Placements"
VERSION = "/v1/placements/{placement:str}/versions/{version:int}"


class Versions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: Limit = 50
    cursor: Annotated[int, Meta(ge=1, le=2**31, description="`next` of the page before.")] | None = None


class PlanVersion(msgspec.Struct, frozen=True):
    """One published version of a plan; `in_force` is the one that decides now."""

    version: int
    published_at: Moment
    published_by: str
    why: str
    in_force: bool


class PlanVersions(msgspec.Struct, frozen=True):
    """Some versions, the newest first, and the cursor of the next page."""

    items: list[PlanVersion]
    next: str | None


class RollBack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: Number


@get(
    "/v1/placements/{placement:str}/versions",
    opt=Operation(
        TAG, "List plan versions", {200: Answer("The versions, the newest first", PlanVersions)}, query=Versions
    ).opt,
)
async def versions(request: AnyRequest) -> Response[bytes]:
    access, wanted = configuring(request), query_of(request, Versions)
    return _respond(await _versions(request, access.merchant.id, wanted))


class Since(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    since: Annotated[Number, Meta(description="The version to compare with; the one before unless given.")] | None = (
        None
    )


class Differences(msgspec.Struct, frozen=True):
    """What differs, in words and as documents."""

    items: list[Difference]


@get(VERSION, opt=Operation(TAG, "Show a plan version", {200: Answer("All of it", PlanDocument)}).opt)
async def version(request: AnyRequest) -> Response[bytes]:
    access = configuring(request)
    row = await engine_of(request).versions.get(access.merchant.id, *_address(request))
    return Response(row.document.encode(), media_type=JSON)


@get(
    f"{VERSION}/changes",
    opt=Operation(
        TAG, "Compare two plan versions", {200: Answer("What the version changed", Differences)}, query=Since
    ).opt,
)
async def changes(request: AnyRequest) -> Response[bytes]:
    access, wanted = configuring(request), query_of(request, Since)
    placement, number = _address(request)
    since = max(1, number - 1) if wanted.since is None else wanted.since
    found = await engine_of(request).versions.compare(access.merchant.id, placement, since, number)
    return _respond(Differences(found))


@post(
    "/v1/placements/{placement:str}/roll-back",
    status_code=200,
    opt=Operation(
        TAG,
        "Roll back to a plan version",
        {200: Answer("It is in force; the versions, the newest first", PlanVersions)},
        "Publishes a new version with the placement, candidates and rules of an earlier one; what is edited follows. "
        "Candidates and rules that came since are switched off, not deleted.",
        body=RollBack,
        example=examples.ROLL_BACK,
        errors=(409,),
    ).opt,
)
async def roll_back(request: AnyRequest) -> Response[bytes]:
    access = configuring(request)
    wanted: RollBack = await document_of(request, RollBack)
    placement = request.path_params["placement"]
    await engine_of(request).versions.roll_back(actor_of(access), placement, wanted.version)
    return _respond(await _versions(request, access.merchant.id, Versions()))


async def _versions(request: AnyRequest, merchant_id: int, wanted: Versions) -> PlanVersions:
    engine, placement = engine_of(request), request.path_params["placement"]
    found = await engine.versions.page(merchant_id, placement, before=wanted.cursor, limit=wanted.limit + 1)
    active = engine.live.get(merchant_id, placement)
    now = active.plan.version if active else 0
    items = [
        PlanVersion(one.version, rfc3339(one.published_at), one.published_by, one.reason, one.version == now)
        for one in found[: wanted.limit]
    ]
    return PlanVersions(items, str(items[-1].version) if len(found) > wanted.limit else None)


def _address(request: AnyRequest) -> tuple[str, int]:
    return str(request.path_params["placement"]), int(request.path_params["version"])


def _respond(body: msgspec.Struct) -> Response[bytes]:
    return Response(msgspec.json.encode(body), media_type=JSON)


handlers = [versions, version, changes, roll_back]
