"""Whole sets of rules: to keep in a repository, and to put into a draft in one go."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get, put
from msgspec import Meta

from engine.configuration.configuration import Configuration
from engine.model.placement import Candidate, FieldDocument, ListDocument, Placement, RuleDocument, Scenario
from web.api.drafts import PATH, TAG, DraftState, state_of
from web.api.resources import JSON, actor_of, version_of
from web.http.access import configuring, engine_of
from web.http.request_reading import MOST_BULK_BYTES, document_of, query_of
from web.openapi import examples
from web.openapi.operation import Answer, Operation

AnyRequest = Request[Any, Any, Any]


class RuleSet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rules and scenarios of a placement, and what they name, so that they can be checked without a server.

    Placement, candidates, vocabulary and lists are not imported. Scenarios that are left out stay as they are.
    """

    placement: Placement | None = None
    rules: Annotated[tuple[RuleDocument, ...], Meta(max_length=5_000)]
    scenarios: Annotated[tuple[Scenario, ...], Meta(max_length=500)] | None = None
    candidates: Annotated[tuple[Candidate, ...], Meta(max_length=500)] | None = None
    vocabulary: Annotated[tuple[FieldDocument, ...], Meta(max_length=1_000)] | None = None
    lists: Annotated[tuple[ListDocument, ...], Meta(max_length=1_000)] | None = None


class Export(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    of: Annotated[Literal["published", "draft"], Meta(description="Which rules.")] = "published"


@get(
    "/v1/placements/{placement:str}/rule-set",
    opt=Operation(
        TAG, "Export a set of rules", {200: Answer("The set", RuleSet)}, "As `tap2 rules` reads it.", query=Export
    ).opt,
)
async def export(request: AnyRequest) -> Response[bytes]:
    access, wanted = configuring(request), query_of(request, Export)
    engine, placement = engine_of(request), str(request.path_params["placement"])
    if wanted.of == "draft":
        configuration = await engine.drafts.configuration(access.merchant.id, placement)
    else:
        configuration = await engine.catalogue.configuration(access.merchant.id)
    return _respond(rule_set_of(configuration, placement))


@put(
    PATH,
    request_max_body_size=MOST_BULK_BYTES,
    opt=Operation(
        TAG,
        "Import a set of rules into a draft",
        {200: Answer("The draft", DraftState, ("ETag",))},
        "The draft will have these rules and no others, or nothing is changed; up to 5,000, 2 MiB. The placement has "
        "these scenarios and no others from now on.",
        body=RuleSet,
        example=examples.RULE_SET,
        errors=(409, 412, 428),
    ).opt,
)
async def import_set(request: AnyRequest) -> Response[bytes]:
    access, revision = configuring(request), version_of(request)
    wanted: RuleSet = await document_of(request, RuleSet, most_bytes=MOST_BULK_BYTES)
    engine, merchant_id, placement = engine_of(request), access.merchant.id, str(request.path_params["placement"])
    await engine.drafts.replace(actor_of(access), placement, wanted.rules, revision=revision)
    if wanted.scenarios is not None:
        await engine.catalogue.replace(actor_of(access), "scenario", placement, wanted.scenarios)
    draft, differences = await engine.drafts.differences(merchant_id, placement)
    return _respond(state_of(draft, differences), etag=draft.at.revision)


def rule_set_of(configuration: Configuration, placement: str) -> RuleSet:
    """The rules of a placement by priority, with all that they name; `NotFound` where it is not there."""
    own: Placement = configuration.get("placement", "", placement).document
    rules: tuple[RuleDocument, ...] = configuration.documents("rule", placement)
    return RuleSet(
        placement=own,
        rules=tuple(sorted(rules, key=lambda rule: (-rule.priority, rule.id))),
        scenarios=configuration.documents("scenario", placement),
        candidates=configuration.documents("candidate", placement),
        vocabulary=configuration.documents("field"),
        lists=configuration.documents("list"),
    )


def _respond(body: msgspec.Struct, *, etag: int | None = None) -> Response[bytes]:
    headers = {} if etag is None else {"ETag": f'"{etag}"'}
    return Response(msgspec.json.encode(body), media_type=JSON, headers=headers)


handlers = [export, import_set]
