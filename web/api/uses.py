"""How often rules fire and fields arrive."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from msgspec import Meta

from engine.decisions.usage import DAYS, NEVER, RuleUses
from engine.model.timestamps import DAY, rfc3339
from web.api.resources import JSON, Moment
from web.http.access import configuring, engine_of
from web.http.request_reading import query_of
from web.openapi.operation import Answer, Operation

AnyRequest = Request[Any, Any, Any]


class Days(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    days: Annotated[int, Meta(ge=1, le=365, description="So many days, today among them (UTC).")] = DAYS


class DayCount(msgspec.Struct, frozen=True):
    day: Annotated[str, Meta(description="ISO 8601, UTC.")]
    times: int


class RuleUse(msgspec.Struct, frozen=True):
    """What became of a rule: `skipped` counts by the field that it lacked."""

    id: str
    fired: int
    by_day: list[DayCount]
    skipped: dict[str, int]
    last_fired: Moment | None
    never_sent: Annotated[list[str], Meta(description="Fields that it reads and that never arrived in the time.")]


class RuleUseList(msgspec.Struct, frozen=True):
    """The published rules, by id."""

    items: list[RuleUse]


class FieldUse(msgspec.Struct, frozen=True):
    """`share` is of all answers, 0 to 1; null where there were none."""

    name: str
    times: int
    share: float | None


class FieldUseList(msgspec.Struct, frozen=True):
    """The declared fields, by name, and of how many answers they are counted."""

    answers: int
    items: list[FieldUse]


@get(
    "/v1/placements/{placement:str}/rule-uses",
    opt=Operation(
        "Rules",
        "Count how often rules fire",
        {200: Answer("Times by rule and day", RuleUseList)},
        "Counted from the log, up to a minute late.",
        query=Days,
    ).opt,
)
async def rule_uses(request: AnyRequest) -> Response[bytes]:
    access, wanted, engine = configuring(request), query_of(request, Days), engine_of(request)
    placement = str(request.path_params["placement"])
    uses = await engine.uses.rules(access.merchant.id, placement, days=wanted.days)
    fields = await engine.uses.fields(access.merchant.id, days=wanted.days)
    active = engine.live.get(access.merchant.id, placement)
    waiting = {rule.id: fields.waiting_for(rule) for rule in active.plan.rules} if active else {}
    configuration = await engine.catalogue.configuration(access.merchant.id)
    items = []
    for id in sorted(rule.id for rule in configuration.documents("rule", placement)):
        one = waiting.get(id)
        items.append(_rule_use(id, uses.get(id, NEVER), list(one.fields) if one else []))
    return _respond(RuleUseList(items))


@get(
    "/v1/field-uses",
    opt=Operation(
        "Vocabulary",
        "Count how often fields arrive",
        {200: Answer("Times by field", FieldUseList)},
        "Counted from the log, up to a minute late.",
        query=Days,
    ).opt,
)
async def field_uses(request: AnyRequest) -> Response[bytes]:
    access, wanted, engine = configuring(request), query_of(request, Days), engine_of(request)
    uses = await engine.uses.fields(access.merchant.id, days=wanted.days)
    names = sorted(field.name for field in (await engine.catalogue.configuration(access.merchant.id)).fields())
    items = [FieldUse(name, uses.times.get(name, 0), uses.share(name)) for name in dict.fromkeys(names)]
    return _respond(FieldUseList(uses.answers, items))


def _rule_use(id: str, uses: RuleUses, never_sent: list[str]) -> RuleUse:
    days = [DayCount(rfc3339(day * DAY)[:10], times) for day, times in sorted(uses.by_day.items())]
    last = rfc3339(uses.last_fired) if uses.last_fired is not None else None
    return RuleUse(id, uses.fired, days, dict(sorted(uses.lacked.items())), last, never_sent)


def _respond(body: msgspec.Struct) -> Response[bytes]:
    return Response(msgspec.json.encode(body), media_type=JSON, headers={"Cache-Control": "no-store"})


handlers = [rule_uses, field_uses]
