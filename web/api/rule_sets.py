"""Whole sets of rules: export them into a repository, import them into a draft."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from litestar import Response, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.configuration.configuration import Configuration
from engine.model.actor import Actor
from engine.model.placement import Candidate, FieldDocument, ListDocument, Placement, RuleDocument, Scenario
from engine.service import Engine
from web.api.drafts import PATH, TAG, DraftState, state_of
from web.http.request_reading import MOST_BULK_BYTES
from web.http.responses import json_response
from web.openapi import examples
from web.openapi.operation import Answer, Operation


class RuleSet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rules and scenarios of a placement, with everything they name, so that they can be checked offline.

    An import ignores placement, candidates, vocabulary and lists. Without `scenarios` it leaves the scenarios alone.
    """

    placement: Placement | None = None
    rules: Annotated[tuple[RuleDocument, ...], Meta(max_length=5_000)]
    scenarios: Annotated[tuple[Scenario, ...], Meta(max_length=500)] | None = None
    candidates: Annotated[tuple[Candidate, ...], Meta(max_length=500)] | None = None
    vocabulary: Annotated[tuple[FieldDocument, ...], Meta(max_length=1_000)] | None = None
    lists: Annotated[tuple[ListDocument, ...], Meta(max_length=1_000)] | None = None


class Export(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    source: Annotated[Literal["published", "draft"], Meta(description="Which rules.")] = msgspec.field(
        default="published", name="of"
    )


@get(
    "/v1/placements/{placement:str}/rule-set",
    **Operation(
        TAG, "Export a set of rules", {200: Answer("The set", RuleSet)}, "As `tap2 rules` reads it.", query=Export
    ).route(),
)
async def export(
    access: NamedDependency[Access],
    engine: NamedDependency[Engine],
    placement: FromPath[str],
    parameters: NamedDependency[Export],
) -> Response[bytes]:
    if parameters.source == "draft":
        configuration = await engine.drafts.configuration(access.merchant.id, placement)
    else:
        configuration = await engine.catalogue.configuration(access.merchant.id)
    return json_response(rule_set_of(configuration, placement))


@put(
    PATH,
    **Operation(
        TAG,
        "Import a set of rules into a draft",
        {200: Answer("The draft", DraftState, ("ETag",))},
        "Replaces all rules of the draft, up to 5,000 and 2 MiB, or changes nothing. Replaces the scenarios of the "
        "placement at once.",
        body=RuleSet,
        example=examples.RULE_SET,
        errors=(409, 412, 428),
        most_bytes=MOST_BULK_BYTES,
    ).route(),
)
async def import_set(
    actor: NamedDependency[Actor],
    engine: NamedDependency[Engine],
    placement: FromPath[str],
    document: NamedDependency[RuleSet],
    expected_version: NamedDependency[int | None],
) -> Response[bytes]:
    await engine.drafts.replace(actor, placement, document.rules, revision=expected_version)
    if document.scenarios is not None:
        await engine.catalogue.replace(actor, "scenario", placement, document.scenarios)
    draft, differences = await engine.drafts.differences(actor.merchant_id, placement)
    return json_response(state_of(draft, differences), version=draft.head.revision)


def rule_set_of(configuration: Configuration, placement: str) -> RuleSet:
    """Return the rules of a placement by priority, with everything they name; raise `NotFound` without placement."""
    document: Placement = configuration.get("placement", "", placement).document
    rules: tuple[RuleDocument, ...] = configuration.documents("rule", placement)
    return RuleSet(
        placement=document,
        rules=tuple(sorted(rules, key=lambda rule: (-rule.priority, rule.id))),
        scenarios=configuration.documents("scenario", placement),
        candidates=configuration.documents("candidate", placement),
        vocabulary=configuration.documents("field"),
        lists=configuration.documents("list"),
    )


handlers = [export, import_set]
