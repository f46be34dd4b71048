"""The configuration of a merchant: placements, their candidates, rules and scenarios, the vocabulary, and lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any, NamedTuple

import msgspec
from litestar import Response, delete, get, post, put
from litestar.di import NamedDependency, Provide
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.model.actor import Actor
from engine.model.errors import invalid
from engine.model.resource import Resource
from engine.model.resource_kinds import KINDS, Document, Kind, ResourceKind, id_of
from engine.model.timestamps import rfc3339
from engine.service import Engine
from web.api.common_types import Moment, Page
from web.http.middleware.base_path import browser_path
from web.http.request_reading import MOST_BODY_BYTES, MOST_BULK_BYTES, AnyRequest
from web.http.responses import json_response
from web.openapi import examples
from web.openapi.operation import Answer, Operation

MOST_IN_BULK = 500
Version = Annotated[int, Meta(ge=1, description="Counts the changes; `If-Match` takes it in quotes.")]


class Address(NamedTuple):
    """A resource: the placement it belongs to, empty where it belongs to the merchant, and its id there."""

    placement: str
    id: str


def _no_placement() -> str:
    return ""


def _placement(placement: FromPath[str]) -> str:
    return placement


def _address_of_placement(placement: FromPath[str]) -> Address:
    return Address("", placement)


def _address_in_placement(placement: FromPath[str], id: FromPath[str]) -> Address:
    return Address(placement, id)


def _address_by_id(id: FromPath[str]) -> Address:
    return Address("", id)


def _address_by_name(name: FromPath[str]) -> Address:
    return Address("", name)


class Collection(NamedTuple):
    """A kind of resource: its path, its names in the documentation, and the type of its documents."""

    own: ResourceKind
    example: dict[str, Any]
    about: str = ""
    most_bytes: int = MOST_BODY_BYTES

    @property
    def kind(self) -> Kind:
        return self.own.kind

    @property
    def path(self) -> str:
        """Return the path of the collection."""
        return self.own.collection_path

    @property
    def name(self) -> str:
        return self.own.kind

    @property
    def plural(self) -> str:
        return f"{self.own.kind}s"

    @property
    def tag(self) -> str:
        return self.own.label

    @property
    def document(self) -> type[Document]:
        return self.own.document

    @property
    def id_field(self) -> str:
        return self.own.id_field

    @property
    def item_path(self) -> str:
        """Return the path of one resource."""
        return f"{self.path}/{{{'placement' if self.kind == 'placement' else self.id_field}:str}}"

    @property
    def parent(self) -> Provide:
        """Return the provider of the placement that the resources belong to."""
        return Provide(_placement if "{placement" in self.path else _no_placement, sync_to_thread=False)

    @property
    def address(self) -> Provide:
        """Return the provider of one resource's address."""
        if self.kind == "placement":
            return Provide(_address_of_placement, sync_to_thread=False)
        if "{placement" in self.path:
            return Provide(_address_in_placement, sync_to_thread=False)
        return Provide(_address_by_id if self.id_field == "id" else _address_by_name, sync_to_thread=False)


COLLECTIONS = (
    Collection(
        KINDS["placement"],
        examples.PLACEMENT,
        "A named position where the engine chooses. Saving it, or anything in it, publishes a plan version.",
    ),
    Collection(
        KINDS["candidate"],
        examples.CANDIDATE,
        "Payment methods are the candidates of the placement `payment_methods`.",
    ),
    Collection(
        KINDS["rule"],
        examples.RULE,
        "A rule is a JSON-logic condition over the facts of the vocabulary, and effects. Where a second person "
        "must approve changes, change rules in the draft.",
    ),
    Collection(
        KINDS["scenario"],
        examples.SCENARIO,
        "Facts and the answer expected for them. Changes that would break a scenario are not published.",
    ),
    Collection(
        KINDS["field"],
        examples.FIELD,
        "Facts that are not declared are dropped from requests and never stored.",
    ),
    Collection(
        KINDS["list"],
        examples.LIST,
        "Rules look up values in a list with `in_list`. Bodies may have up to 2 MiB here.",
        most_bytes=MOST_BULK_BYTES,
    ),
    Collection(
        KINDS["budget"],
        examples.BUDGET,
        "A cap on what offers may spend. Offers are the candidates with an `offer`; each names the budgets that pay "
        "for it. You cannot delete a used budget; lower its cap instead.",
    ),
)


@cache
def stored_type(document: type[Document]) -> Any:
    """Return the type of a document as it is read back: with its version and the time of its last change."""
    fields = [("version", Version), ("changed_at", Moment)]
    name = f"Stored{document.__name__.removesuffix('Document')}"
    return msgspec.defstruct(name, fields, bases=(document,), frozen=True, kw_only=True, forbid_unknown_fields=True)


@cache
def page_type(document: type[Document]) -> Any:
    """Return the type of a page of stored documents."""
    item: Any = stored_type(document)
    namespace = {"__doc__": "A page in order, and the cursor of the next page."}
    return msgspec.defstruct(f"{item.__name__}s", [("items", list[item]), ("next", str | None)], namespace=namespace)


def list_all(collection: Collection) -> HTTPRouteHandler:
    """Return the handler that lists a collection."""
    answers = {200: Answer(f"The {collection.plural}, by id", page_type(collection.document))}
    operation = Operation(collection.tag, f"List {collection.plural}", answers, collection.about, query=Page)

    @get(collection.path, **operation.route(parent=collection.parent))
    async def handler(
        access: NamedDependency[Access],
        engine: NamedDependency[Engine],
        parent: NamedDependency[str],
        parameters: NamedDependency[Page],
    ) -> Response[bytes]:
        resources = await engine.catalogue.page(
            access.merchant.id, collection.kind, parent, after=parameters.cursor, limit=parameters.limit + 1
        )
        return page_response(resources, parameters.limit)

    return handler


def create(collection: Collection) -> HTTPRouteHandler:
    """Return the handler that creates one resource or several."""
    kind = collection.document
    one_or_more: Any = kind | Annotated[list[kind], Meta(min_length=1, max_length=MOST_IN_BULK)]  # type: ignore[valid-type]
    operation = Operation(
        collection.tag,
        f"Create {collection.plural}",
        {201: Answer("Created, and in force", (stored_type(kind), page_type(kind)), ("Location", "ETag"))},
        f"One {collection.name}, or a list of up to {MOST_IN_BULK}: all of them or none. Up to 2 MiB.",
        body=one_or_more,
        example=collection.example,
        errors=(409,),
        most_bytes=MOST_BULK_BYTES,
    )

    @post(collection.path, **operation.route(parent=collection.parent))
    async def handler(
        request: AnyRequest,
        actor: NamedDependency[Actor],
        engine: NamedDependency[Engine],
        parent: NamedDependency[str],
        document: NamedDependency[Any],
    ) -> Response[bytes]:
        documents = document if isinstance(document, list) else [document]
        created = await engine.catalogue.create(actor, collection.kind, parent, documents)
        if isinstance(document, list):
            return page_response(created, len(created), status=201)
        location = browser_path(f"{request.url.path}/{created[0].id}")
        return resource_response(created[0], status=201, headers={"Location": location})

    return handler


def show(collection: Collection) -> HTTPRouteHandler:
    """Return the handler that shows one resource."""
    answers = {200: Answer(f"The {collection.name}", stored_type(collection.document), ("ETag",))}
    operation = Operation(collection.tag, f"Show a {collection.name}", answers)

    @get(collection.item_path, **operation.route(address=collection.address))
    async def handler(
        access: NamedDependency[Access], engine: NamedDependency[Engine], address: NamedDependency[Address]
    ) -> Response[bytes]:
        return resource_response(await engine.catalogue.get(access.merchant.id, collection.kind, *address))

    return handler


def replace(collection: Collection) -> HTTPRouteHandler:
    """Return the handler that replaces one resource."""
    operation = Operation(
        collection.tag,
        f"Replace a {collection.name}",
        {200: Answer("Replaced, and in force", stored_type(collection.document), ("ETag",))},
        "The whole document: fields that are left out get their default value.",
        body=collection.document,
        example=collection.example,
        errors=(409, 412, 428),
        most_bytes=collection.most_bytes,
    )

    @put(collection.item_path, **operation.route(address=collection.address))
    async def handler(
        actor: NamedDependency[Actor],
        engine: NamedDependency[Engine],
        address: NamedDependency[Address],
        document: NamedDependency[Any],
        expected_version: NamedDependency[int | None],
    ) -> Response[bytes]:
        if id_of(document) != address.id:
            raise invalid(collection.id_field, "must be the id in the URL; ids cannot change")
        return resource_response(
            await engine.catalogue.update(actor, collection.kind, *address, document, version=expected_version)
        )

    return handler


def remove(collection: Collection) -> HTTPRouteHandler:
    """Return the handler that deletes one resource."""
    about = "With everything in it." if collection.kind == "placement" else ""
    answers = {204: Answer("Deleted, and no longer in force")}
    operation = Operation(collection.tag, f"Delete a {collection.name}", answers, about, errors=(412, 428))

    @delete(collection.item_path, **operation.route(address=collection.address))
    async def handler(
        actor: NamedDependency[Actor],
        engine: NamedDependency[Engine],
        address: NamedDependency[Address],
        expected_version: NamedDependency[int | None],
    ) -> None:
        await engine.catalogue.delete(actor, collection.kind, *address, version=expected_version)

    return handler


def fields_of(resource: Resource) -> Mapping[str, Any]:
    """Return a resource as it is read back: its document with version and time of change."""
    document = msgspec.structs.asdict(resource.document)
    return {**document, "version": resource.version, "changed_at": rfc3339(resource.changed_at)}


def resource_response(
    resource: Resource, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response[bytes]:
    """Answer with one resource and its version as ETag."""
    return json_response(fields_of(resource), status=status, version=resource.version, headers=headers)


def page_response(resources: Sequence[Resource], limit: int, *, status: int = 200) -> Response[bytes]:
    """Answer up to `limit` resources; one more than that in `resources` means that there is a next page."""
    items = resources[:limit]
    following = items[-1].id if len(resources) > limit else None
    return json_response({"items": [fields_of(resource) for resource in items], "next": following}, status=status)


handlers = [make(collection) for collection in COLLECTIONS for make in (list_all, create, show, replace, remove)]
