"""API keys: list, create, rotate and revoke them. A key is shown once, when it is created."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta

from engine.accounts.accounts import LONGEST_OVERLAP_HOURS, Access
from engine.clock import now_ms
from engine.model.account import Key
from engine.model.actor import Actor
from engine.model.timestamps import rfc3339
from engine.service import Engine
from web.api.common_types import Moment, Page, part_of
from web.http.responses import NO_STORE, json_response
from web.openapi import examples
from web.openapi.operation import Answer, Operation

TAG = "Keys"
Kind = Annotated[
    Literal["secret", "publishable"],
    Meta(description="A publishable key may only request decisions and report outcomes."),
]


class NewKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The kind and purpose of a key to create."""

    kind: Kind
    name: Annotated[str, Meta(max_length=120, description="The purpose of the key.")] = ""


class KeyRotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long the old key stays valid beside the new one."""

    overlap_hours: Annotated[int, Meta(ge=0, le=LONGEST_OVERLAP_HOURS)] = 24


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its secret. `hint` is the beginning and the end of the key; the key itself is not stored."""

    id: str
    kind: Kind
    name: str
    hint: str
    created_at: Moment
    expires_at: Moment | None
    in_force: bool
    created_by: Annotated[str, Meta(description="The person for whom the key acts; empty if unknown.")]


class CreatedKey(ApiKey, frozen=True, kw_only=True):
    """A new key; this is the only response that shows `key`."""

    key: str


class ApiKeys(msgspec.Struct, frozen=True):
    """A page of keys, the oldest first, and the cursor of the next page."""

    items: list[ApiKey]
    next: str | None


@get(
    "/v1/keys",
    **Operation(
        TAG, "List keys", {200: Answer("The keys, also expired and revoked ones", ApiKeys)}, query=Page
    ).route(),
)
async def list_keys(
    access: NamedDependency[Access], engine: NamedDependency[Engine], parameters: NamedDependency[Page]
) -> Response[bytes]:
    keys = await engine.accounts.keys(access.merchant.id)
    items, cursor = part_of(keys, parameters)
    body = ApiKeys([ApiKey(**_fields(key)) for key in items], cursor)
    return json_response(body, headers=NO_STORE)


@post(
    "/v1/keys",
    **Operation(
        TAG,
        "Make a key",
        {201: Answer("The key, which is valid at once", CreatedKey)},
        body=NewKey,
        example=examples.KEY,
    ).route(),
)
async def create(
    access: NamedDependency[Access],
    actor: NamedDependency[Actor],
    engine: NamedDependency[Engine],
    document: NamedDependency[NewKey],
) -> Response[bytes]:
    key, secret = await engine.accounts.create_key(
        access.merchant, document.kind, document.name, actor_name=actor.name, person=actor.person
    )
    return json_response(CreatedKey(**_fields(key), key=secret), status=201, headers=NO_STORE)


@post(
    "/v1/keys/{id:str}/rotate",
    **Operation(
        TAG,
        "Rotate a key",
        {201: Answer("The new key; the old one stays valid for the overlap", CreatedKey)},
        body=KeyRotation,
        example=examples.ROTATION,
        errors=(409,),
    ).route(),
)
async def rotate(
    access: NamedDependency[Access],
    actor: NamedDependency[Actor],
    engine: NamedDependency[Engine],
    id: FromPath[str],
    document: NamedDependency[KeyRotation],
) -> Response[bytes]:
    key, secret = await engine.accounts.rotate_key(
        access.merchant, id, overlap_hours=document.overlap_hours, actor_name=actor.name, person=actor.person
    )
    return json_response(CreatedKey(**_fields(key), key=secret), status=201, headers=NO_STORE)


@delete("/v1/keys/{id:str}", **Operation(TAG, "Revoke a key", {204: Answer("The key is invalid from now on")}).route())
async def revoke(
    access: NamedDependency[Access], actor: NamedDependency[Actor], engine: NamedDependency[Engine], id: FromPath[str]
) -> None:
    await engine.accounts.revoke_key(access.merchant, id, actor_name=actor.name)


def _fields(key: Key) -> dict[str, Any]:
    expires = key.expires_at
    return {
        "id": key.id,
        "kind": key.kind,
        "name": key.name,
        "hint": key.hint,
        "created_at": rfc3339(key.created_at),
        "expires_at": None if expires is None else rfc3339(expires),
        "in_force": expires is None or expires > now_ms(),
        "created_by": key.created_by,
    }


handlers = [list_keys, create, rotate, revoke]
