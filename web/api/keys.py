"""API keys: list, make, rotate, revoke. A key is shown once, when it is made."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, delete, get, post
from msgspec import Meta

from engine.accounts.accounts import LONGEST_OVERLAP_HOURS
from engine.clock import now_ms
from engine.model.timestamps import rfc3339
from engine.store.accounts import Key
from web.api.resources import JSON, Moment, Page, actor_of
from web.http.access import configuring, engine_of
from web.http.request_reading import document_of, query_of
from web.openapi import examples
from web.openapi.operation import Answer, Operation

AnyRequest = Request[Any, Any, Any]
TAG = "Keys"
Kind = Annotated[
    Literal["secret", "publishable"],
    Meta(description="A publishable key may only ask for decisions and report outcomes."),
]


class NewKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: Kind
    name: Annotated[str, Meta(max_length=120, description="What it is for.")] = ""


class Rotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For how long the old key goes on beside the new one."""

    overlap_hours: Annotated[int, Meta(ge=0, le=LONGEST_OVERLAP_HOURS)] = 24


class ShownKey(msgspec.Struct, frozen=True, kw_only=True):
    """`hint` is the beginning and the end of the key; the key itself is not kept."""

    id: str
    kind: Kind
    name: str
    hint: str
    created_at: Moment
    expires_at: Moment | None
    in_force: bool


class MadeKey(ShownKey, frozen=True, kw_only=True):
    """The only time that `key` is shown."""

    key: str


class ShownKeys(msgspec.Struct, frozen=True):
    """Some keys, the oldest first, and the cursor of the next page."""

    items: list[ShownKey]
    next: str | None


@get(
    "/v1/keys",
    opt=Operation(TAG, "List keys", {200: Answer("The keys, also those that are over", ShownKeys)}, query=Page).opt,
)
async def show_all(request: AnyRequest) -> Response[bytes]:
    access, page = configuring(request), query_of(request, Page)
    keys = await engine_of(request).accounts.keys(access.merchant.id)
    begin = next((number + 1 for number, key in enumerate(keys) if key.id == page.cursor), 0)
    items = keys[begin : begin + page.limit]
    more = begin + page.limit < len(keys)
    return _respond(ShownKeys([ShownKey(**_shown(key)) for key in items], items[-1].id if more else None))


@post(
    "/v1/keys",
    opt=Operation(
        TAG,
        "Make a key",
        {201: Answer("Made, and in force", MadeKey)},
        body=NewKey,
        example=examples.KEY,
    ).opt,
)
async def create(request: AnyRequest) -> Response[bytes]:
    access = configuring(request)
    wanted: NewKey = await document_of(request, NewKey)
    key, plain = await engine_of(request).accounts.create_key(
        access.merchant, wanted.kind, wanted.name, actor_name=actor_of(access).name
    )
    return _respond(MadeKey(**_shown(key), key=plain), status=201)


@post(
    "/v1/keys/{id:str}/rotate",
    opt=Operation(
        TAG,
        "Rotate a key",
        {201: Answer("The successor; the old key goes on for the overlap", MadeKey)},
        body=Rotation,
        example=examples.ROTATION,
    ).opt,
)
async def rotate(request: AnyRequest) -> Response[bytes]:
    access = configuring(request)
    wanted: Rotation = await document_of(request, Rotation)
    key, plain = await engine_of(request).accounts.rotate_key(
        access.merchant, request.path_params["id"], overlap_hours=wanted.overlap_hours, actor_name=actor_of(access).name
    )
    return _respond(MadeKey(**_shown(key), key=plain), status=201)


@delete(
    "/v1/keys/{id:str}",
    status_code=204,
    opt=Operation(TAG, "Revoke a key", {204: Answer("Out of force at once")}).opt,
)
async def revoke(request: AnyRequest) -> None:
    access = configuring(request)
    await engine_of(request).accounts.revoke_key(
        access.merchant, request.path_params["id"], actor_name=actor_of(access).name
    )


def _shown(key: Key) -> dict[str, Any]:
    expires = key.expires_at
    return {
        "id": key.id,
        "kind": key.kind,
        "name": key.name,
        "hint": key.hint,
        "created_at": rfc3339(key.created_at),
        "expires_at": None if expires is None else rfc3339(expires),
        "in_force": expires is None or expires > now_ms(),
    }


def _respond(body: ShownKeys | MadeKey, *, status: int = 200) -> Response[bytes]:
    no_store = {"Cache-Control": "no-store"}
    return Response(msgspec.json.encode(body), status_code=status, media_type=JSON, headers=no_store)


handlers = [show_all, create, rotate, revoke]
