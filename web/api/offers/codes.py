"""Codes of offers that are given to one hold each: pools are filled and emptied here."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.model.actor import Actor
from engine.model.errors import invalid
from engine.model.offers.code import CodeState
from engine.offers.codes import MOST_AT_ONCE
from engine.service import Engine
from web.api.common_types import Limit
from web.http.request_reading import MOST_BULK_BYTES
from web.http.responses import NO_STORE, json_response
from web.openapi.operation import Answer, Operation

TAG = "Codes"
PATH = "/v1/placements/{placement:str}/candidates/{id:str}/codes"
AnyCode = Annotated[str, Meta(max_length=64)]


class CodesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: Limit = 50
    cursor: Annotated[
        str, Meta(pattern=r"\A[A-Z0-9_-]*\Z", max_length=64, description="`next` of the page before.")
    ] = ""
    state: Annotated[CodeState, Meta(description="Only codes that are `free`, `held` or `used`.")] | None = None


class CodeItem(msgspec.Struct, frozen=True):
    """A code, in capitals; `hold_id` is the hold that has or used it."""

    code: str
    state: CodeState
    hold_id: str | None


class CodesPage(msgspec.Struct, frozen=True):
    """A page of an offer's codes in alphabetical order, how many there are in each state, and the next cursor."""

    free: int
    held: int
    used: int
    items: list[CodeItem]
    next: str | None


class CodesRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The codes to add, or how many to `generate`, each beginning with `prefix`."""

    codes: Annotated[list[AnyCode], Meta(max_length=MOST_AT_ONCE)] | None = None
    generate: int | None = None
    prefix: Annotated[str, Meta(max_length=32)] = ""


class CodesAdded(msgspec.Struct, frozen=True):
    """How many codes were added, and how many of those sent were there already."""

    added: int
    repeated: int


class CodesRemoved(msgspec.Struct, frozen=True):
    removed: int


@get(
    PATH,
    **Operation(TAG, "List codes", {200: Answer("Codes and counts", CodesPage)}, query=CodesQuery).route(),
)
async def listed(
    access: NamedDependency[Access],
    engine: NamedDependency[Engine],
    parameters: NamedDependency[CodesQuery],
    placement: FromPath[str],
    id: FromPath[str],
) -> Response[bytes]:
    merchant_id, limit, codes = access.merchant.id, parameters.limit, engine.codes
    counts = await codes.counts(merchant_id, placement, id)
    rows = await codes.page(
        merchant_id, placement, id, after=parameters.cursor, state=parameters.state, limit=limit + 1
    )
    items = [CodeItem(row.code, row.state, row.hold_id or None) for row in rows[:limit]]
    following = items[-1].code if len(rows) > limit else None
    return json_response(CodesPage(*counts, items, following), headers=NO_STORE)


@post(
    PATH,
    **Operation(
        TAG,
        "Add codes",
        {201: Answer("Added", CodesAdded)},
        f"To an offer whose `codes` are a `pool`: yours, or generated ones, up to {MOST_AT_ONCE:,} at a time.",
        body=CodesRequest,
        example={"codes": ["SPRING-7HK2", "SPRING-9XQ4"]},
        errors=(409,),
        most_bytes=MOST_BULK_BYTES,
    ).route(),
)
async def add(
    actor: NamedDependency[Actor],
    engine: NamedDependency[Engine],
    document: NamedDependency[CodesRequest],
    placement: FromPath[str],
    id: FromPath[str],
) -> Response[bytes]:
    if (document.codes is None) == (document.generate is None):
        raise invalid("codes", "must be sent, or generate, but not both")
    if document.codes is not None:
        result = await engine.codes.add(actor, placement, id, document.codes)
    else:
        result = await engine.codes.generate(actor, placement, id, document.generate or 0, document.prefix)
    return json_response(CodesAdded(*result), status=201, headers=NO_STORE)


@delete(
    PATH,
    **Operation(
        TAG,
        "Remove free codes",
        {200: Answer("Removed", CodesRemoved)},
        "Codes that are held or used stay.",
        errors=(409,),
    ).route(),
)
async def remove(
    actor: NamedDependency[Actor], engine: NamedDependency[Engine], placement: FromPath[str], id: FromPath[str]
) -> Response[bytes]:
    return json_response(CodesRemoved(await engine.codes.remove_free(actor, placement, id)), headers=NO_STORE)


handlers = [listed, add, remove]
