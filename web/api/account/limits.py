"""The limits of a merchant's side, and what is used of them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.model.timestamps import rfc3339
from engine.service import Engine
from web.api.common_types import Moment
from web.http.responses import NO_STORE, json_response
from web.openapi.operation import Answer, Operation


class AccountLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What the tier of this side allows; null is no limit. Without a tier, only the limits of the server apply."""

    tier: Annotated[str, Meta(description="The name of the tier; empty without one.")]
    exports_a_month: Annotated[
        int | None, Meta(description="Reports, results of experiments and tables that may be downloaded in a month.")
    ]
    exports: Annotated[int, Meta(description="Those of this month; they are counted only where a tier limits them.")]
    exports_renewed_at: Annotated[Moment, Meta(description="When the next month begins, in the merchant's time zone.")]
    requests_an_hour: Annotated[int | None, Meta(description="Decisions and outcomes of all keys together.")]
    scheduled_mail: Annotated[bool, Meta(description="Whether scheduled reports are sent.")]
    logo: Annotated[bool, Meta(description="Whether reports have the merchant's logo.")]


@get(
    "/v1/limits",
    **Operation(
        "Keys",
        "Show limits",
        {200: Answer("The limits", AccountLimits)},
        "What the tier of this side allows, and what is used of it this month. The operator of the server sets tiers.",
    ).route(),
)
async def show(access: NamedDependency[Access], engine: NamedDependency[Engine]) -> Response[bytes]:
    use = await engine.tiers.use(access.merchant)
    body = AccountLimits(
        tier=access.merchant.tier,
        **msgspec.structs.asdict(use.tier),
        exports=use.exports,
        exports_renewed_at=rfc3339(use.month.end),
    )
    return json_response(body, headers=NO_STORE)


handlers = [show]
