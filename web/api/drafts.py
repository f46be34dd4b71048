"""Drafts of rules: what they change, changing them, and what becomes of them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, post, put
from msgspec import Meta

from engine.configuration.draft_overlay import Draft, DraftRule, Mark
from engine.configuration.plan_difference import Difference
from engine.kernel.scenario_check import ScenarioOutcome
from engine.model.errors import invalid
from engine.model.placement import Id, RuleDocument
from engine.model.placement import Moment as Given
from engine.model.timestamps import rfc3339, to_ms
from engine.store.drafts import State
from rules.language.values import read_datetime
from web.api.resources import JSON, Moment, actor_of, version_of
from web.http.access import configuring, engine_of
from web.http.request_reading import MOST_BULK_BYTES, document_of
from web.openapi import examples
from web.openapi.operation import Answer, Operation

AnyRequest = Request[Any, Any, Any]
TAG = "Drafts"
PATH = "/v1/placements/{placement:str}/draft"
RULE = f"{PATH}/rules/{{id:str}}"
Revision = Annotated[int, Meta(ge=0, description="Counts the changes; `If-Match` wants it in quotes.")]
Why = Annotated[str, Meta(max_length=500, description="What the change is for; it stands beside the version.")]


class DraftedRule(msgspec.Struct, frozen=True):
    """A rule as the draft will have it, and as it is published; null where there is none.

    `moved`: others published it after the draft changed it.
    """

    id: str
    mark: Mark
    revision: Revision
    moved: bool
    changed_by: str
    changed_at: Moment | None
    rule: RuleDocument | None
    published: RuleDocument | None


class DraftedRules(msgspec.Struct, frozen=True):
    """All rules, the most important first."""

    items: list[DraftedRule]


class DraftState(msgspec.Struct, frozen=True):
    """Where a draft stands and what it changes, in words and as documents."""

    placement: str
    revision: Revision
    state: State
    review: Annotated[bool, Meta(description="Whether a second person must approve before it is published.")]
    why: str
    asked_by: str
    approved_by: str
    publish_at: Moment | None
    scheduled_by: str
    problem: Annotated[str, Meta(description="Why it was not published when it was to be.")]
    moved: Annotated[list[str], Meta(description="Rules that others published after the draft changed them.")]
    changes: list[Difference]


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All rules that the draft will have, the most important first."""

    ids: Annotated[list[Id], Meta(max_length=5_000)]


class Review(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    why: Why = ""


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Published at once, or at `publish_at`."""

    why: Why = ""
    publish_at: Given | None = None


class Released(msgspec.Struct, frozen=True):
    """The version that is in force now; null where it is to be published later."""

    version: int | None
    publish_at: Moment | None


class Outcomes(msgspec.Struct, frozen=True):
    """Every scenario, with what it misses."""

    items: list[ScenarioOutcome]


@get(
    PATH,
    opt=Operation(
        TAG,
        "Show a draft",
        {200: Answer("The draft", DraftState, ("ETag",))},
        "Every placement has one draft, which all of the merchant's editors share. It changes nothing until it is "
        "published.",
    ).opt,
)
async def show(request: AnyRequest) -> Response[bytes]:
    return await _state(request)


@get(f"{PATH}/rules", opt=Operation(TAG, "List rules in a draft", {200: Answer("All rules", DraftedRules)}).opt)
async def rules(request: AnyRequest) -> Response[bytes]:
    access = configuring(request)
    draft = await engine_of(request).drafts.get(access.merchant.id, _placement(request))
    return _respond(DraftedRules([_drafted(rule) for rule in draft.rules]))


@get(RULE, opt=Operation(TAG, "Show a rule in a draft", {200: Answer("The rule", DraftedRule, ("ETag",))}).opt)
async def rule(request: AnyRequest) -> Response[bytes]:
    access = configuring(request)
    return _one(await engine_of(request).drafts.rule(access.merchant.id, *_address(request)))


@put(
    RULE,
    opt=Operation(
        TAG,
        "Change a rule in a draft",
        {200: Answer("The rule as the draft has it now", DraftedRule, ("ETag",))},
        'The whole rule. `If-Match: "0"` says that it is a new one.',
        body=RuleDocument,
        example=examples.RULE,
        errors=(409, 412, 428),
    ).opt,
)
async def save_rule(request: AnyRequest) -> Response[bytes]:
    access, revision = configuring(request), version_of(request)
    document = await document_of(request, RuleDocument)
    placement, id = _address(request)
    if document.id != id:
        raise invalid("id", "must be the one in the address: it stays for good")
    drafts = engine_of(request).drafts
    return _one(await drafts.save(actor_of(access), placement, document, revision=revision))


@delete(
    RULE,
    status_code=200,
    opt=Operation(
        TAG,
        "Delete a rule in a draft",
        {200: Answer("The rule, which publishing will delete", DraftedRule, ("ETag",))},
        errors=(412, 428),
    ).opt,
)
async def remove_rule(request: AnyRequest) -> Response[bytes]:
    access, revision = configuring(request), version_of(request)
    drafts = engine_of(request).drafts
    return _one(await drafts.remove(actor_of(access), *_address(request), revision=revision))


@post(
    f"{RULE}/keep",
    status_code=200,
    opt=Operation(
        TAG,
        "Keep a change over what others published",
        {200: Answer("The rule, no longer `moved`", DraftedRule, ("ETag",))},
        "Says that the change was made in the knowledge of what has been published meanwhile.",
        errors=(412, 428),
    ).opt,
)
async def keep_rule(request: AnyRequest) -> Response[bytes]:
    access, revision = configuring(request), version_of(request)
    drafts = engine_of(request).drafts
    return _one(await drafts.keep(actor_of(access), *_address(request), revision=revision))


@put(
    f"{PATH}/order",
    request_max_body_size=MOST_BULK_BYTES,
    opt=Operation(
        TAG,
        "Put the rules of a draft in an order",
        {200: Answer("The draft", DraftState, ("ETag",))},
        "Rules get the priorities that this order needs; most keep theirs. Up to 2 MiB.",
        body=Order,
        example=examples.ORDER,
        errors=(409, 412, 428),
    ).opt,
)
async def reorder(request: AnyRequest) -> Response[bytes]:
    access, revision = configuring(request), version_of(request)
    wanted: Order = await document_of(request, Order, most_bytes=MOST_BULK_BYTES)
    drafts, placement = engine_of(request).drafts, _placement(request)
    await drafts.reorder(actor_of(access), placement, wanted.ids, revision=revision)
    return await _state(request)


@delete(
    PATH,
    status_code=200,
    opt=Operation(
        TAG,
        "Discard a draft",
        {200: Answer("The draft, which changes nothing", DraftState, ("ETag",))},
        errors=(412, 428),
    ).opt,
)
async def discard(request: AnyRequest) -> Response[bytes]:
    access, revision = configuring(request), version_of(request)
    drafts, placement = engine_of(request).drafts, _placement(request)
    await drafts.discard(actor_of(access), placement, revision=revision)
    return await _state(request)


@get(
    f"{PATH}/scenarios",
    opt=Operation(TAG, "Try the scenarios on a draft", {200: Answer("What came of each", Outcomes)}, errors=(409,)).opt,
)
async def scenarios(request: AnyRequest) -> Response[bytes]:
    access = configuring(request)
    return _respond(Outcomes(await engine_of(request).scenarios.try_draft(access.merchant.id, _placement(request))))


@post(
    f"{PATH}/review",
    status_code=200,
    opt=Operation(
        TAG,
        "Send a draft for review",
        {200: Answer("The draft, in review", DraftState, ("ETag",))},
        "A second person approves in the browser; a key cannot.",
        body=Review,
        example=examples.REVIEW,
        errors=(412, 428),
    ).opt,
)
async def ask(request: AnyRequest) -> Response[bytes]:
    access, revision = configuring(request), await _revision(request)
    wanted: Review = await document_of(request, Review)
    releases = engine_of(request).releases
    await releases.ask(actor_of(access), _placement(request), revision=revision, reason=wanted.why)
    return await _state(request)


@delete(
    f"{PATH}/review",
    status_code=200,
    opt=Operation(
        TAG,
        "Take a draft back",
        {200: Answer("The draft, neither reviewed nor scheduled", DraftState, ("ETag",))},
        errors=(412, 428),
    ).opt,
)
async def send_back(request: AnyRequest) -> Response[bytes]:
    access, revision = configuring(request), await _revision(request)
    await engine_of(request).releases.send_back(actor_of(access), _placement(request), revision=revision)
    return await _state(request)


@post(
    f"{PATH}/publish",
    status_code=200,
    opt=Operation(
        TAG,
        "Publish a draft",
        {200: Answer("In force, or to be published", Released)},
        "All changes or none: 412 where others changed the draft or a rule under it, 400 where a scenario breaks, 403 "
        "with `review-required` where a second person has not approved yet.",
        body=Release,
        example=examples.RELEASE,
        errors=(409, 412, 428),
    ).opt,
)
async def publish(request: AnyRequest) -> Response[bytes]:
    access, revision = configuring(request), await _revision(request)
    wanted: Release = await document_of(request, Release)
    releases, placement = engine_of(request).releases, _placement(request)
    if wanted.publish_at is None:
        version = await releases.publish(actor_of(access), placement, revision=revision, reason=wanted.why)
        return _respond(Released(version, None))
    at = _moment(wanted.publish_at)
    await releases.schedule(actor_of(access), placement, revision=revision, reason=wanted.why, at=at)
    return _respond(Released(None, rfc3339(at)))


def _moment(text: str) -> int:
    moment = read_datetime(text)
    if moment is None:
        raise invalid("publish_at", "must be a moment with its offset, such as 2026-11-27T18:30:00+01:00")
    return to_ms(moment)


def _placement(request: AnyRequest) -> str:
    return str(request.path_params["placement"])


def _address(request: AnyRequest) -> tuple[str, str]:
    return _placement(request), str(request.path_params["id"])


async def _revision(request: AnyRequest) -> int:
    """The revision that was seen, or for `*` whichever the draft is at."""
    revision = version_of(request)
    if revision is not None:
        return revision
    draft = await engine_of(request).drafts.get(configuring(request).merchant.id, _placement(request))
    return draft.at.revision


async def _state(request: AnyRequest) -> Response[bytes]:
    merchant_id = configuring(request).merchant.id
    draft, differences = await engine_of(request).drafts.differences(merchant_id, _placement(request))
    return _respond(state_of(draft, differences), etag=draft.at.revision)


def state_of(draft: Draft, differences: list[Difference]) -> DraftState:
    at = draft.at
    return DraftState(
        placement=draft.placement,
        revision=at.revision,
        state=at.state,
        review=draft.review,
        why=at.reason,
        asked_by=at.asked_by,
        approved_by=at.approved_by,
        publish_at=rfc3339(at.publish_at) if at.publish_at is not None else None,
        scheduled_by=at.scheduled_by,
        problem=at.problem,
        moved=[rule.id for rule in draft.moved],
        changes=differences,
    )


def _drafted(rule: DraftRule) -> DraftedRule:
    changed_at = rfc3339(rule.changed_at) if rule.changed_at else None
    return DraftedRule(
        rule.id, rule.mark, rule.revision, rule.moved, rule.changed_by, changed_at, rule.after, rule.before
    )


def _one(rule: DraftRule) -> Response[bytes]:
    return _respond(_drafted(rule), etag=rule.revision)


def _respond(body: msgspec.Struct, *, etag: int | None = None) -> Response[bytes]:
    headers = {} if etag is None else {"ETag": f'"{etag}"'}
    return Response(msgspec.json.encode(body), media_type=JSON, headers=headers)


handlers = [
    show, rules, rule, save_rule, remove_rule, keep_rule, reorder, discard, scenarios, ask, send_back, publish,
]  # fmt: skip
