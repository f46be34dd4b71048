"""Counts of how often rules fire and fields arrive."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.decisions.usage import DAYS, NEVER, RuleUses
from engine.model.timestamps import DAY, rfc3339
from engine.service import Engine
from web.api.common_types import Moment
from web.http.responses import NO_STORE, json_response
from web.openapi.operation import Answer, Operation


class Days(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    days: Annotated[int, Meta(ge=1, le=365, description="The number of days, including today (UTC).")] = DAYS


class DayCount(msgspec.Struct, frozen=True):
    day: Annotated[str, Meta(description="ISO 8601, UTC.")]
    times: int


class RuleUse(msgspec.Struct, frozen=True):
    """Counts of one rule; `skipped` counts by the missing field."""

    id: str
    fired: int
    by_day: list[DayCount]
    skipped: dict[str, int]
    last_fired: Moment | None
    never_sent: Annotated[
        list[str], Meta(description="Fields that the rule reads and that never arrived in this period.")
    ]


class RuleUseList(msgspec.Struct, frozen=True):
    """The published rules, by id."""

    items: list[RuleUse]


class FieldUse(msgspec.Struct, frozen=True):
    """`share` is of all answers, 0 to 1; null where there were none."""

    name: str
    times: int
    share: float | None


class FieldUseList(msgspec.Struct, frozen=True):
    """The declared fields, by name, and the number of answers they are counted over."""

    answers: int
    items: list[FieldUse]


@get(
    "/v1/placements/{placement:str}/rule-uses",
    **Operation(
        "Rules",
        "Count how often rules fire",
        {200: Answer("Times by rule and day", RuleUseList)},
        "Counted from the log, up to a minute late.",
        query=Days,
    ).route(),
)
async def rule_uses(
    access: NamedDependency[Access],
    engine: NamedDependency[Engine],
    placement: FromPath[str],
    parameters: NamedDependency[Days],
) -> Response[bytes]:
    uses = await engine.uses.rules(access.merchant.id, placement, days=parameters.days)
    fields = await engine.uses.fields(access.merchant.id, days=parameters.days)
    active = engine.live.get(access.merchant.id, placement)
    waits = {rule.id: fields.waiting_for(rule) for rule in active.plan.rules} if active else {}
    configuration = await engine.catalogue.configuration(access.merchant.id)
    items = []
    for id in sorted(rule.id for rule in configuration.documents("rule", placement)):
        missing = waits.get(id)
        items.append(_rule_use(id, uses.get(id, NEVER), list(missing.fields) if missing else []))
    return json_response(RuleUseList(items), headers=NO_STORE)


@get(
    "/v1/field-uses",
    **Operation(
        "Vocabulary",
        "Count how often fields arrive",
        {200: Answer("Times by field", FieldUseList)},
        "Counted from the log, up to a minute late.",
        query=Days,
    ).route(),
)
async def field_uses(
    access: NamedDependency[Access], engine: NamedDependency[Engine], parameters: NamedDependency[Days]
) -> Response[bytes]:
    uses = await engine.uses.fields(access.merchant.id, days=parameters.days)
    names = sorted(field.name for field in (await engine.catalogue.configuration(access.merchant.id)).fields())
    items = [FieldUse(name, uses.times.get(name, 0), uses.share(name)) for name in dict.fromkeys(names)]
    return json_response(FieldUseList(uses.answers, items), headers=NO_STORE)


def _rule_use(id: str, uses: RuleUses, never_sent: list[str]) -> RuleUse:
    days = [DayCount(rfc3339(day * DAY)[:10], times) for day, times in sorted(uses.by_day.items())]
    last_fired = rfc3339(uses.last_fired) if uses.last_fired is not None else None
    return RuleUse(id, uses.fired, days, dict(sorted(uses.lacked.items())), last_fired, never_sent)


handlers = [rule_uses, field_uses]
