"""The plan versions of a placement: list, show and compare them, and roll back to one."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.configuration.plan_difference import Difference
from engine.kernel.plan import PlanDocument
from engine.model.actor import Actor
from engine.model.history import Number
from engine.model.timestamps import rfc3339
from engine.service import Engine
from web.api.common_types import Limit, Moment, Reason
from web.http.responses import JSON, json_response
from web.openapi import examples
from web.openapi.operation import Answer, Operation

TAG = "Placements"
VERSION = "/v1/placements/{placement:str}/versions/{version:int}"


class Versions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: Limit = 50
    cursor: Annotated[int, Meta(ge=1, le=2**31, description="`next` of the previous page.")] | None = None


class PlanVersion(msgspec.Struct, frozen=True):
    """A published version of a plan; `in_force` is true for the one that decides now."""

    version: int
    published_at: Moment
    published_by: str
    reason: str = msgspec.field(name="why")
    in_force: bool


class PlanVersions(msgspec.Struct, frozen=True):
    """A page of versions, the newest first, and the cursor of the next page."""

    items: list[PlanVersion]
    next: str | None


class Rollback(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The version to roll back to.

    Where changes need the approval of a second person, one person may roll back in an emergency only.
    """

    version: Number
    reason: Reason = msgspec.field(default="", name="why")
    emergency: Annotated[
        bool, Meta(description="Without a second person; needs `why`, and other people are informed.")
    ] = False


class Pause(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a candidate is taken out of all answers at once."""

    reason: Annotated[str, Meta(min_length=1, max_length=500, description="Other people will read it.")] = (
        msgspec.field(name="why")
    )


class Since(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    since: Annotated[Number, Meta(description="The version to compare with; the previous one unless given.")] | None = (
        None
    )


class Differences(msgspec.Struct, frozen=True):
    """The differences, in words and as documents."""

    items: list[Difference]


@get(
    "/v1/placements/{placement:str}/versions",
    **Operation(
        TAG, "List plan versions", {200: Answer("The versions, the newest first", PlanVersions)}, query=Versions
    ).route(),
)
async def list_versions(
    access: NamedDependency[Access],
    engine: NamedDependency[Engine],
    placement: FromPath[str],
    parameters: NamedDependency[Versions],
) -> Response[bytes]:
    return json_response(await _page(engine, access.merchant.id, placement, parameters))


@get(VERSION, **Operation(TAG, "Show a plan version", {200: Answer("The whole plan", PlanDocument)}).route())
async def show_version(
    access: NamedDependency[Access], engine: NamedDependency[Engine], placement: FromPath[str], version: FromPath[int]
) -> Response[bytes]:
    row = await engine.versions.get(access.merchant.id, placement, version)
    return Response(row.document.encode(), media_type=JSON)


@get(
    f"{VERSION}/changes",
    **Operation(
        TAG, "Compare two plan versions", {200: Answer("The changes of the version", Differences)}, query=Since
    ).route(),
)
async def compare_versions(
    access: NamedDependency[Access],
    engine: NamedDependency[Engine],
    placement: FromPath[str],
    version: FromPath[int],
    parameters: NamedDependency[Since],
) -> Response[bytes]:
    since = max(1, version - 1) if parameters.since is None else parameters.since
    return json_response(Differences(await engine.versions.compare(access.merchant.id, placement, since, version)))


@post(
    "/v1/placements/{placement:str}/roll-back",
    **Operation(
        TAG,
        "Roll back to a plan version",
        {200: Answer("Published; the versions, the newest first", PlanVersions)},
        "Publishes a new version with the placement, candidates and rules of an earlier one, and sets the editable "
        "configuration to the same. Candidates and rules that were added since are switched off, not deleted. 403 "
        "`review-required`: a second person must approve changes, and this is not marked as an emergency.",
        body=Rollback,
        example=examples.ROLL_BACK,
        errors=(409,),
    ).route(),
)
async def roll_back(
    actor: NamedDependency[Actor],
    engine: NamedDependency[Engine],
    placement: FromPath[str],
    document: NamedDependency[Rollback],
) -> Response[bytes]:
    await engine.versions.roll_back(
        actor, placement, document.version, reason=document.reason.strip(), emergency=document.emergency
    )
    return json_response(await _page(engine, actor.merchant_id, placement, Versions()))


async def _page(engine: Engine, merchant_id: int, placement: str, parameters: Versions) -> PlanVersions:
    rows = await engine.versions.page(merchant_id, placement, before=parameters.cursor, limit=parameters.limit + 1)
    active = engine.live.get(merchant_id, placement)
    in_force = active.plan.version if active else 0
    items = [
        PlanVersion(row.version, rfc3339(row.published_at), row.published_by, row.reason, row.version == in_force)
        for row in rows[: parameters.limit]
    ]
    return PlanVersions(items, str(items[-1].version) if len(rows) > parameters.limit else None)


@post(
    "/v1/placements/{placement:str}/candidates/{id:str}/pause",
    **Operation(
        TAG,
        "Pause a candidate in an emergency",
        {200: Answer("Published; the versions, the newest first", PlanVersions)},
        "Removes a candidate from all answers at once, even if a second person must approve changes: others are "
        "told until one of them has seen it. Offer it again by an ordinary change.",
        body=Pause,
        example=examples.PAUSE,
        errors=(409,),
    ).route(),
)
async def pause(
    actor: NamedDependency[Actor],
    engine: NamedDependency[Engine],
    placement: FromPath[str],
    id: FromPath[str],
    document: NamedDependency[Pause],
) -> Response[bytes]:
    await engine.emergencies.pause(actor, placement, id, reason=document.reason.strip())
    return json_response(await _page(engine, actor.merchant_id, placement, Versions()))


handlers = [list_versions, show_version, compare_versions, roll_back, pause]
