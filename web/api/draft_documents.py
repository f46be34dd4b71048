"""What a draft holds besides rules: candidates, the placement's settings, and the merchant's fields and lists."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
from litestar import Response, delete, get, post, put
from litestar.di import NamedDependency, Provide
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from engine.accounts.accounts import Access
from engine.configuration.draft_overlay import DraftItem, Mark
from engine.model.actor import Actor
from engine.model.errors import invalid
from engine.model.resource_kinds import Document, Kind, id_of
from engine.model.timestamps import rfc3339
from engine.service import Engine
from web.api.common_types import Moment
from web.api.drafts import PATH, TAG, Authors, DraftState, Revision, RuleOrder, draft_answer
from web.api.resources import COLLECTIONS, Address, Collection
from web.http.responses import json_response
from web.openapi import examples
from web.openapi.operation import Answer, Operation

KINDS: tuple[Kind, ...] = ("candidate", "placement", "field", "list", "budget")
ABOUT = {
    "candidate": "",
    "placement": "A draft holds the settings of its own placement.",
    "field": "A field belongs to all placements; the draft of any placement can change it.",
    "list": "A list belongs to all placements; the draft of any placement can change it.",
    "budget": "A budget belongs to the merchant; the draft of any placement can change it.",
}


class DraftedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A document as the draft has it and as it is published; null where there is none.

    `moved`: others published it after the draft changed it.
    """

    kind: Kind
    id: str
    mark: Mark
    revision: Revision
    moved: bool
    changed_by: str
    authors: Authors
    changed_at: Moment | None


@cache
def drafted_type(document: type[Document]) -> Any:
    """Return the type of a document in a draft, with the document before and after."""
    name = f"Drafted{document.__name__.removesuffix('Document')}"
    fields = [("document", document | None), ("published", document | None)]
    return msgspec.defstruct(name, fields, bases=(DraftedDocument,), frozen=True, kw_only=True)


def _address_of_settings(placement: FromPath[str]) -> Address:
    return Address(placement, placement)


def _address_by_id(placement: FromPath[str], id: FromPath[str]) -> Address:
    return Address(placement, id)


def _address_by_name(placement: FromPath[str], name: FromPath[str]) -> Address:
    return Address(placement, name)


def _path(collection: Collection) -> str:
    if collection.kind == "placement":
        return f"{PATH}/settings"
    return f"{PATH}/{collection.own.segment}/{{{collection.id_field}:str}}"


def _address(collection: Collection) -> dict[str, Provide]:
    by_field: dict[str, Callable[..., Address]] = {
        "key": _address_of_settings,
        "id": _address_by_id,
        "name": _address_by_name,
    }
    return {"address": Provide(by_field[collection.id_field], sync_to_thread=False)}


def _noun(collection: Collection) -> str:
    return "a placement's settings" if collection.kind == "placement" else f"a {collection.name}"


def show(collection: Collection) -> HTTPRouteHandler:
    """Return the handler that shows a document in a draft."""
    answers = {200: Answer("As the draft has it", drafted_type(collection.document), ("ETag",))}

    @get(
        _path(collection),
        **Operation(TAG, f"Show {_noun(collection)} in a draft", answers).route(**_address(collection)),
    )
    async def handler(
        access: NamedDependency[Access], engine: NamedDependency[Engine], address: NamedDependency[Address]
    ) -> Response[bytes]:
        return _answer(
            collection,
            await engine.drafts.item(access.merchant.id, address.placement, collection.kind, address.id),
        )

    return handler


def save(collection: Collection) -> HTTPRouteHandler:
    """Return the handler that changes a document in a draft."""
    operation = Operation(
        TAG,
        f"Change {_noun(collection)} in a draft",
        {200: Answer("As the draft has it now", drafted_type(collection.document), ("ETag",))},
        f'The whole document. Send `If-Match: "0"` for a new one. {ABOUT[collection.kind]}'.strip(),
        body=collection.document,
        example=collection.example,
        errors=(409, 412, 428),
        most_bytes=collection.most_bytes,
    )

    @put(_path(collection), **operation.route(**_address(collection)))
    async def handler(
        actor: NamedDependency[Actor],
        engine: NamedDependency[Engine],
        address: NamedDependency[Address],
        document: NamedDependency[Any],
        expected_version: NamedDependency[int | None],
    ) -> Response[bytes]:
        if id_of(document) != address.id:
            raise invalid(collection.id_field, "must be the id in the URL; ids cannot change")
        return _answer(
            collection, await engine.drafts.save(actor, address.placement, document, revision=expected_version)
        )

    return handler


def remove(collection: Collection) -> HTTPRouteHandler:
    """Return the handler that deletes a document in a draft."""
    answers = {200: Answer("What publishing will delete", drafted_type(collection.document), ("ETag",))}
    operation = Operation(TAG, f"Delete {_noun(collection)} in a draft", answers, errors=(412, 428))

    @delete(_path(collection), **operation.route(**_address(collection)))
    async def handler(
        actor: NamedDependency[Actor],
        engine: NamedDependency[Engine],
        address: NamedDependency[Address],
        expected_version: NamedDependency[int | None],
    ) -> Response[bytes]:
        removed = await engine.drafts.remove(
            actor, address.placement, address.id, revision=expected_version, kind=collection.kind
        )
        return _answer(collection, removed)

    return handler


def keep(collection: Collection) -> HTTPRouteHandler:
    """Return the handler that keeps a change over what others published."""
    answers = {200: Answer("No longer `moved`", drafted_type(collection.document), ("ETag",))}
    operation = Operation(
        TAG, f"Keep a change of {_noun(collection)} over what others published", answers, errors=(412, 428)
    )

    @post(f"{_path(collection)}/keep", **operation.route(**_address(collection)))
    async def handler(
        actor: NamedDependency[Actor],
        engine: NamedDependency[Engine],
        address: NamedDependency[Address],
        expected_version: NamedDependency[int | None],
    ) -> Response[bytes]:
        change = await engine.drafts.keep(
            actor, address.placement, address.id, revision=expected_version, kind=collection.kind
        )
        return _answer(collection, change)

    return handler


@put(
    f"{PATH}/candidate-order",
    **Operation(
        TAG,
        "Put the candidates of a draft in an order",
        {200: Answer("The draft", DraftState, ("ETag",))},
        "The ids of all candidates in the draft, in order.",
        body=RuleOrder,
        example=examples.ORDER,
        errors=(409, 412, 428),
    ).route(),
)
async def reorder(
    actor: NamedDependency[Actor],
    engine: NamedDependency[Engine],
    placement: FromPath[str],
    document: NamedDependency[RuleOrder],
    expected_version: NamedDependency[int | None],
) -> Response[bytes]:
    await engine.drafts.reorder_candidates(actor, placement, document.ids, revision=expected_version)
    return await draft_answer(engine, actor.merchant_id, placement)


def _answer(collection: Collection, item: DraftItem) -> Response[bytes]:
    body = drafted_type(collection.document)(
        kind=item.kind,
        id=item.id,
        mark=item.mark,
        revision=item.revision,
        moved=item.moved,
        changed_by=item.changed_by,
        authors=list(item.authors),
        changed_at=rfc3339(item.changed_at) if item.changed_at else None,
        document=item.after,
        published=item.before,
    )
    return json_response(body, version=item.revision)


_drafted = [collection for collection in COLLECTIONS if collection.kind in KINDS]
handlers = [
    *(make(collection) for collection in _drafted for make in (show, save, keep)),
    *(remove(collection) for collection in _drafted if collection.kind != "placement"),
    reorder,
]
