"""Read, preview and change a merchant's own retention."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Response, get, post, put
from litestar.di import NamedDependency
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.customers.retention import KindPreview, RetentionInForce
from engine.model.actor import Actor
from engine.model.documents.retention import KINDS, RetentionKind, RetentionPolicy
from engine.model.timestamps import rfc3339
from engine.service import Engine
from web.api.common_types import Moment
from web.http.responses import NO_STORE, json_response
from web.openapi import examples
from web.openapi.operation import Answer, Operation

TAG = "Customers"
PATH = "/v1/personalize/retention"


class NewRetentionPolicy(RetentionPolicy, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A policy; `confirm` must be true where it would delete something now."""

    confirm: bool = False


class KeptKind(msgspec.Struct, frozen=True):
    """The days for which a kind is kept: `days` counts, null means for good.

    `own` is what you have set, `server` the server's retention. You may set `shortest` or more days, at most the
    server's.
    """

    kind: RetentionKind
    days: int | None
    own: int | None
    server: int | None
    shortest: int


class RetentionAnswer(msgspec.Struct, frozen=True):
    """The retention in force, by kind."""

    version: Annotated[int, Meta(ge=0, description="Counts your changes; `If-Match` takes it in quotes.")]
    items: list[KeptKind]


class ExpiredKind(msgspec.Struct, frozen=True):
    """Data of a kind that would be deleted: the rows of its parts; at least so many if not `exact`."""

    kind: RetentionKind
    days: int
    rows: int
    exact: bool
    oldest_at: Moment | None
    parts: dict[str, int]


class RetentionPreview(msgspec.Struct, frozen=True):
    """The data that a policy would delete now, of each kind that it names."""

    items: list[ExpiredKind]


@get(
    PATH,
    **Operation(TAG, "Read the retention", {200: Answer("What is in force", RetentionAnswer, ("ETag",))}).route(),
)
async def read_retention(access: NamedDependency[Access], engine: NamedDependency[Engine]) -> Response[bytes]:
    return _answer(await engine.retention.get(access.merchant.id))


@put(
    PATH,
    **Operation(
        TAG,
        "Replace the retention",
        {200: Answer("What is in force from now on", RetentionAnswer, ("ETag",))},
        "Deletes data earlier than the server does, never later. A kind without days is kept as long as the server "
        "keeps it. The server deletes within an hour; what is deleted does not come back.",
        body=NewRetentionPolicy,
        example=examples.RETENTION,
        errors=(412, 428),
    ).route(),
)
async def replace_retention(
    actor: NamedDependency[Actor],
    engine: NamedDependency[Engine],
    document: NamedDependency[NewRetentionPolicy],
    expected_version: NamedDependency[int | None],
) -> Response[bytes]:
    policy = RetentionPolicy(**{kind: document.days(kind) for kind in KINDS})
    stored = await engine.retention.replace(actor, policy, confirmed=document.confirm, version=expected_version)
    return _answer(stored)


@post(
    f"{PATH}/preview",
    **Operation(
        TAG,
        "Preview a retention",
        {200: Answer("What it would delete now", RetentionPreview)},
        "Counts at most 20,000 rows of a table. Changes nothing.",
        body=RetentionPolicy,
        example={"decisions": 180},
    ).route(),
)
async def preview_retention(
    access: NamedDependency[Access], engine: NamedDependency[Engine], document: NamedDependency[RetentionPolicy]
) -> Response[bytes]:
    previews = await engine.retention.preview(access.merchant.id, document)
    return json_response(RetentionPreview([_expired(each) for each in previews]), headers=NO_STORE)


def _answer(stored: RetentionInForce) -> Response[bytes]:
    body = RetentionAnswer(stored.version, [KeptKind(*each) for each in stored.kinds.values()])
    return json_response(body, version=stored.version, headers=NO_STORE)


def _expired(preview: KindPreview) -> ExpiredKind:
    kind, days, rows, is_exact, oldest_at, parts = preview
    oldest = None if oldest_at is None else rfc3339(oldest_at)
    return ExpiredKind(kind, days, rows, is_exact, oldest, {name: part.rows for name, part in parts.items()})


handlers: list[Any] = [read_retention, replace_retention, preview_retention]
