"""What a merchant configures: placements, their candidates and rules, the vocabulary, and lists."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any, NamedTuple

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.configuration.configuration import id_of
from engine.model.actor import Actor
from engine.model.errors import Stale, invalid
from engine.model.placement import Candidate, FieldDocument, ListDocument, Placement, RuleDocument, Scenario
from engine.model.timestamps import rfc3339
from engine.store.resources import Document, Kind, Resource
from web.api.decisions import IN_AN_ADDRESS
from web.http.access import configuring, engine_of
from web.http.problem_details import VersionNeeded
from web.http.request_reading import MOST_BODY_BYTES, MOST_BULK_BYTES, document_of, query_of
from web.openapi import examples
from web.openapi.operation import Answer, Operation

AnyRequest = Request[Any, Any, Any]
JSON = "application/json"
MOST_AT_ONCE = 500
_VERSION = re.compile(r'"([0-9]{1,9})"')

Version = Annotated[int, Meta(ge=1, description="Counts the changes; `If-Match` wants it in quotes.")]
Moment = Annotated[str, msgspec.Meta(description="RFC 3339, UTC.", extra_json_schema={"format": "date-time"})]


class Page(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of a list to answer."""

    limit: Annotated[int, Meta(ge=1, le=200, description="The most items to answer.")] = 50
    cursor: Annotated[str, Meta(max_length=80, pattern=IN_AN_ADDRESS, description="`next` of the page before.")] = ""


class Collection(NamedTuple):
    """One kind of thing: where it lives, what it is called, and what its documents look like."""

    kind: Kind
    path: str
    name: str
    plural: str
    tag: str
    document: type[Document]
    example: dict[str, Any]
    about: str = ""
    most_bytes: int = MOST_BODY_BYTES

    id_field: str = "id"

    @property
    def item(self) -> str:
        """What the last part of an address is called."""
        return "placement" if self.kind == "placement" else self.id_field

    @property
    def item_path(self) -> str:
        return f"{self.path}/{{{self.item}:str}}"

    def place(self, request: AnyRequest) -> str:
        """The placement that things of this kind belong to; empty where they are the merchant's."""
        return "" if self.kind == "placement" else str(request.path_params.get("placement", ""))

    def address(self, request: AnyRequest) -> tuple[str, str]:
        """The placement that a thing belongs to, and its id there."""
        return self.place(request), str(request.path_params[self.item])


COLLECTIONS = (
    Collection(
        "placement",
        "/v1/placements",
        "placement",
        "placements",
        "Placements",
        Placement,
        examples.PLACEMENT,
        "A named place where the engine chooses. Saving it, or anything in it, publishes a plan version.",
        id_field="key",
    ),
    Collection(
        "candidate",
        "/v1/placements/{placement:str}/candidates",
        "candidate",
        "candidates",
        "Candidates",
        Candidate,
        examples.CANDIDATE,
        "Payment methods are the candidates of the placement `payment_methods`.",
    ),
    Collection(
        "rule",
        "/v1/placements/{placement:str}/rules",
        "rule",
        "rules",
        "Rules",
        RuleDocument,
        examples.RULE,
        "A rule is a JSON-logic condition over the facts of the vocabulary, and effects. Where changes need a second "
        "person's review, rules are changed in the draft.",
    ),
    Collection(
        "scenario",
        "/v1/placements/{placement:str}/scenarios",
        "scenario",
        "scenarios",
        "Scenarios",
        Scenario,
        examples.SCENARIO,
        "Facts and the answer that must come of them. What would break one is not published.",
    ),
    Collection(
        "field",
        "/v1/vocabulary",
        "field",
        "fields",
        "Vocabulary",
        FieldDocument,
        examples.FIELD,
        "Facts that are not declared are dropped at the door and never stored.",
        id_field="name",
    ),
    Collection(
        "list",
        "/v1/lists",
        "list",
        "lists",
        "Lists",
        ListDocument,
        examples.LIST,
        "Rules look values up in a list with `in_list`. Bodies may have up to 2 MiB here.",
        most_bytes=MOST_BULK_BYTES,
        id_field="name",
    ),
)


@cache
def stored(document: type[Document]) -> Any:
    """A document as it is read back: with its version and the time of its last change."""
    own = [("version", Version), ("changed_at", Moment)]
    name = f"Stored{document.__name__.removesuffix('Document')}"
    return msgspec.defstruct(name, own, bases=(document,), frozen=True, kw_only=True, forbid_unknown_fields=True)


@cache
def some(document: type[Document]) -> Any:
    """A page of them."""
    item: Any = stored(document)
    about = {"__doc__": "Some of them in order, and the cursor of the next page."}
    return msgspec.defstruct(f"{item.__name__}s", [("items", list[item]), ("next", str | None)], namespace=about)


def show_all(own: Collection) -> HTTPRouteHandler:
    answers = {200: Answer(f"The {own.plural}, by id", some(own.document))}

    @get(own.path, opt=Operation(own.tag, f"List {own.plural}", answers, own.about, query=Page).opt)
    async def handler(request: AnyRequest) -> Response[bytes]:
        access, page = configuring(request), query_of(request, Page)
        found = await engine_of(request).catalogue.page(
            access.merchant.id, own.kind, own.place(request), after=page.cursor, limit=page.limit + 1
        )
        return _page(found, page.limit)

    return handler


def create(own: Collection) -> HTTPRouteHandler:
    one_or_more: Any = own.document | Annotated[list[own.document], Meta(min_length=1, max_length=MOST_AT_ONCE)]  # type: ignore[name-defined]
    operation = Operation(
        own.tag,
        f"Create {own.plural}",
        {201: Answer("Created, and in force", (stored(own.document), some(own.document)), ("Location", "ETag"))},
        f"One {own.name}, or a list of up to {MOST_AT_ONCE}: all of them or none. Up to 2 MiB.",
        body=one_or_more,
        example=own.example,
        errors=(409,),
    )

    @post(own.path, request_max_body_size=MOST_BULK_BYTES, opt=operation.opt)
    async def handler(request: AnyRequest) -> Response[bytes]:
        access = configuring(request)
        sent = await document_of(request, one_or_more, most_bytes=MOST_BULK_BYTES)
        made = await engine_of(request).catalogue.create(
            actor_of(access), own.kind, own.place(request), sent if isinstance(sent, list) else [sent]
        )
        if isinstance(sent, list):
            return _page(made, len(made), status=201)
        return _one(made[0], status=201, headers={"Location": f"{request.url.path}/{made[0].id}"})

    return handler


def show(own: Collection) -> HTTPRouteHandler:
    answers = {200: Answer(f"The {own.name}", stored(own.document), ("ETag",))}

    @get(own.item_path, opt=Operation(own.tag, f"Show a {own.name}", answers).opt)
    async def handler(request: AnyRequest) -> Response[bytes]:
        access = configuring(request)
        return _one(await engine_of(request).catalogue.get(access.merchant.id, own.kind, *own.address(request)))

    return handler


def replace(own: Collection) -> HTTPRouteHandler:
    operation = Operation(
        own.tag,
        f"Replace a {own.name}",
        {200: Answer("Replaced, and in force", stored(own.document), ("ETag",))},
        "The whole document: what it leaves out gets its default value.",
        body=own.document,
        example=own.example,
        errors=(409, 412, 428),
    )

    @put(own.item_path, request_max_body_size=own.most_bytes, opt=operation.opt)
    async def handler(request: AnyRequest) -> Response[bytes]:
        access, version = configuring(request), version_of(request)
        document = await document_of(request, own.document, most_bytes=own.most_bytes)
        place, id = own.address(request)
        if id_of(document) != id:
            raise invalid(own.id_field, "must be the one in the address: it stays for good")
        changed = await engine_of(request).catalogue.update(
            actor_of(access), own.kind, place, id, document, version=version
        )
        return _one(changed)

    return handler


def remove(own: Collection) -> HTTPRouteHandler:
    about = "With all that is in it." if own.kind == "placement" else ""
    operation = Operation(
        own.tag, f"Delete a {own.name}", {204: Answer("Deleted, and out of force")}, about, errors=(412, 428)
    )

    @delete(own.item_path, status_code=204, opt=operation.opt)
    async def handler(request: AnyRequest) -> None:
        access, version = configuring(request), version_of(request)
        place, id = own.address(request)
        await engine_of(request).catalogue.delete(actor_of(access), own.kind, place, id, version=version)

    return handler


def actor_of(access: Access) -> Actor:
    """Return the merchant with the key's name and id, by which the audit log names the caller."""
    key = access.key
    return Actor(access.merchant.id, f"key {key.name} ({key.id})" if key.name else f"key {key.id}")


def version_of(request: AnyRequest) -> int | None:
    """The version that a change was made from, or None for `*`: whichever it is at."""
    given = request.headers.get("if-match", "").strip()
    if not given:
        raise VersionNeeded('send If-Match with the version you changed, such as "3", or *', field="If-Match")
    if given == "*":
        return None
    if given.startswith("W/"):
        raise Stale("If-Match never fits a weak version", field="If-Match")
    found = _VERSION.fullmatch(given)
    if found is None:
        raise invalid("If-Match", 'must be one version in quotes, such as "3", or *')
    return int(found[1])


def _fields(one: Resource) -> Mapping[str, Any]:
    own = {"version": one.version, "changed_at": rfc3339(one.changed_at)}
    return {**msgspec.structs.asdict(one.document), **own}


def _one(one: Resource, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response[bytes]:
    etag = {"ETag": f'"{one.version}"', **(headers or {})}
    return Response(msgspec.json.encode(_fields(one)), status_code=status, media_type=JSON, headers=etag)


def _page(found: Sequence[Resource], limit: int, *, status: int = 200) -> Response[bytes]:
    """`found` holds one more than the page where there are more."""
    items = found[:limit]
    body = {"items": [_fields(one) for one in items], "next": items[-1].id if len(found) > limit else None}
    return Response(msgspec.json.encode(body), status_code=status, media_type=JSON)


handlers = [make(own) for own in COLLECTIONS for make in (show_all, create, show, replace, remove)]
