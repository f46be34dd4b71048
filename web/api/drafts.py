"""Drafts of rules: show and change them, and review, publish or schedule them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.configuration.draft_overlay import Draft, DraftItem, Mark
from engine.configuration.plan_difference import Difference
from engine.kernel.scenario_check import ScenarioOutcome
from engine.model.actor import Actor
from engine.model.errors import invalid
from engine.model.history import DraftState as State
from engine.model.placement import Id, RuleDocument
from engine.model.placement import Moment as PublishMoment
from engine.model.timestamps import rfc3339, to_ms
from engine.service import Engine
from rules.language.values import read_datetime
from web.api.common_types import Moment, Reason
from web.http.request_reading import MOST_BULK_BYTES
from web.http.responses import json_response
from web.openapi import examples
from web.openapi.operation import Answer, Operation

TAG = "Drafts"
PATH = "/v1/placements/{placement:str}/draft"
RULE = f"{PATH}/rules/{{id:str}}"
Revision = Annotated[int, Meta(ge=0, description="Counts the changes; `If-Match` takes it in quotes.")]


Authors = Annotated[
    list[str], Meta(description="The persons who made the change; none of them may approve it. Keys act for a person.")
]


class DraftedRule(msgspec.Struct, frozen=True):
    """A rule as the draft has it (`rule`) and as it is published (`published`); null where there is none.

    `moved`: others published the rule after the draft changed it.
    """

    id: str
    mark: Mark
    revision: Revision
    moved: bool
    changed_by: str
    authors: Authors
    changed_at: Moment | None
    rule: RuleDocument | None
    published: RuleDocument | None


class DraftedRules(msgspec.Struct, frozen=True):
    """All rules, the highest priority first."""

    items: list[DraftedRule]


class DraftState(msgspec.Struct, frozen=True):
    """The state of a draft and its changes, in words and as documents."""

    placement: str
    revision: Revision
    state: State
    review: Annotated[bool, Meta(description="True if a second person must approve it before it is published.")]
    reason: str = msgspec.field(name="why")
    asked_by: str
    approved_by: str
    publish_at: Moment | None
    scheduled_by: str
    problem: Annotated[str, Meta(description="The reason why it was not published on schedule.")]
    moved: Annotated[list[str], Meta(description="Rules that others published after the draft changed them.")]
    changes: list[Difference]


class RuleOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ids of all rules of the draft, the highest priority first."""

    ids: Annotated[list[Id], Meta(max_length=5_000)]


class ReviewRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request for review of a draft."""

    reason: Reason = msgspec.field(default="", name="why")


class PublishRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request to publish at once, or at `publish_at`."""

    reason: Reason = msgspec.field(default="", name="why")
    publish_at: PublishMoment | None = None


class PublishResult(msgspec.Struct, frozen=True):
    """The version that is in force now, or null and the time when it will be published."""

    version: int | None
    publish_at: Moment | None


class ScenarioOutcomes(msgspec.Struct, frozen=True):
    """All scenarios, each with the expectations it misses."""

    items: list[ScenarioOutcome]


@get(
    PATH,
    **Operation(
        TAG,
        "Show a draft",
        {200: Answer("The draft", DraftState, ("ETag",))},
        "Each placement has one draft, which all editors of the merchant share. It has no effect until published.",
    ).route(),
)
async def show(
    access: NamedDependency[Access], engine: NamedDependency[Engine], placement: FromPath[str]
) -> Response[bytes]:
    return await draft_answer(engine, access.merchant.id, placement)


@get(f"{PATH}/rules", **Operation(TAG, "List rules in a draft", {200: Answer("All rules", DraftedRules)}).route())
async def list_rules(
    access: NamedDependency[Access], engine: NamedDependency[Engine], placement: FromPath[str]
) -> Response[bytes]:
    draft = await engine.drafts.get(access.merchant.id, placement)
    return json_response(DraftedRules([_drafted(rule) for rule in draft.rules]))


@get(RULE, **Operation(TAG, "Show a rule in a draft", {200: Answer("The rule", DraftedRule, ("ETag",))}).route())
async def show_rule(
    access: NamedDependency[Access], engine: NamedDependency[Engine], placement: FromPath[str], id: FromPath[str]
) -> Response[bytes]:
    return _rule(await engine.drafts.rule(access.merchant.id, placement, id))


@put(
    RULE,
    **Operation(
        TAG,
        "Change a rule in a draft",
        {200: Answer("The rule as the draft has it now", DraftedRule, ("ETag",))},
        'The whole rule. Send `If-Match: "0"` for a new rule.',
        body=RuleDocument,
        example=examples.RULE,
        errors=(409, 412, 428),
    ).route(),
)
async def save_rule(
    actor: NamedDependency[Actor],
    engine: NamedDependency[Engine],
    placement: FromPath[str],
    id: FromPath[str],
    document: NamedDependency[RuleDocument],
    expected_version: NamedDependency[int | None],
) -> Response[bytes]:
    if document.id != id:
        raise invalid("id", "must be the id in the URL; ids cannot change")
    return _rule(await engine.drafts.save(actor, placement, document, revision=expected_version))


@delete(
    RULE,
    **Operation(
        TAG,
        "Delete a rule in a draft",
        {200: Answer("The rule, which publishing will delete", DraftedRule, ("ETag",))},
        errors=(412, 428),
    ).route(),
)
async def remove_rule(
    actor: NamedDependency[Actor],
    engine: NamedDependency[Engine],
    placement: FromPath[str],
    id: FromPath[str],
    expected_version: NamedDependency[int | None],
) -> Response[bytes]:
    return _rule(await engine.drafts.remove(actor, placement, id, revision=expected_version))


@post(
    f"{RULE}/keep",
    **Operation(
        TAG,
        "Keep a change over what others published",
        {200: Answer("The rule, no longer `moved`", DraftedRule, ("ETag",))},
        "Confirms that the change takes into account what others have published since.",
        errors=(412, 428),
    ).route(),
)
async def keep_rule(
    actor: NamedDependency[Actor],
    engine: NamedDependency[Engine],
    placement: FromPath[str],
    id: FromPath[str],
    expected_version: NamedDependency[int | None],
) -> Response[bytes]:
    return _rule(await engine.drafts.keep(actor, placement, id, revision=expected_version))


@put(
    f"{PATH}/order",
    **Operation(
        TAG,
        "Put the rules of a draft in an order",
        {200: Answer("The draft", DraftState, ("ETag",))},
        "Sets the priorities that this order needs; most rules keep theirs. Up to 2 MiB.",
        body=RuleOrder,
        example=examples.ORDER,
        errors=(409, 412, 428),
        most_bytes=MOST_BULK_BYTES,
    ).route(),
)
async def reorder(
    actor: NamedDependency[Actor],
    engine: NamedDependency[Engine],
    placement: FromPath[str],
    document: NamedDependency[RuleOrder],
    expected_version: NamedDependency[int | None],
) -> Response[bytes]:
    await engine.drafts.reorder(actor, placement, document.ids, revision=expected_version)
    return await draft_answer(engine, actor.merchant_id, placement)


@delete(
    PATH,
    **Operation(
        TAG,
        "Discard a draft",
        {200: Answer("The draft, without changes", DraftState, ("ETag",))},
        errors=(412, 428),
    ).route(),
)
async def discard(
    actor: NamedDependency[Actor],
    engine: NamedDependency[Engine],
    placement: FromPath[str],
    expected_version: NamedDependency[int | None],
) -> Response[bytes]:
    await engine.drafts.discard(actor, placement, revision=expected_version)
    return await draft_answer(engine, actor.merchant_id, placement)


@get(
    f"{PATH}/scenarios",
    **Operation(
        TAG,
        "Try the scenarios on a draft",
        {200: Answer("The outcome of each scenario", ScenarioOutcomes)},
        errors=(409,),
    ).route(),
)
async def try_scenarios(
    access: NamedDependency[Access], engine: NamedDependency[Engine], placement: FromPath[str]
) -> Response[bytes]:
    return json_response(ScenarioOutcomes(await engine.scenarios.try_draft(access.merchant.id, placement)))


@post(
    f"{PATH}/review",
    **Operation(
        TAG,
        "Send a draft for review",
        {200: Answer("The draft, in review", DraftState, ("ETag",))},
        "Another person, who changed nothing in the draft, approves it in the browser. A key acts for its creator.",
        body=ReviewRequest,
        example=examples.REVIEW,
        errors=(412, 428),
    ).route(),
)
async def request_review(
    actor: NamedDependency[Actor],
    engine: NamedDependency[Engine],
    placement: FromPath[str],
    document: NamedDependency[ReviewRequest],
    expected_version: NamedDependency[int | None],
) -> Response[bytes]:
    revision = await _revision(engine, actor, placement, expected_version)
    await engine.releases.ask(actor, placement, revision=revision, reason=document.reason)
    return await draft_answer(engine, actor.merchant_id, placement)


@delete(
    f"{PATH}/review",
    **Operation(
        TAG,
        "Withdraw a draft",
        {200: Answer("The draft, neither in review nor scheduled", DraftState, ("ETag",))},
        errors=(412, 428),
    ).route(),
)
async def withdraw(
    actor: NamedDependency[Actor],
    engine: NamedDependency[Engine],
    placement: FromPath[str],
    expected_version: NamedDependency[int | None],
) -> Response[bytes]:
    revision = await _revision(engine, actor, placement, expected_version)
    await engine.releases.send_back(actor, placement, revision=revision)
    return await draft_answer(engine, actor.merchant_id, placement)


@post(
    f"{PATH}/publish",
    **Operation(
        TAG,
        "Publish a draft",
        {200: Answer("Published, or scheduled", PublishResult)},
        "Publishes all changes or none. 412: others changed the draft or a rule under it. 400: a scenario fails. 403 "
        "`review-required`: a second person has not approved yet.",
        body=PublishRequest,
        example=examples.RELEASE,
        errors=(409, 412, 428),
    ).route(),
)
async def publish(
    actor: NamedDependency[Actor],
    engine: NamedDependency[Engine],
    placement: FromPath[str],
    document: NamedDependency[PublishRequest],
    expected_version: NamedDependency[int | None],
) -> Response[bytes]:
    revision = await _revision(engine, actor, placement, expected_version)
    if document.publish_at is None:
        version = await engine.releases.publish(actor, placement, revision=revision, reason=document.reason)
        return json_response(PublishResult(version, None))
    publish_at = _milliseconds(document.publish_at)
    await engine.releases.schedule(actor, placement, revision=revision, reason=document.reason, publish_at=publish_at)
    return json_response(PublishResult(None, rfc3339(publish_at)))


def _milliseconds(text: str) -> int:
    moment = read_datetime(text)
    if moment is None:
        raise invalid("publish_at", "must be a time with an offset, such as 2026-11-27T18:30:00+01:00")
    return to_ms(moment)


async def _revision(engine: Engine, actor: Actor, placement: str, expected: int | None) -> int:
    """Return the expected revision, or the current one for `If-Match: *`."""
    if expected is not None:
        return expected
    return (await engine.drafts.get(actor.merchant_id, placement)).head.revision


async def draft_answer(engine: Engine, merchant_id: int, placement: str) -> Response[bytes]:
    """Answer with the draft and what it changes."""
    draft, differences = await engine.drafts.differences(merchant_id, placement)
    return json_response(state_of(draft, differences), version=draft.head.revision)


def state_of(draft: Draft, differences: list[Difference]) -> DraftState:
    """Return a draft as the API shows it."""
    row = draft.head
    return DraftState(
        placement=draft.placement,
        revision=row.revision,
        state=row.state,
        review=draft.review,
        reason=row.reason,
        asked_by=row.asked_by,
        approved_by=row.approved_by,
        publish_at=rfc3339(row.publish_at) if row.publish_at is not None else None,
        scheduled_by=row.scheduled_by,
        problem=row.problem,
        moved=[rule.id for rule in draft.moved],
        changes=differences,
    )


def _drafted(rule: DraftItem) -> DraftedRule:
    changed_at = rfc3339(rule.changed_at) if rule.changed_at else None
    return DraftedRule(
        rule.id,
        rule.mark,
        rule.revision,
        rule.moved,
        rule.changed_by,
        list(rule.authors),
        changed_at,
        rule.after,
        rule.before,
    )


def _rule(rule: DraftItem) -> Response[bytes]:
    return json_response(_drafted(rule), version=rule.revision)


handlers = [
    show, list_rules, show_rule, save_rule, remove_rule, keep_rule, reorder, discard, try_scenarios, request_review,
    withdraw, publish,
]  # fmt: skip
